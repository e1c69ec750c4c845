"""The peers, called as their own documentation shows it, and where they can be called better, at their best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from speed_setting import Setting
from torch import Tensor, nn

from whyscan.models.classifier import Predict, softmax

Facts = dict[str, Any]
Judge = Callable[[np.ndarray], np.ndarray]
"""Images (n, h, w, 3) in [0, 1] -> probabilities (n, k), as lime and shap want it."""


# Grad-CAM


def grad_cam(network: nn.Module, layers: Sequence[nn.Module], pixels: Tensor, target: int) -> None:
    """pytorch-grad-cam in a loop: a GradCAM for each layer."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    for layer in layers:
        with GradCAM(network, [layer]) as cam:
            cam(pixels, [ClassifierOutputTarget(target)])


def grad_cam_at_once(network: nn.Module, layers: Sequence[nn.Module], pixels: Tensor, targets: Sequence[int]) -> None:
    """pytorch-grad-cam given all layers: what its `forward` does before it averages the layers away."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(network, list(layers)) as cam:
        for target in targets:
            outputs = cam.activations_and_grads(pixels)
            network.zero_grad()
            outputs[:, target].sum().backward()
            cam.compute_cam_per_layer(pixels, [ClassifierOutputTarget(target)], False)


def captum_grad_cam(network: nn.Module, layers: Sequence[nn.Module], pixels: Tensor, target: int) -> None:
    """captum in a loop: a LayerGradCam for each layer."""
    from captum.attr import LayerGradCam

    for layer in layers:
        LayerGradCam(network, layer).attribute(pixels, target, relu_attributions=True)


# LIME and SHAP. The peers' model is the float32 network as people hand it over.


def float32(setting: Setting) -> Judge:
    def judge(images: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float32))
        with torch.no_grad():
            found = [setting.network(part).softmax(1) for part in pixels.split(10)]
        return torch.cat(found).numpy()

    return judge


def ours(predict: Predict) -> Judge:
    """One of our engines, which gives logits of (n, 3, h, w), for a peer."""
    return lambda images: softmax(predict(np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float32)))


class Counted:
    """A judge that counts the images it was shown."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self.seen = judge, 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return self._judge(images)


def image(setting: Setting) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(setting.board.pixels, 0, -1), np.float64)


def lime(setting: Setting, judge: Judge, samples: int) -> Facts:
    from lime import lime_image

    lime_image.tqdm = lambda rows: rows  # its progress bar
    explainer = lime_image.LimeImageExplainer(random_state=0)
    explainer.explain_instance(
        image(setting), judge, labels=tuple(setting.classes), top_labels=None, num_samples=samples,
        segmentation_fn=lambda _: setting.labels, random_seed=0,
    )  # fmt: skip
    return {"evaluations": samples}


def captum_lime(setting: Setting, samples: int, target: int) -> Facts:
    from captum.attr import Lime

    return _captum(Lime, setting, samples, target)


def captum_kernel_shap(setting: Setting, samples: int, target: int) -> Facts:
    from captum.attr import KernelShap

    return _captum(KernelShap, setting, samples, target)


def _captum(method: Any, setting: Setting, samples: int, target: int) -> Facts:
    board = setting.board
    method(lambda pixels: setting.network(pixels).softmax(1)).attribute(
        torch.from_numpy(board.pixels)[None],
        baselines=torch.from_numpy(board.hidden)[None],
        target=target,
        feature_mask=torch.from_numpy(setting.labels.astype(np.int64))[None, None],
        n_samples=samples,
        perturbations_per_eval=8,
    )
    return {"evaluations": samples}


def shap_partition(setting: Setting, samples: int) -> Facts:
    import shap

    judge, pixels = Counted(float32(setting)), image(setting)
    masker = shap.maskers.Image(np.moveaxis(setting.board.hidden, 0, -1).astype(np.float64))
    explainer = shap.PartitionExplainer(judge, masker)
    explainer(pixels[None], max_evals=samples, batch_size=10, silent=True)
    return {"evaluations": judge.seen}


def shap_kernel(setting: Setting, samples: int) -> Facts:
    import shap

    judge, board = Counted(float32(setting)), setting.board

    def play(coalitions: np.ndarray) -> np.ndarray:
        parts = [coalitions[start : start + 10] > 0.5 for start in range(0, len(coalitions), 10)]
        return np.concatenate([judge(np.moveaxis(board.mask(part), 1, -1)) for part in parts])

    explainer = shap.KernelExplainer(play, np.zeros((1, board.players)))
    explainer.shap_values(np.ones((1, board.players)), nsamples=samples, silent=True)
    return {"evaluations": judge.seen}


def shap_gradient(setting: Setting, samples: int) -> Facts:
    import shap

    explainer = shap.GradientExplainer(setting.network, _background(setting), batch_size=10)
    explainer.shap_values(setting.tensor(), nsamples=samples, rseed=0)
    return {"evaluations": samples}


def shap_deep(setting: Setting) -> Facts:
    """One shot: it has no number of samples."""
    import shap

    explainer = shap.DeepExplainer(setting.network, _background(setting))
    explainer.shap_values(setting.tensor())
    return {}


def _background(setting: Setting) -> Tensor:
    return setting.tensor(5)[1:] if len(setting.scans) > 1 else torch.zeros_like(setting.tensor())
