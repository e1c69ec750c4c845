from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from whyscan.errors import BadInput
from whyscan.models import compiled, openvino_engine
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier, softmax
from whyscan.models.compiled import FAST, HALF, OPENVINO, OPENVINO_PLAIN, PLAIN, agrees, appoint

COUNT = 6


class Small(nn.Module):
    """Logits that differ clearly from one random scan to the next."""

    def __init__(self, gain: float = 40.0) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)
        with torch.no_grad():
            self.linear.weight *= gain
            self.linear.bias[:] = torch.tensor([0.0, 6.0, 0.0])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.relu(self.convolution(pixels)).mean((2, 3)))


def small(seed: int = 0) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier("small", ("a", "b", "c"), (16, 16), Small().eval(), ())


@pytest.fixture
def classifier() -> Classifier:
    return small()


@pytest.fixture
def capable(monkeypatch) -> None:
    """As on a processor that computes bfloat16, without OpenVINO; torch emulates bfloat16 where it must."""
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(openvino_engine, "is_installed", lambda: False)


def fast_predict(*args, **settings) -> tuple:
    judge = appoint(args[0], "fast", *args[1:], **settings)
    return judge.predict, judge.engine, judge.deviation


def pixels(n: int = COUNT) -> np.ndarray:
    """Scans of different brightness, as perturbed scans are."""
    noise = np.random.default_rng(0).random((n, 3, 16, 16), np.float32)
    return noise * np.linspace(0.2, 1, n, dtype=np.float32)[:, None, None, None]


def table(monkeypatch, **engines) -> list[str]:
    """Engines of the test's own, by name; returns the list in which each one that is made is noted."""
    made: list[str] = []

    def noting(name, make):
        def noted(classifier):
            made.append(name)
            return make(classifier)

        return noted

    pairs = [(name, noting(name, make)) for name, make in engines.items()]
    monkeypatch.setattr(compiled, "_engines", lambda classifier: pairs)
    return made


def off_by(change):
    """An engine whose logits are the network's own, changed."""
    return lambda classifier: lambda scans, batch: change(classifier.logits(scans)).astype(np.float32)


def test_the_fast_engine_agrees_and_says_by_how_much(classifier, capable) -> None:
    predict, engine, deviation = fast_predict(classifier, pixels(), batch=2)
    assert engine == FAST
    assert 0 < deviation <= 0.01
    logits = predict(pixels())
    assert logits.shape == (COUNT, 3) and logits.dtype == np.float32
    np.testing.assert_allclose(compiled.softmax(logits), classifier.predict(pixels()), atol=deviation + 1e-7)
    assert np.abs(logits.sum(1) - 1).min() > 0.1  # logits, not probabilities
    assert predict(pixels(0)).shape == (0, 3)


def test_the_order_of_engines(monkeypatch, classifier) -> None:
    def names(bfloat16: bool, installed: bool) -> list[str]:
        monkeypatch.setattr(compiled, "has_bfloat16", lambda device: bfloat16)
        monkeypatch.setattr(openvino_engine, "is_installed", lambda: installed)
        return [name for name, _ in compiled._engines(classifier)]

    assert names(True, True) == [OPENVINO, FAST, OPENVINO_PLAIN]
    assert names(False, True) == [OPENVINO_PLAIN]
    assert names(True, False) == [FAST]
    assert names(False, False) == []


@pytest.mark.parametrize(("bfloat16", "expected"), [(True, FAST), (False, HALF)])
def test_a_graphics_card_computes_in_half_precision(monkeypatch, bfloat16, expected) -> None:
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: bfloat16)
    monkeypatch.setattr(Classifier, "device", torch.device("cuda"))
    assert [name for name, _ in compiled._engines(small())] == [expected]
    monkeypatch.setattr(Classifier, "device", torch.device("mps"))
    assert compiled._engines(small()) == []


def test_float16_is_a_copy_like_the_other(classifier) -> None:
    np.testing.assert_allclose(compiled._float16(classifier)(pixels(), 4), classifier.logits(pixels()), atol=0.02)


@pytest.mark.parametrize("make", [compiled._bfloat16, compiled._float16])
def test_weights_are_rounded_once_to_what_autocast_makes_of_them(classifier, make) -> None:
    """Casts of weights are counted: as many in every batch by autocast alone, none by the copy."""
    shapes = {classifier.network.convolution.weight.shape, classifier.network.linear.weight.shape}
    casts: list[torch.Size] = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.to.dtype and args[0].shape in shapes:
                casts.append(args[0].shape)
            return func(*args, **(kwargs or {}))

    copied = make(classifier)
    precision = torch.bfloat16 if make is compiled._bfloat16 else torch.float16
    with Counting():
        said = copied(pixels(), COUNT)
    assert casts == []
    with Counting(), torch.inference_mode(), torch.autocast("cpu", precision):
        expected = classifier.network(torch.from_numpy(pixels())).float().numpy()
    assert len(casts) == 2
    np.testing.assert_array_equal(said, expected)


