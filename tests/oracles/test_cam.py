"""The CAM family against pytorch-grad-cam: after the same scaling, on a residual network and on grids of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from whyscan.data.read import read_scan
from whyscan.data.scan import Scan
from whyscan.explain.cams.ablationcam import AblationCAM
from whyscan.explain.cams.kernels import gradcampp_weights, summed
from whyscan.explain.cams.scorecam import ScoreCAM
from whyscan.explain.explain import explain_layers
from whyscan.explain.methods import METHODS
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.models.load import load
from whyscan.models.tokens import to_channels

peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed (extra: oracles)")

from pytorch_grad_cam.utils.image import scale_cam_image  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


class WithoutEps(peer.GradCAMPlusPlus):  # type: ignore[misc, name-defined]
    """The peer's own lines with an eps of 1e-30 for its 1e-6, which destroys gradients of ordinary size.

    Its alpha is g^2 / (2 g^2 + g^3 sum A + eps). For g c and A / c that is g^2 / (2 g^2 + g^3 sum A + eps / c^2).
    """

    def get_cam_weights(self, pixels: Any, layers: Any, targets: Any, activation: Any, gradient: Any) -> np.ndarray:
        c = 1e12
        large, small = gradient.astype(np.float64) * c, activation.astype(np.float64) / c
        return np.asarray(super().get_cam_weights(pixels, layers, targets, small, large) / c)


POLES = 5e-4
"""What rounding leaves of Grad-CAM++ where activations may be negative: its denominator comes near 0 at some places."""
SUMS = 5e-5
"""Likewise of XGrad-CAM: it divides by a channel's sum, which before a normalisation is near 0 for some."""

PEERS = {
    "gradcam": peer.GradCAM,
    "hirescam": peer.HiResCAM,
    "xgradcam": peer.XGradCAM,
    "layercam": peer.LayerCAM,
    "eigencam": peer.EigenCAM,
    "gradcampp": WithoutEps,
}


def seeded(make: Any, width: float) -> nn.Module:
    """A network with random weights and statistics, and a last layer of that width."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = make().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
        *_, last = (module for module in network.modules() if isinstance(module, nn.Linear))
        nn.init.normal_(last.weight, std=width)
    return network


def resnet(width: float) -> Classifier:
    return load(
        seeded(lambda: torchvision.models.resnet18(num_classes=3), width), classes=["a", "b", "c"], input_size=64
    )


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Scan(np.random.default_rng(0).random((3, 64, 64), np.float32), "noise")


def theirs(kind: Any, classifier: Classifier, layer: str, pixels: np.ndarray, target: int) -> np.ndarray:
    place = classifier.layer(layer)
    module = classifier.network.get_submodule(place.path)

    def reshape(output: Tensor) -> Tensor:
        return to_channels(output, place)

    with kind(model=classifier.network, target_layers=[module], reshape_transform=reshape) as cam:
        maps = cam(input_tensor=torch.from_numpy(pixels), targets=[ClassifierOutputTarget(target)])
    return np.asarray(maps[0])


def scaled(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As the peer does: each layer's map, and after resizing the mean over layers once more."""
    return np.asarray(scale_cam_image(scale_cam_image(maps[None], size[::-1]))[0])


class Mirrored(peer.EigenCAM):  # type: ignore[misc, name-defined]
    """The same component with the other sign: the peer's own is whatever its SVD gives."""

    def get_cam_image(self, *arguments: Any) -> np.ndarray:
        return -np.asarray(super().get_cam_image(*arguments))


def compare(name: str, classifier: Classifier, layer: str, scan: Scan, atol: float = 1e-5, kind: Any = None) -> None:
    (ours,) = METHODS[name].explainer(layer=layer)(classifier, [scan])
    pixels = classifier.prepare(scan)[0].copy()
    for t in range(len(classifier.classes)):
        expected = theirs(kind or PEERS[name], classifier, layer, pixels, t)
        assert expected.max() > 0.99 or ours.diagnosis[t] != "there"
        found = scaled(ours.maps[t], classifier.input_size)
        if name == "eigencam" and np.abs(found - expected).max() > atol:
            expected = theirs(Mirrored, classifier, layer, pixels, t)
        np.testing.assert_allclose(found, expected, atol=atol, err_msg=layer)


@pytest.mark.parametrize("layer", ["layer4", "layer2", "layer1.0.conv2", "layer3.1.conv1"])
@pytest.mark.parametrize("name", PEERS)
def test_the_family_on_a_residual_network(name: str, layer: str, scan: Scan) -> None:
    compare(name, resnet(1.0), layer, scan, POLES if name == "gradcampp" and "conv" in layer else 1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer3", "layer2"])
def test_gradcampp_where_gradients_are_large(layer: str, scan: Scan) -> None:
    """The peer adds 1e-6 to a denominator of the order of the squared gradient: no matter if that is large."""
    classifier = resnet(1e4)
    compare("gradcampp", classifier, layer, scan, kind=peer.GradCAMPlusPlus)


def test_where_the_peer_is_wrong_gradcampp_of_small_gradients() -> None:
    """alpha = g^2 / (2 g^2 + g^3 sum A) is 1 / (2 + g sum A), near 1/2 for small g, and so is ours.

    With the peer's 1e-6 in the denominator it goes to 0 with g^2, so that half the gradient counts for an eighth: a
    map then changes with the unit of the score, and in large grids, where gradients are 1e-4, most of it is lost.
    """
    activation = np.ones((1, 2, 1, 1), np.float32)
    gradient = np.array([2e-4, 1e-4], np.float32).reshape(1, 2, 1, 1)
    cam = peer.GradCAMPlusPlus(nn.Conv2d(1, 1, 1), [])
    weights = cam.get_cam_weights(None, None, None, activation, gradient)[0]
    assert weights[0] / weights[1] == pytest.approx(8, rel=0.1)
    each = [summed(gradcampp_weights, torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), g)).item() for g in (2e-4, 1e-4)]
    assert each[0] == pytest.approx(1e-4, rel=1e-3)
    assert each[0] / each[1] == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-9])
