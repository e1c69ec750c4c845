"""The gradient methods against captum, which is given our pixels and asked for one class a call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.explain.cams.guided_gradcam import GuidedGradCAM
from whyscan.explain.gradients.gradient_shap import GradientSHAP
from whyscan.explain.gradients.guided import GuidedBackprop
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.explain.gradients.saliency import InputXGradient, Saliency
from whyscan.explain.gradients.smoothgrad import SmoothGrad, noisy
from whyscan.models.classifier import Classifier, Layer

captum = pytest.importorskip("captum.attr", reason="captum is not installed (extra: oracles)")
pytestmark = pytest.mark.filterwarnings("default")


def small(relu=nn.ReLU) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), relu(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), relu(),
            nn.Conv2d(8, 6, 3, padding=1), relu(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4),
        ).eval()  # fmt: skip


@pytest.fixture
def classifier() -> Classifier:
    return Classifier("small", ("a", "b", "c", "d"), (24, 24), small(), (Layer("last", "5"),))


@pytest.fixture
def scan() -> Scan:
    return Scan(np.random.default_rng(0).random((3, 24, 24), np.float32), "noise")


def close(ours: np.ndarray, theirs: torch.Tensor) -> None:
    """To 1e-5 of the largest value."""
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def largest(gradient: torch.Tensor) -> torch.Tensor:
    return gradient[0].abs().amax(0)


def test_saliency_and_input_x_gradient(classifier: Classifier, scan: Scan) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    (saliency,), (product,) = Saliency()(classifier, [scan]), InputXGradient()(classifier, [scan])
    for t in range(4):
        close(saliency.maps[t], largest(captum.Saliency(classifier.network).attribute(pixels, target=t, abs=False)))
        close(product.maps[t], captum.InputXGradient(classifier.network).attribute(pixels, target=t)[0].sum(0))


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("kind", ["black", 0.5])
def test_integrated_gradients(classifier: Classifier, scan: Scan, score, kind) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    (ours,) = IntegratedGradients(steps=20, score=score, baseline=kind)(classifier, [scan])
    network = classifier.network if score == "logit" else nn.Sequential(classifier.network, nn.Softmax(1))
    peer = captum.IntegratedGradients(network)
    for t in range(4):
        theirs, delta = peer.attribute(
            pixels, 0.0 if kind == "black" else kind, target=t, n_steps=20, method="gausslegendre",
            return_convergence_delta=True,
        )  # fmt: skip
        close(ours.maps[t], theirs[0].sum(0))
        assert ours.measured["completeness gap"][t] == pytest.approx(float(delta), abs=2e-6)


def test_smoothgrad_on_the_same_noise(classifier: Classifier, scan: Scan) -> None:
    # captum's NoiseTunnel draws from the global generator; given its parts, it is the mean over our own copies
    (ours,) = SmoothGrad(samples=6, noise=0.1)(classifier, [scan], seed=4)
    pixels = torch.from_numpy(scan.pixels)
    copies = torch.stack([p.pixels for p in noisy(pixels, 0.1 * float(pixels.max() - pixels.min()), 3, seed=4)])
    for t in range(4):
        theirs = captum.Saliency(classifier.network).attribute(copies, target=t, abs=False)
        close(ours.maps[t], largest(theirs.mean(0, keepdim=True)))


def test_smoothgrad_agrees_with_the_noise_tunnel(classifier: Classifier, scan: Scan) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    (ours,) = SmoothGrad(samples=400, noise=0.2)(classifier, [scan], "c")
    sigma = 0.2 * float(pixels.max() - pixels.min())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tunnel = captum.NoiseTunnel(captum.Saliency(classifier.network))
        theirs = tunnel.attribute(pixels, nt_samples=400, stdevs=sigma, target=2, abs=False, nt_samples_batch_size=100)
    assert np.corrcoef(ours.maps[0].ravel(), largest(theirs).numpy().ravel())[0, 1] > 0.98
    away = float(np.sqrt(np.mean((ours.maps[0] - largest(theirs).numpy()) ** 2)))
    assert away < 6 * ours.measured["standard error"][0]  # captum's own error, without pairs, is the larger part


@pytest.mark.parametrize("target", range(4))
def test_gradient_shap_agrees_with_captum(target: int, classifier: Classifier, scan: Scan) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    references = np.random.default_rng(1).random((3, 3, 24, 24), np.float32)
    (ours,) = GradientSHAP(samples=300, references=references)(classifier, [scan])
    peer = captum.GradientShap(classifier.network)
    with torch.random.fork_rng(), np_seed(0):
        torch.manual_seed(0)
        theirs = peer.attribute(pixels, torch.from_numpy(references), n_samples=1000, stdevs=0.0, target=target)
    assert np.corrcoef(ours.maps[target].ravel(), theirs[0].sum(0).numpy().ravel())[0, 1] > 0.99
    # the exact answer is the mean of integrated gradients over the references
    exact = np.mean(
        [
            captum.IntegratedGradients(classifier.network)
            .attribute(pixels, torch.from_numpy(each[None]), target=target, n_steps=64)[0].sum(0).numpy()
            for each in references
        ],
        axis=0,
    )  # fmt: skip
    away = float(np.sqrt(np.mean((ours.maps[target] - exact) ** 2)))
    assert away < 2 * ours.measured["standard error"][target]


class np_seed:
    """captum draws its baselines from NumPy's global generator."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.state = np.random.get_state()  # noqa: NPY002
        np.random.seed(self.seed)  # noqa: NPY002

    def __exit__(self, *_: object) -> None:
        np.random.set_state(self.state)  # noqa: NPY002


