"""Grad-CAM against pytorch-grad-cam and captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.explain import explain_layers
from whyscan.explain.trace import trace
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return build("mobilenetv2_035", "none", ("a", "b", "c"), input_size=64, seed=0)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Scan(np.random.default_rng(0).random((3, 64, 64), np.float32), "noise")


def test_maps_of_named_layers_equal_pytorch_grad_cam(classifier: Classifier, scan: Scan) -> None:
    peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed (extra: oracles)")
    from pytorch_grad_cam.utils.image import scale_cam_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    # the peer min-max scales; where a layer is followed by in-place ReLU it is wrong (see below), so none of those
    names = [layer.name for layer in classifier.layers]
    chosen = [names[i] for i in (0, 3, len(names) // 2, -1)]
    ours = explain_layers(classifier, scan, layers=chosen)
    modules = dict(classifier.network.named_modules())
    pixels = torch.from_numpy(scan.pixels[None])
    for name, attribution in ours.items():
        module = modules[classifier.layer(name).path]
        for t in range(3):
            with peer.GradCAM(model=classifier.network, target_layers=[module]) as cam:
                theirs = cam(input_tensor=pixels, targets=[ClassifierOutputTarget(t)])[0]
            # the peer scales each layer's map and then, after resizing, their mean once more
            scaled = scale_cam_image(scale_cam_image(attribution.maps[t : t + 1], (64, 64)))[0]
            np.testing.assert_allclose(scaled, theirs, atol=1e-5, err_msg=name)


def test_raw_maps_equal_captum(classifier: Classifier, scan: Scan) -> None:
    captum = pytest.importorskip("captum.attr", reason="captum is not installed (extra: oracles)")
    (ours,) = GradCAM()(classifier, [scan])
    module = dict(classifier.network.named_modules())[classifier.layers[-1].path]
    cam = captum.LayerGradCam(classifier.network, module)
    for t in range(3):
        theirs = cam.attribute(torch.from_numpy(scan.pixels[None]), target=t, relu_attributions=True)
        np.testing.assert_allclose(ours.maps[t], theirs[0, 0].detach().numpy(), atol=1e-5)


class InPlace(nn.Module):
    """A convolution whose output is overwritten by the ReLU after it."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = nn.Conv2d(1, 1, 1)
        self.copy.weight, self.copy.bias = nn.Parameter(torch.ones(1, 1, 1, 1)), nn.Parameter(torch.tensor([-0.5]))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.relu(self.copy(pixels)).mean((2, 3))


def test_where_the_peer_is_wrong_a_layer_followed_by_in_place_relu() -> None:
    """pytorch-grad-cam keeps no copy of the activation, so it shows what ReLU made of it; we show the layer's own."""
    peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed (extra: oracles)")
    network, pixels = InPlace().eval(), torch.tensor([[[[0.0, 0.25], [0.75, 1.0]]]])
    ours = trace(network, pixels, ["copy"], torch.ones(1, 1)).activations["copy"]
    np.testing.assert_allclose(ours[0, 0], [[-0.5, -0.25], [0.25, 0.5]])
    with peer.GradCAM(model=network, target_layers=[network.copy]) as cam:
        cam(input_tensor=pixels, targets=None)
        theirs = cam.activations_and_grads.activations[0][0, 0]
    np.testing.assert_allclose(theirs, [[0, 0], [0.25, 0.5]])
