"""Guided backpropagation, worked out by hand, for every way of writing a ReLU; and its product with Grad-CAM."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.cams.guided_gradcam import GuidedGradCAM
from whyscan.explain.explain import explain_layers
from whyscan.explain.gradients.backward import frozen, input_gradients
from whyscan.explain.gradients.guided import NO_RELU, Guide, GuidedBackprop, is_relu
from whyscan.explain.gradients.saliency import Saliency
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier

RELUS = {
    "module": nn.ReLU(),
    "in-place module": nn.ReLU(inplace=True),
    "ReLU6": nn.ReLU6(),
    "in-place ReLU6": nn.ReLU6(inplace=True),
    "Threshold": nn.Threshold(0, 0),
    "functional": functional.relu,
    "functional in place": lambda x: functional.relu(x, inplace=True),
    "functional relu6": functional.relu6,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: torch.clamp_min(x, 0.0),
}


class Chain(nn.Module):
    """One pixel's mean x -> relu(A x) -> relu(B .) -> logits, with ReLUs as given."""

    A, B = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([[1.0, 1.0, 1.0], [-1.0, 2.0, 0.0], [-1.0, 0.0, 0.0]])
    HEAD = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])

    def __init__(self, relu) -> None:
        super().__init__()
        self.relu, self.unused = relu, nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        first = self.relu(pixels.mean((1, 2, 3))[:, None] @ self.A.T)
        return self.relu(first @ self.B.T) @ self.HEAD.T


@pytest.mark.parametrize("name", RELUS)
def test_the_answer_worked_out_by_hand(name: str) -> None:
    # x = 1: A x = (1, 2, -1), fires (1, 2, 0); B . = (3, 3, -1), fires (3, 3, 0); logits (0, 0)
    # logit 0 sends (1, -1, 1) back: the second is negative, the third did not fire -> (1, 0, 0)
    #   through B: (1, 1, 1); all positive, the third did not fire -> (1, 1, 0); through A: 1 + 2 = 3
    # logit 1 sends (-1, 1, 1): -> (0, 1, 0); through B: (-1, 2, 0) -> (0, 2, 0); through A: 4
    # the plain gradients are (1, -1, 0) B = (2, -1, .) -> 2 - 2 = 0, and its negative
    network = Chain(RELUS[name])
    pixels = torch.ones(1, 3, 2, 2)
    guide = Guide(network)
    with frozen(network):
        _, guided = input_gradients(guide, pixels, torch.eye(2))
        _, plain = input_gradients(network, pixels, torch.eye(2))
    torch.testing.assert_close(12 * guided[0, :, 0, 0, 0], torch.tensor([3.0, 4.0]))
    torch.testing.assert_close(12 * plain[0, :, 0, 0, 0], torch.tensor([0.0, 0.0]))
    assert guide.seen == 2  # a module used twice is two ReLUs


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.clamp(0, 1),
        lambda x: x.clamp(min=0.1),
        lambda x: x.clamp(max=0),
        lambda x: functional.hardtanh(x),
        lambda x: functional.leaky_relu(x),
        lambda x: functional.gelu(x),
        lambda x: functional.threshold(x, 0.1, 0),
        lambda x: x * 1,
    ],
)
def test_what_is_no_relu_is_let_alone(call) -> None:
    network = Chain(call)
    guide, pixels = Guide(network), torch.full((1, 3, 2, 2), 0.4)
    with frozen(network):
        _, guided = input_gradients(guide, pixels, torch.eye(2))
        _, plain = input_gradients(network, pixels, torch.eye(2))
    assert guide.seen == 0
    torch.testing.assert_close(guided, plain)


def test_arguments_decide() -> None:
    one = torch.ones(1)
    assert is_relu(torch.clamp, (one, 0), {})
    assert is_relu(functional.hardtanh, (one,), {"min_val": 0, "max_val": 6})
    assert not is_relu(torch.clamp, (one, torch.zeros(1)), {})
    assert not is_relu(torch.clamp, (one,), {"min": None, "max": None})


def test_the_network_is_left_as_it_was(toy: Classifier, scan) -> None:
    (before,) = Saliency()(toy, [scan])
    (found,) = GuidedBackprop()(toy, [scan])
    assert found.diagnosis == ("there",) * 3
    assert not np.allclose(found.maps, before.maps)
    assert not toy.network.relu._forward_hooks and not toy.network.relu._backward_hooks
    assert Saliency()(toy, [scan])[0].digest() == before.digest()


def test_a_network_without_relu_gives_the_plain_gradient_and_says_so(scan) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    classifier = Classifier("silu", ("a", "b"), (16, 16), network, ())
    (found,) = GuidedBackprop()(classifier, [scan])
    assert found.diagnosis == (NO_RELU, NO_RELU)
    np.testing.assert_array_equal(found.maps, Saliency()(classifier, [scan])[0].maps)


def test_it_hardly_knows_classes_or_weights() -> None:
    """What the page of the method warns of, seen on a random network: maps of different classes are nearly alike."""
    classifier = build("small_resnet", "none", ("a", "b", "c"), input_size=64, seed=0)
    image = np.random.default_rng(0).random((1, 64, 64), np.float32)
    image[0, 20:40, 20:40] += 2
    scan = Scan(image / 3, "square")
    (guided,), (plain,) = GuidedBackprop()(classifier, [scan]), Saliency()(classifier, [scan])
    alike = np.corrcoef(guided.maps.reshape(3, -1))[np.triu_indices(3, 1)]
    usual = np.corrcoef(plain.maps.reshape(3, -1))[np.triu_indices(3, 1)]
    assert alike.min() > usual.min()


def test_guided_gradcam_is_the_product(toy: Classifier, scans) -> None:
    guided = GuidedBackprop()(toy, scans)
    cams = GradCAM(layer="second")(toy, scans)
    for one, cam, found in zip(guided, cams, GuidedGradCAM(layer="second")(toy, scans), strict=True):
        large = functional.interpolate(torch.from_numpy(cam.maps)[:, None], (16, 16), mode="bilinear")[:, 0].numpy()
        np.testing.assert_allclose(found.maps, one.maps * large, rtol=1e-4, atol=1e-8)
        assert found.layer == "second"
        for word, each in zip(found.diagnosis, cam.maps, strict=True):
            assert word == ("there" if each.any() else "blank Grad-CAM")


def test_guided_gradcam_at_every_layer(toy: Classifier, scan) -> None:
    found = explain_layers(toy, scan, method="guided_gradcam")
    assert list(found) == ["first", "second"]
    for name, each in found.items():
        (alone,) = GuidedGradCAM(layer=name)(toy, [scan])
        np.testing.assert_allclose(each.maps, alone.maps, rtol=1e-5, atol=1e-9)


def test_guided_gradcam_on_a_grid_of_tokens(scan) -> None:
    classifier = build("test_vit", "none", ("a", "b"), seed=0)
    (found,) = GuidedGradCAM()(classifier, [scan])
    assert found.maps.shape == (2, *classifier.input_size)
    assert set(found.diagnosis) <= {NO_RELU, "blank Grad-CAM"}


def test_bad_settings() -> None:
    for method in (GuidedBackprop, GuidedGradCAM):
        with pytest.raises(BadInput, match="score 'softmax'"):
            method(score="softmax")