def test_a_black_box_is_only_ever_asked(monkeypatch) -> None:
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: True)
    box = Classifier("box", ("a", "b", "c"), (16, 16), Small().eval(), (), white_box=False)
    predict, engine, deviation = fast_predict(box, pixels())
    assert (engine, deviation) == (PLAIN, 0.0)
    np.testing.assert_array_equal(predict(pixels()), box.logits(pixels()))


def test_openvino_serves_where_it_is_installed(monkeypatch, classifier) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: True)
    predict, engine, deviation = fast_predict(classifier, pixels())
    assert engine == OPENVINO
    np.testing.assert_allclose(compiled.softmax(predict(pixels())), classifier.predict(pixels()), atol=deviation + 1e-7)
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: False)
    predict, engine, deviation = fast_predict(classifier, pixels())
    assert engine == OPENVINO_PLAIN
    np.testing.assert_allclose(predict(pixels()), classifier.logits(pixels()), atol=1e-4)


def test_openvino_takes_a_real_backbone(monkeypatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: False)
    real = build("test_resnet", "none", ("a", "b", "c"), input_size=64)
    with torch.no_grad():
        real.network.head[-1].weight *= 100  # an untrained network says nearly the same of every scan
    probe = np.random.default_rng(0).random((3, 3, 64, 64), np.float32) * np.float32([[[[0.1]]], [[[0.5]]], [[[1]]]])
    assert fast_predict(real, probe)[1] == OPENVINO_PLAIN


def test_the_classifier_is_left_as_it_was(classifier, capable) -> None:
    before = {name: (value.clone(), value.stride()) for name, value in classifier.network.state_dict().items()}
    expected = classifier.logits(pixels())
    predict, _, _ = fast_predict(classifier, pixels())
    predict(pixels())
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, before[name][0]) and value.stride() == before[name][1]
    np.testing.assert_allclose(classifier.logits(pixels()), expected, atol=1e-5)


def test_too_large_a_deviation_falls_back(classifier, capable) -> None:
    predict, engine, deviation = fast_predict(classifier, pixels(), tolerance=0.0)
    assert (engine, deviation) == (PLAIN, 0.0)
    np.testing.assert_array_equal(predict(pixels()), classifier.logits(pixels()))


@pytest.mark.parametrize(
    "change",
    [
        lambda logits: logits * np.nan,
        lambda logits: np.where(np.arange(3) == 2, np.inf, logits),
        lambda logits: logits[:-1],
        lambda logits: logits[:, ::-1],
    ],
    ids=["nan", "infinity", "rows", "classes"],
)
def test_nonsense_falls_back_to_the_next_engine(monkeypatch, classifier, change) -> None:
    made = table(monkeypatch, first=off_by(change), second=off_by(lambda logits: logits))
    assert fast_predict(classifier, pixels())[1:] == ("second", 0.0)
    assert made == ["first", "second"]


def test_an_engine_that_cannot_take_the_network_is_passed_over_and_not_tried_again(monkeypatch, classifier) -> None:
    def fails(given):
        raise ValueError("no such operation")

    made = table(monkeypatch, first=fails, second=off_by(lambda logits: logits))
    assert [fast_predict(classifier, pixels())[1] for _ in range(3)] == ["second"] * 3
    assert made == ["first", "second"]


def test_an_engine_that_fails_on_the_probe_is_passed_over(monkeypatch, classifier) -> None:
    def fails(scans, batch):
        raise RuntimeError("not implemented for bfloat16")

    table(monkeypatch, first=lambda given: fails)
    assert fast_predict(classifier, pixels())[1] == PLAIN


def test_agreement_by_hand() -> None:
    # softmax of (z, 0): sigmoid(z); its slope at 0 is 1/4, so 0.02 more of logit is 0.005 more of probability
    sure = np.float32([[2.0, 0.0], [0.4, 0.0], [1.0, 0.0]])
    assert agrees(sure, sure + np.float32([0.02, 0]), 0.01)  # all alike: none passes another
    assert not agrees(sure, sure + np.float32([0.2, 0]), 0.01)  # the probability is off by 0.2 * 0.24
    # within the tolerance, but the other class
    assert not agrees(np.float32([[0.001, 0.0]]), np.float32([[0.0, 0.001]]), 0.01)
    # within the tolerance and the class, but as large as the differences that are to be ranked
    flat = np.float32([[2.00, 0.0], [2.01, 0.0], [2.02, 0.0]])
    assert not agrees(flat, flat[::-1], 0.01)
    assert agrees(flat, flat + np.float32([[0.0005, 0], [-0.0005, 0], [0.0005, 0]]), 0.01)
    assert agrees(flat[:0], flat[:0], 0.01)


def test_noise_that_would_change_the_ranking_falls_back(monkeypatch, classifier) -> None:
    spread = classifier.logits(pixels()).std(0)
    sign = np.where(np.arange(COUNT) % 2, 1, -1)[:, None]
    table(monkeypatch, loud=off_by(lambda logits: logits + 0.3 * spread * sign))
    assert fast_predict(classifier, pixels(), tolerance=1.0)[1] == PLAIN
    table(monkeypatch, quiet=off_by(lambda logits: logits + 0.01 * spread * sign))
    assert fast_predict(classifier, pixels(), tolerance=1.0)[1] == "quiet"


