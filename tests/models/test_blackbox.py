"""Black boxes: what a function may answer, what is refused and how, and that every question reaches it unchanged."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import whyscan
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadModel, BadTarget
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier, softmax
from whyscan.models.compiled import PLAIN, appoint

CLASSES = ("glioma", "meningioma", "no_tumor")
PIXELS = np.random.default_rng(0).random((5, 3, 8, 10), np.float32)
CUT = np.kron(np.arange(9).reshape(3, 3), np.ones((6, 7), int))[:16, :20]


def three(pixels: np.ndarray) -> np.ndarray:
    """Logits from the brightness of three strips."""
    return np.stack([pixels[:, :, :, i * 3 : i * 3 + 3].mean((1, 2, 3)) for i in range(3)], 1) * 4


def opened(predict, **options) -> Classifier:
    return black_box(predict, options.pop("classes", CLASSES), (8, 10), **options)


def a_scan() -> Scan:
    pixels = np.random.default_rng(1).random((1, 16, 20), np.float32)
    return Scan(pixels, content_hash(pixels), label="glioma")


@pytest.mark.parametrize("wrap", [np.asarray, np.ndarray.tolist, torch.tensor, lambda x: x.astype(np.float64)])
def test_probabilities_come_back_as_they_were(wrap) -> None:
    box = opened(lambda pixels: wrap(softmax(three(pixels))))
    np.testing.assert_allclose(box.predict(PIXELS), softmax(three(PIXELS)), atol=1e-6)
    assert not box.white_box
    assert box.device == torch.device("cpu")
    assert box.layers == ()


def test_logits_come_back_as_they_were() -> None:
    box = opened(lambda pixels: torch.tensor(three(pixels), requires_grad=True), scores="logit")
    np.testing.assert_allclose(box.logits(PIXELS), three(PIXELS), rtol=1e-6)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_sigmoid_output_is_the_second_of_two_classes(shape) -> None:
    z = three(PIXELS)[:, 0] - 2
    p = 1 / (1 + np.exp(-z))
    expected = np.stack([1 - p, p], 1)
    as_probability = opened(lambda _: p.reshape(shape), classes=("no", "yes"))
    as_logit = opened(lambda _: z.reshape(shape), classes=("no", "yes"), scores="logit")
    np.testing.assert_allclose(as_probability.predict(PIXELS), expected, atol=1e-6)
    np.testing.assert_allclose(as_logit.predict(PIXELS), expected, atol=1e-6)
    np.testing.assert_allclose(as_logit.logits(PIXELS), np.stack([-z / 2, z / 2], 1), rtol=1e-6)


def test_certainty_stays_finite_and_symmetric() -> None:
    box = opened(lambda pixels: np.tile(np.float32([1, 0]), (len(pixels), 1)), classes=("no", "yes"))
    logits = box.logits(PIXELS)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(box.predict(PIXELS), [[1, 0]] * 5, atol=1e-6)
    one = opened(lambda pixels: np.ones(len(pixels)), classes=("no", "yes")).logits(PIXELS)
    np.testing.assert_array_equal(one, logits[:, ::-1])


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        (lambda x: three(x) - 9, {}, r"look like logits.*scores=\"logit\""),
        (lambda x: softmax(three(x)), {"scores": "logit"}, r"add up to 1.*scores=\"probability\""),
        (lambda x: np.full((len(x), 3), 0.8), {}, r"add up to 2\.4, not 1.*divide independent"),
        (lambda x: {"logits": three(x), "aux": 1}, {}, r"a dict of 'logits', 'aux'.*return the one"),
        (lambda x: (three(x), None), {}, r"a tuple of 2"),
        (lambda x: "glioma", {}, r"answered with str"),
        (lambda x: None, {}, r"answered 5 scans with shape \(\)"),
        (lambda x: softmax(three(x))[:2], {}, r"answered 5 scans with shape \(2, 3\).*\(5, 3\)"),
        (lambda x: softmax(three(x))[:, :2], {}, r"shape \(5, 2\)"),
        (lambda x: np.ones((len(x), 1)), {}, r"shape \(5, 1\)"),
        (lambda x: np.where(np.arange(5)[:, None] < 2, np.nan, three(x)), {}, r"2 of 5 scans with NaN"),
        (lambda x: three(x) / 0.0, {"scores": "logit"}, r"5 of 5 scans with NaN or infinity"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_refused_and_how_to_mend_it(answer, options, message) -> None:
    with pytest.raises(BadModel, match=message):
        opened(answer, **options).logits(PIXELS)


def test_arguments_are_checked_at_the_door() -> None:
    with pytest.raises(BadInput, match="two or more different names"):
        black_box(three, ("glioma", "glioma"), 8)
    with pytest.raises(BadInput, match="'odds'"):
        black_box(three, CLASSES, 8, scores="odds")
    assert black_box(three, CLASSES, 8, name="rule", hash="v1").input_size == (8, 8)


def test_a_function_that_works_in_place_changes_nothing_of_ours() -> None:
    def predict(pixels: np.ndarray) -> np.ndarray:
        scores = softmax(three(pixels))
        pixels[:] = 0
        return scores

    before = PIXELS.copy()
    opened(predict).predict(PIXELS)
    np.testing.assert_array_equal(PIXELS, before)


def test_the_fast_engine_leaves_a_black_box_alone() -> None:
    class Uncopyable:
        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            return softmax(three(pixels))

        def __deepcopy__(self, memo: object) -> None:
            raise AssertionError("copied")

    judge = appoint(opened(Uncopyable()), "fast", PIXELS)
    assert (judge.engine, judge.deviation) == (PLAIN, 0.0)
    np.testing.assert_allclose(softmax(judge.predict(PIXELS)), softmax(three(PIXELS)), atol=1e-6)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_methods_that_ask_explain_it(method) -> None:
    box = opened(lambda pixels: softmax(three(pixels)), hash="v1")
    found = whyscan.explain(box, a_scan(), method, samples=40, superpixels=CUT)
    assert found.model_hash == "v1"
    assert found.engine == PLAIN
    assert found.values.any()


def test_methods_that_look_inside_refuse_it() -> None:
    box = opened(lambda pixels: softmax(three(pixels)))
    with pytest.raises((BadModel, BadTarget), match="black box"):
        whyscan.explain(box, a_scan(), "gradcam")
    with pytest.raises(BadModel, match="a gradient was asked of black box"):
        box.network(torch.zeros(1, 3, 8, 10, requires_grad=True))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConnectionError])
def test_what_the_function_raises_comes_through(error) -> None:
    calls = []

    def predict(pixels: np.ndarray) -> np.ndarray:
        calls.append(len(pixels))
        if len(calls) == 3:
            raise error
        return softmax(three(pixels))

    before = threading.active_count()
    with pytest.raises(error):
        whyscan.explain(opened(predict), a_scan(), "lime", superpixels=CUT)
    assert len(calls) == 3
    assert threading.active_count() == before
