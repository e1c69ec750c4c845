import numpy as np
import pytest
import torch
from torch import nn

from whyscan.models import compiled
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import FAST, PLAIN, fast_predict


@pytest.fixture
def classifier() -> Classifier:
    return build("test_resnet", "none", ("a", "b", "c"), input_size=64)


@pytest.fixture
def capable(monkeypatch):
    """As on a processor that computes bfloat16; torch emulates it on others."""
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: True)


def _sure(classifier: Classifier, by: float = 4.0) -> Classifier:
    """The class is beyond doubt, so that rounding cannot change it."""
    with torch.no_grad():
        classifier.network.head[-1].bias[1] += by
    return classifier


def _pixels(n=5):
    return np.random.default_rng(0).random((n, 3, 64, 64), dtype=np.float32)


def test_the_fast_engine_agrees_and_says_by_how_much(classifier, capable):
    predict, engine, deviation = fast_predict(_sure(classifier), _pixels(), batch=2)
    assert engine == FAST and 0 < deviation <= 0.01
    logits = predict(_pixels())
    assert logits.shape == (5, 3) and logits.dtype == np.float32
    np.testing.assert_allclose(compiled.softmax(logits), classifier.predict(_pixels()), atol=deviation + 1e-7)
    assert np.abs(logits.sum(1) - 1).min() > 0.1  # logits, not probabilities
    assert predict(_pixels(0)).shape == (0, 3)


def test_the_classifier_is_left_as_it_was(classifier, capable):
    before = {name: (value.clone(), value.stride()) for name, value in classifier.network.state_dict().items()}
    expected = classifier.logits(_pixels())
    predict, _, _ = fast_predict(_sure(classifier, 0.0), _pixels())
    predict(_pixels())
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, before[name][0]) and value.stride() == before[name][1]
    np.testing.assert_array_equal(classifier.logits(_pixels()), expected)


def test_too_large_a_deviation_falls_back(classifier, capable):
    predict, engine, deviation = fast_predict(_sure(classifier), _pixels(), tolerance=0.0)
    assert (engine, deviation) == (PLAIN, 0.0)
    np.testing.assert_array_equal(predict(_pixels()), classifier.logits(_pixels()))


class Brittle(nn.Module):
    """Logits far apart in float32 that are one number, or none, in bfloat16."""

    def __init__(self, largest: float) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.linear.weight[:] = torch.tensor([[largest], [largest * 1.001]])

    def forward(self, pixels):
        return self.linear(pixels.amax((2, 3))[:, :1])


@pytest.mark.parametrize("largest", [1000.0, float("inf")])
def test_a_network_that_bfloat16_breaks_falls_back(capable, monkeypatch, largest):
    own = Classifier("own", ("a", "b"), (4, 4), Brittle(min(largest, 1000.0)).eval(), ())
    if largest == float("inf"):
        monkeypatch.setattr(
            compiled,
            "_bfloat16",
            lambda classifier, batch: lambda pixels: np.full((len(pixels), 2), np.nan, np.float32),
        )
    _, engine, _ = fast_predict(own, np.ones((1, 3, 4, 4), np.float32))
    assert engine == PLAIN


def test_a_flip_of_the_class_within_the_tolerance_falls_back(classifier, monkeypatch, capable):
    def flipped(given, batch):
        return lambda pixels: np.tile(np.float32([[0.0, 0.001, 0.0]]), (len(pixels), 1))

    monkeypatch.setattr(compiled, "_bfloat16", flipped)
    with torch.no_grad():
        classifier.network.head[-1].weight.zero_()
        classifier.network.head[-1].bias[:] = torch.tensor([0.001, 0.0, 0.0])
    assert fast_predict(classifier, _pixels())[1] == PLAIN


def test_a_processor_without_bfloat16_gets_float32(classifier, monkeypatch):
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: False)
    predict, engine, deviation = fast_predict(classifier, _pixels())
    assert (engine, deviation) == (PLAIN, 0.0)
    np.testing.assert_array_equal(predict(_pixels()), classifier.logits(_pixels()))


def test_what_the_processor_can_do_is_asked_of_torch(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert compiled.has_bfloat16(torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert not compiled.has_bfloat16(torch.device("cpu")) and not compiled.has_bfloat16(torch.device("meta"))