def test_a_copy_is_made_once_for_a_network_and_again_when_its_weights_change(monkeypatch, classifier) -> None:
    made = table(monkeypatch, own=compiled._bfloat16)
    for start in range(3):
        assert fast_predict(classifier, pixels()[start:])[1] == "own"
    assert len(made) == 1
    with torch.no_grad():
        classifier.network.linear.bias += 1
    predict, engine, _ = fast_predict(classifier, pixels())
    assert (engine, len(made)) == ("own", 2)
    np.testing.assert_allclose(predict(pixels()), classifier.logits(pixels()), atol=0.1)
    classifier.network.linear.bias = nn.Parameter(torch.zeros(3))
    fast_predict(classifier, pixels())
    assert len(made) == 3
    classifier.network.linear.weight.data.mul_(
        1.02
    )  # as averages over training steps are written: no version counts it
    fast_predict(classifier, pixels(), batch=3)
    assert len(made) == 4
    fast_predict(small(1), pixels())
    assert len(made) == 5


def test_where_the_engine_overflows_after_the_probe_float32_answers(monkeypatch, classifier) -> None:
    def make(given):
        def judge(scans, batch):
            bright = scans.mean((1, 2, 3)) > 0.45
            return np.where(bright[:, None], np.inf, classifier.logits(scans)).astype(np.float32)

        return judge

    table(monkeypatch, own=make)
    judge = appoint(classifier, "fast", pixels()[:-2])
    assert judge.engine == "own"
    np.testing.assert_allclose(judge.predict(pixels()), classifier.logits(pixels()), atol=1e-5)


@pytest.mark.parametrize("engine", ["fast", "float32"])
def test_as_many_scans_at_once_as_were_asked_for(capable, classifier, engine) -> None:
    sizes: list[int] = []
    judge = appoint(classifier, engine, pixels(), batch=40)
    hook = nn.Module.__call__

    def counting(module, *args):
        if isinstance(module, Small):
            sizes.append(len(args[0]))
        return hook(module, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "__call__", counting)
        judge.predict(pixels(100))
    assert sizes == [40, 40, 20]


def test_a_network_in_training_answers_in_eval_mode_and_stays_in_training(monkeypatch) -> None:
    """The openvino engine's trace too: it would otherwise drop out, and learn statistics from the probe."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9), nn.Flatten(), nn.Linear(784, 3))
    classifier = Classifier("learning", ("a", "b", "c"), (16, 16), network.eval(), ())
    expected = classifier.logits(pixels())
    network.train()
    before = network[1].running_mean.clone()
    np.testing.assert_allclose(classifier.logits(pixels()), expected, atol=1e-5)
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: False)
    judge = appoint(classifier, "fast", pixels(), tolerance=1.0)
    np.testing.assert_allclose(judge.predict(pixels()), expected, atol=1e-4)
    assert all(module.training for module in network.modules())
    assert torch.equal(network[1].running_mean, before)


def test_a_network_that_nobody_needs_is_let_go(monkeypatch, capable) -> None:
    monkeypatch.setattr(openvino_engine, "is_installed", lambda: bool(pytest.importorskip("openvino")))
    before = len(compiled._COPIES)
    classifier = small()
    predict, engine, _ = fast_predict(classifier, pixels())
    assert engine == OPENVINO
    network = weakref.ref(classifier.network)
    del classifier, predict
    gc.collect()
    assert network() is None
    assert len(compiled._COPIES) <= before


def test_a_processor_without_bfloat16_gets_float32(classifier, monkeypatch) -> None:
    monkeypatch.setattr(compiled, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(openvino_engine, "is_installed", lambda: False)
    predict, engine, deviation = fast_predict(classifier, pixels())
    assert (engine, deviation) == (PLAIN, 0.0)
    np.testing.assert_array_equal(predict(pixels()), classifier.logits(pixels()))


def test_what_the_processor_can_do_is_asked_of_torch(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert compiled.has_bfloat16(torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert not compiled.has_bfloat16(torch.device("cpu")) and not compiled.has_bfloat16(torch.device("meta"))


@pytest.mark.parametrize("engine", ["fast", "float32"])
def test_a_judge_tells_what_was_said_of_the_probe(capable, classifier, engine) -> None:
    judge = appoint(classifier, engine, pixels())
    np.testing.assert_array_equal(judge.plain, classifier.logits(pixels()))
    np.testing.assert_array_equal(judge.said, judge.predict(pixels()))
    assert judge.deviation == np.abs(softmax(judge.plain) - softmax(judge.said)).max()
    assert (judge.engine == PLAIN) == (engine == "float32")


def test_an_unknown_engine_is_refused(classifier) -> None:
    with pytest.raises(BadInput, match="engine 'warp'"):
        appoint(classifier, "warp", pixels())