@pytest.mark.parametrize("negative", [False, True])
def test_gradcampp_is_equation_19_as_it_is_printed(negative: bool, size: float) -> None:
    """alpha = g^2 / (2 g^2 + g^3 sum_ab A_ab), in double precision: what POLES allows for is rounding, and no more."""
    random = np.random.default_rng(0)
    activation, gradient = random.normal(size=(8, 14, 14)), random.normal(size=(8, 14, 14)) * size
    activation = activation if negative else np.maximum(activation, 0)
    alpha = gradient**2 / (2 * gradient**2 + gradient**3 * activation.sum((1, 2), keepdims=True))
    weights = (alpha * np.maximum(gradient, 0)).sum((1, 2))
    (found,) = summed(gradcampp_weights, torch.from_numpy(activation[None]), torch.from_numpy(gradient[None])).numpy()
    expected = np.tensordot(weights, activation, 1)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(
    ("model", "arguments", "layers"),
    [
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}, ("blocks.0", "last")),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2}, ("layers.1.blocks.1", "last")),
        ("convnext_atto", {}, ("stages.1.blocks.1.mlp.fc1", "stages.1.blocks.1", "stages.3.blocks.1")),
    ],
)
def test_the_family_on_tokens(
    name: str, model: str, arguments: dict[str, Any], layers: tuple[str, ...], scan: Scan
) -> None:
    network = seeded(lambda: timm.create_model(model, num_classes=3, **arguments), 1.0)
    classifier = load(network, classes=["a", "b", "c"], input_size=64)
    # directly before a layer norm the products of HiResCAM cancel, and the two differ in their rounding errors
    atol = SUMS if name == "xgradcam" else POLES if name == "gradcampp" and "vit" not in model else 1e-5
    for layer in layers[:1] if name == "hirescam" else layers:
        compare(name, classifier, layer, scan, atol)


@pytest.mark.parametrize(("layer", "target"), [("layer4", 1), ("layer3", 0), ("layer2", 2)])
def test_score_cam(layer: str, target: int, scan: Scan) -> None:
    classifier = resnet(1.0)
    (ours,) = ScoreCAM(layer, channels=None, engine="float32")(classifier, [scan])
    assert ours.evaluations == {"layer4": 512, "layer3": 256, "layer2": 128}[layer]
    expected = theirs(peer.ScoreCAM, classifier, layer, scan.pixels[None].copy(), target)
    np.testing.assert_allclose(scaled(ours.maps[target], (64, 64)), expected, atol=1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_ablation_cam_and_where_the_peer_is_wrong_a_score_below_zero(layer: str, scan: Scan) -> None:
    """The peer divides the drop by the score itself, as the paper does.

    Of a positive score that is a matter of scale. Of a negative one it turns the map round: what the score would lose
    most without is shown as speaking against it. Ours is the drop, in logits. (Where a layer's smallest value is not
    exactly 0, the peer also puts -1e7 in a channel's place rather than the paper's 0; after ReLU it is 0.)
    """
    classifier = resnet(1.0)
    logits = classifier.logits(scan)
    (ours,) = AblationCAM(layer, channels=None)(classifier, [scan])
    assert (logits > 0).any() and (logits < 0).any()
    for t in range(3):
        expected = theirs(peer.AblationCAM, classifier, layer, scan.pixels[None].copy(), t)
        agree = np.abs(scaled(ours.maps[t], (64, 64)) - expected).max() <= 1e-5
        assert agree == (logits[t] > 0)


@pytest.mark.real
@pytest.mark.parametrize("name", PEERS)
def test_a_real_scan_with_real_weights(name: str, shared: Path) -> None:
    folder = shared / "data" / "brain-tumor-mri" / "Testing" / "glioma_tumor"
    scan = read_scan(sorted(folder.glob("*.jpg"))[0], label="glioma_tumor")
    weights = shared / "weights" / "mobilenetv2_035.imagenet.safetensors"
    classifier = build("mobilenetv2_035", weights, ("a", "b", "c"), input_size=96)
    # layers that no in-place activation follows: there the peer shows what is left after it (see test_gradcam.py)
    for layer in ("last", "blocks.2.1.conv_pwl", "blocks.5.0.conv_pwl"):
        compare(name, classifier, layer, scan, {"gradcampp": POLES, "xgradcam": SUMS}.get(name, 1e-5))
    assert len(explain_layers(classifier, scan, "a", method=METHODS[name].explainer())) == len(classifier.layers)
