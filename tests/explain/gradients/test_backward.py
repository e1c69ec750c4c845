"""Gradients at the pixels, on networks whose derivatives are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel
from whyscan.explain.cams.guided_gradcam import GuidedGradCAM
from whyscan.explain.gradients.backward import check_settings, frozen, input_gradients, score_rows, score_values
from whyscan.explain.gradients.gradient_shap import GradientSHAP
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.explain.gradients.saliency import InputXGradient, Saliency
from whyscan.explain.gradients.smoothgrad import SmoothGrad
from whyscan.models.classifier import Classifier

WEIGHTS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, -1], [0, 0, 0]])


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_rows_are_the_derivatives_of_the_scores(score) -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0], [4.0, 4.0, -3.0]], dtype=torch.float64, requires_grad=True)
    values = score_values(logits, WEIGHTS, score)
    rows = score_rows(logits.detach(), WEIGHTS, score)
    for t in range(len(WEIGHTS)):
        (expected,) = torch.autograd.grad(values[:, t].sum(), logits, retain_graph=True)
        torch.testing.assert_close(rows[:, t], expected, atol=1e-15, rtol=1e-12)


def test_the_probability_of_a_sure_model_still_has_a_gradient() -> None:
    # p = 1 / (1 + 2 e^-60): 1 - p is 1.75e-26, far below what 1 - p can be in float32 or float64
    rows = score_rows(torch.tensor([[60.0, 0, 0]]), WEIGHTS, "probability")[0]
    small = float(np.exp(-60.0))
    np.testing.assert_allclose(rows[0], [2 * small, -small, -small], rtol=1e-6)
    np.testing.assert_allclose(rows[1], [-small, small, 0], rtol=1e-6, atol=1e-45)
    np.testing.assert_allclose(rows[2], [3 * small, -small, -2 * small], rtol=1e-6)


class Linear(nn.Module):
    """logit_k = sum of a_k * pixels."""

    def __init__(self, slopes: torch.Tensor) -> None:
        super().__init__()
        self.slopes = nn.Parameter(slopes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", pixels, self.slopes)


@pytest.fixture
def linear() -> Classifier:
    slopes = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 3, 16, 16)).astype(np.float32))
    return Classifier("linear", ("glioma", "meningioma", "no_tumor"), (16, 16), Linear(slopes), ())


def test_a_linear_network_has_its_slopes_as_gradient(linear: Classifier, scan) -> None:
    slopes = linear.network.slopes.detach().numpy()
    (saliency,) = Saliency()(linear, [scan], ["glioma", "glioma-no_tumor"])
    np.testing.assert_allclose(saliency.maps[0], np.abs(slopes[0]).max(0), rtol=1e-6)
    np.testing.assert_allclose(saliency.maps[1], np.abs(slopes[0] - slopes[2]).max(0), rtol=1e-6)
    (product,) = InputXGradient()(linear, [scan])
    pixels = linear.prepare(scan)[0][0]
    np.testing.assert_allclose(product.maps, (slopes * pixels).sum(1), rtol=1e-5, atol=1e-6)
    # a linear model's values add up to its logits
    np.testing.assert_allclose(product.maps.sum((1, 2)), linear.logits(scan), rtol=1e-4)


def test_the_gradient_of_a_probability(linear: Classifier, scan) -> None:
    slopes, p = linear.network.slopes.detach().numpy(), linear.predict(scan)
    (found,) = Saliency(score="probability")(linear, [scan], "meningioma")
    expected = p[1] * (slopes[1] - np.tensordot(p, slopes, 1))
    np.testing.assert_allclose(found.maps[0], np.abs(expected).max(0), rtol=1e-4)
    assert found.score == "probability"


@pytest.mark.parametrize("method", [Saliency, InputXGradient])
def test_scans_of_a_batch_do_not_touch_each_other(method, toy: Classifier, scans) -> None:
    together = method(batch=3)(toy, scans, ["predicted", "true"])
    for scan, each in zip(scans, together, strict=True):
        (alone,) = method()(toy, [scan], ["predicted", "true"])
        assert each.targets == alone.targets
        np.testing.assert_allclose(each.maps, alone.maps, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", [Saliency(batch=4), SmoothGrad(samples=4, batch=4)])
def test_short_memory_halves_the_batch(method, toy: Classifier, scans) -> None:
    expected = method(toy, scans)
    sizes: list[int] = []

    def hook(_module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = toy.network.register_forward_pre_hook(hook)
    found = method(toy, scans)
    handle.remove()
    assert 4 in sizes and 2 in sizes
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.maps, two.maps, atol=1e-5)


def test_blank_maps_say_why(toy: Classifier, linear: Classifier, scan) -> None:
    with torch.no_grad():
        linear.network.slopes[0] = 0
        linear.network.slopes[1] = 100  # the others' probabilities are below anything that float32 can hold
    (found,) = Saliency()(linear, [scan])
    assert found.diagnosis == ("no gradient", "there", "there")
    (found,) = Saliency(score="probability")(linear, [scan])
    assert found.diagnosis == ("softmax saturated",) * 3
    black = replace(scan, pixels=np.zeros_like(scan.pixels))
    (found,) = InputXGradient()(toy, [black])
    assert found.diagnosis == ("black scan",) * 3


def test_one_forward_pass_and_nothing_left_behind(toy: Classifier, scan) -> None:
    runs = []
    handle = toy.network.register_forward_hook(lambda *_: runs.append(torch.is_grad_enabled()))
    toy.network.train()
    toy.network.norm.eval()
    toy.network.first.bias.requires_grad_(False)
    before = [tensor.clone() for tensor in toy.network.state_dict().values()]
    try:
        Saliency()(toy, [scan])
        assert runs == [True]  # for three targets
    finally:
        handle.remove()
    assert toy.network.training and toy.network.head.training and not toy.network.norm.training
    assert toy.network.first.weight.requires_grad and not toy.network.first.bias.requires_grad
    assert all(parameter.grad is None for parameter in toy.network.parameters())
    assert all(torch.equal(one, two) for one, two in zip(before, toy.network.state_dict().values(), strict=True))


def test_it_works_where_gradients_are_off(toy: Classifier, scan) -> None:
    (expected,) = Saliency()(toy, [scan])
    with torch.no_grad():
        assert Saliency()(toy, [scan])[0].digest() == expected.digest()
    with torch.inference_mode():
        assert Saliency()(toy, [scan])[0].digest() == expected.digest()


def test_a_network_that_begins_in_place() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 2))
    pixels = torch.rand(1, 3, 2, 2) - 0.5
    with frozen(network):
        _, gradients = input_gradients(network, pixels, torch.eye(2))
    expected = network[2].weight.detach().view(2, 3, 2, 2) * (pixels > 0)
    torch.testing.assert_close(gradients[0], expected)


class Odd(nn.Module):
    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, pixels):
        return self.answer(pixels.mean((2, 3)))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: {"logits": x}, "answered with a dict"),
        (lambda x: x[:, 0], r"Tensor of shape \(1,\)"),
        (lambda x: x * torch.nan, "not all finite"),
        (lambda x: x.detach(), "no gradient leads"),
        (lambda x: torch.sqrt(x * 0), "gradient at the pixels is NaN"),  # 0, but with an infinite slope
    ],
)
def test_odd_networks_are_named(answer, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        input_gradients(Odd(answer), torch.rand(1, 3, 4, 4), torch.eye(3))


def test_a_network_that_raises_is_left_as_it_was(toy: Classifier, scan, monkeypatch) -> None:
    toy.network.train()
    monkeypatch.setattr(toy.network.head, "forward", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Saliency()(toy, [scan])
    assert toy.network.training
    assert all(parameter.requires_grad for parameter in toy.network.parameters())


@pytest.mark.parametrize("method", [Saliency(), GuidedGradCAM(), IntegratedGradients(steps=1), SmoothGrad(samples=2)])
def test_an_interruption_leaves_the_network_as_it_was(method, toy: Classifier, scans) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    toy.network.train()
    with pytest.raises(KeyboardInterrupt) as kept:  # the traceback stays alive, and with it every frame
        method(toy, scans, progress=interrupt)
    assert kept.tb is not None and toy.network.training
    assert all(parameter.requires_grad for parameter in toy.network.parameters())


def test_bad_settings() -> None:
    with pytest.raises(BadInput, match="score 'softmax'"):
        Saliency(score="softmax")
    with pytest.raises(BadInput, match="batch 0"):
        InputXGradient(batch=0)
    check_settings(Saliency(), score="logit", steps=1)


def test_scans_whose_memory_is_read_only(toy: Classifier) -> None:
    pixels = np.random.default_rng(0).random((3, 16, 16), np.float32)
    pixels.flags.writeable = False
    before = pixels.copy()
    for method in (Saliency(), IntegratedGradients(steps=2), SmoothGrad(samples=2), GradientSHAP(samples=2)):
        method(toy, [Scan(pixels, "noise")])  # any warning is an error here
    assert np.array_equal(pixels, before)