def test_guided_backpropagation(classifier: Classifier, scan: Scan) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    (ours,) = GuidedBackprop()(classifier, [scan])
    peer = captum.GuidedBackprop(classifier.network)
    for t in range(4):
        close(ours.maps[t], largest(peer.attribute(pixels, target=t)))


def test_guided_gradcam(classifier: Classifier, scan: Scan) -> None:
    pixels = torch.from_numpy(scan.pixels[None])
    (ours,) = GuidedGradCAM()(classifier, [scan])
    peer = captum.GuidedGradCam(classifier.network, classifier.network[5])
    for t in range(4):
        close(ours.maps[t], largest(peer.attribute(pixels, target=t, interpolate_mode="bilinear")))


class Functional(nn.Module):
    """mean x -> relu(x, -x) . (1, 1) -> relu -> (1, -1) x: written with a function, as many networks are."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        mean = pixels.mean((1, 2, 3))
        kept = torch.relu(torch.stack([mean, 2 * mean], 1))
        return torch.stack([kept[:, 0] - kept[:, 1], kept[:, 1] - kept[:, 0]], 1)


def test_captum_leaves_functional_relus_unguided(scan: Scan) -> None:
    # both units fire; logit 0 sends (1, -1) back. Guided: (1, 0), so 1 x the slope of the mean, 1 / (3 h w);
    # plain: 1 - 2 = -1. logit 1: guided 2, plain 1. captum answers with the plain gradient.
    classifier = Classifier("functional", ("a", "b"), (24, 24), Functional(), ())
    pixels, slope = torch.from_numpy(scan.pixels[None]), 1 / (3 * 24 * 24)
    (ours,) = GuidedBackprop()(classifier, [scan])
    np.testing.assert_allclose(ours.maps[0], slope, rtol=1e-5)
    np.testing.assert_allclose(ours.maps[1], 2 * slope, rtol=1e-5)
    peer = captum.GuidedBackprop(classifier.network)
    np.testing.assert_allclose(peer.attribute(pixels, target=0).detach(), -slope, rtol=1e-5)
    np.testing.assert_allclose(peer.attribute(pixels, target=1).detach(), slope, rtol=1e-5)


def test_captum_leaves_relu6_unguided(scan: Scan) -> None:
    """captum looks for nn.ReLU by type, so that MobileNetV2, say, gets its plain gradient; ours is what ReLU gives.

    Nothing here reaches 6, so both networks are the same function.
    """
    six, plain = small(nn.ReLU6), small()
    pixels = torch.from_numpy(scan.pixels[None])
    assert torch.equal(six(pixels), plain(pixels))
    classifier = Classifier("six", ("a", "b", "c", "d"), (24, 24), six, ())
    (ours,) = GuidedBackprop()(classifier, [scan])
    (gradient,) = Saliency()(classifier, [scan])
    for t in range(4):
        close(ours.maps[t], largest(captum.GuidedBackprop(plain).attribute(pixels, target=t)))
        close(gradient.maps[t], largest(captum.GuidedBackprop(six).attribute(pixels, target=t)))
