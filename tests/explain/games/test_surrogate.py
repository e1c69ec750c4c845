from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel, BadScan
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.owen import Owen
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.shap import SHAP
from whyscan.explain.games.surrogate import Labels, Perturbation, explain_by_play
from whyscan.models.classifier import Classifier

QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((4, 4), int))
VALUES = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.0, 0.0, 0.0]])


class Additive(nn.Module):
    """Logits that are sums over the quarters of an 8 x 8 image of (a value per class) x (the quarter's mean)."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(VALUES)

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(pixels[:, 0], 2).flatten(1) @ self.values.T


@pytest.fixture
def additive() -> Classifier:
    return Classifier("additive", ("yes", "no"), (8, 8), Additive(), ())


WHITE = Scan(np.ones((1, 8, 8), np.float32), "white", label="yes")


def quarters(**settings) -> Perturbation:
    return Perturbation(Labels(QUARTERS), **{"fill": 0.0, "score": "logit", "engine": "float32"} | settings)


def test_an_additive_model_is_recovered(additive: Classifier) -> None:
    perturbation = quarters()
    methods = {"lime": LIME(perturbation, alpha=1e-9), "shap": SHAP(perturbation)}
    found = explain_by_play(additive, WHITE, methods, "all")
    for each in found.values():
        np.testing.assert_allclose(each.weights, VALUES, atol=1e-5)
        np.testing.assert_allclose(each.values[0, [0, 0, 7, 7], [0, 7, 0, 7]], VALUES[0], atol=1e-5)
        assert each.evaluations == 16
        assert each.settings["exact"]
        assert each.settings["superpixels"] == "the user's own"
        assert each.diagnosis == ("there", "score hardly moves")
        assert (each.engine, each.deviation) == ("torch float32", 0.0)


@pytest.mark.parametrize("make", [LIME, SHAP, Owen])
def test_each_weight_of_a_users_label_map_says_whose_it_is(additive: Classifier, make) -> None:
    """Labels with gaps, out of order, and one under which there is nothing to hide: it does not play."""
    theirs = np.array([700, -3, 12, 40])[QUARTERS]
    (every,) = make(quarters())(additive, [WHITE], "yes")
    (some,) = make(replace(quarters(), superpixels=Labels(theirs)))(additive, [WHITE], "yes")
    assert every.settings["labels"] == [0, 1, 2, 3]
    assert some.settings["labels"] == [12, 40, 700]
    np.testing.assert_allclose(some.weights[0], every.weights[0][[2, 3, 0]], atol=0.02)
    dark = replace(WHITE, pixels=np.where(QUARTERS == 2, 0, WHITE.pixels).astype(np.float32))
    (fewer,) = make(replace(quarters(), superpixels=Labels(theirs)))(additive, [dark], "yes")
    assert fewer.settings["labels"] == [40, 700]


@pytest.mark.parametrize("make", [LIME, SHAP, Owen])
def test_noise_is_another_with_another_seed(toy, scan, make) -> None:
    game = Perturbation(Superpixels("grid", 4), fill="noise", samples=16, engine="float32")
    first, again, other = (make(game)(toy, [scan], "glioma", seed=seed)[0].weights for seed in (0, 0, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("make", [SHAP, Owen])
def test_shares_add_up_from_the_score_with_all_hidden_to_that_of_the_scan(toy, scan, make, score) -> None:
    game = Perturbation(Superpixels("grid", 9), samples=60, score=score, engine="float32")
    (found,) = make(game)(toy, [scan], ["glioma", "no_tumor"])
    whole, empty = (np.array(found.measured[name]) for name in ("score of the scan", "score with all hidden"))
    answer = toy.predict(scan) if score == "probability" else toy.logits(scan)
    np.testing.assert_allclose(whole, answer[[0, 2]], atol=1e-5)
    np.testing.assert_allclose(found.weights.sum(1), whole - empty, atol=1e-4)


def test_a_contrast_and_the_other_score(additive: Classifier) -> None:
    (logit,) = SHAP(quarters())(additive, [WHITE], "yes-no")
    np.testing.assert_allclose(logit.weights, VALUES[:1] - VALUES[1:], atol=1e-5)
    (probability,) = SHAP(quarters(score="probability"))(additive, [WHITE], ["yes", "no"])
    np.testing.assert_allclose(probability.weights[0], -probability.weights[1], atol=1e-6)
    empty = 0.5
    assert probability.weights[0].sum() == pytest.approx(float(additive.predict(WHITE)[0]) - empty, abs=1e-6)
    assert (logit.score, probability.score) == ("logit", "probability")


def test_lime_and_shap_share_their_evaluations(toy, scan) -> None:
    perturbation = Perturbation(Superpixels("grid", 36), samples=60, engine="float32")
    asked: list[int] = []
    hook = toy.network.register_forward_hook(lambda module, inputs, out: asked.append(len(out)))
    methods = {"lime": LIME(perturbation), "shap": SHAP(perturbation)}
    found = explain_by_play(toy, scan, methods, "all", seed=1)
    hook.remove()
    assert found["lime"].evaluations == found["shap"].evaluations == 60
    assert sum(asked) == 60
    assert found["lime"].settings["shared_by"] == ["lime", "shap"]
    np.testing.assert_array_equal(found["lime"].segments, found["shap"].segments)
    gain = toy.predict(scan)
    sums = found["shap"].weights.sum(1)
    hidden = explain_by_play(toy, scan, {"shap": SHAP(perturbation)}, "all", seed=2)["shap"].weights.sum(1)
    np.testing.assert_allclose(sums, hidden, atol=1e-6)  # p(everything) - p(nothing), whatever was drawn
    assert (np.abs(sums) <= np.maximum(gain, 1 - gain) + 1e-6).all()


def test_another_seed_agrees_within_the_intervals(toy, scan) -> None:
    perturbation = Perturbation(Superpixels("grid", 36), samples=200, engine="float32")
    for method in (LIME(perturbation), SHAP(perturbation)):
        one, two = (method(toy, [scan], seed=seed)[0] for seed in (0, 1))
        assert not np.array_equal(one.weights, two.weights)
        apart = np.abs(one.weights - two.weights)
        half = np.ptp(one.intervals, axis=-1) / 2 + np.ptp(two.intervals, axis=-1) / 2
        assert (apart <= half).mean() > 0.9


def test_the_fast_engine_is_close_and_says_how_close(toy, scan) -> None:
    exact, fast = (SHAP(Perturbation(engine=engine))(toy, [scan])[0] for engine in ("float32", "fast"))
    assert fast.deviation is not None
    assert fast.deviation <= 0.01
    np.testing.assert_allclose(fast.weights, exact.weights, atol=0.02)


def test_a_blank_scan_is_refused(toy) -> None:
    blank = Scan(np.full((1, 16, 16), 0.5, np.float32), "blank")
    with pytest.raises(BadScan, match="another fill"):
        LIME()(toy, [blank])


def test_methods_that_hide_differently_do_not_share(toy, scan) -> None:
    with pytest.raises(BadInput, match="different perturbations"):
        explain_by_play(toy, scan, {"lime": LIME(), "shap": SHAP(Perturbation(fill="blur"))}, "all")


@pytest.mark.parametrize("wrong", [{"score": "softmax"}, {"engine": "warp"}, {"samples": 3}])
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(BadInput, match="Expected"):
        Perturbation(**wrong)


def test_a_model_that_answers_nan_is_named(additive: Classifier) -> None:
    additive.network.values.data[0, 0] = float("nan")
    with pytest.raises(BadModel, match="NaN"):
        SHAP(quarters())(additive, [WHITE])


@pytest.mark.parametrize(("samples", "estimator"), [(12, "regression"), (40, "quadrature")])
def test_the_record_says_which_estimator_answered(toy, scan, samples: int, estimator: str) -> None:
    hidden = Perturbation(Superpixels("grid", 16), samples=samples, engine="float32")
    assert explain_by_play(toy, scan, {"lime": LIME(hidden)}, "all")["lime"].settings["estimator"] == estimator
