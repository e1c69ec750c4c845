from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from whyscan.explain.games.estimate import (
    AGREEMENT,
    TOGETHER,
    WIDE,
    answering,
    drawn,
    estimate,
    estimate_until_settled,
    stops,
)
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.sampling import draw
from whyscan.explain.games.shap import SHAP

METHODS = {"lime": LIME(), "shap": SHAP()}


def plan(players: int, samples: int, seed: int = 0):
    return draw(players, [method.sizes(players) for method in METHODS.values()], samples, seed)


class Asked:
    """A game that counts how many coalitions it was shown at most."""

    def __init__(self, value) -> None:
        self.value, self.most = value, 0

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(coalitions))
        return self.value(coalitions)


def easy(coalitions: np.ndarray) -> np.ndarray:
    effects = np.zeros((coalitions.shape[1], 1))
    effects[:5, 0] = (9, -8, 7, 6, -5)
    return coalitions @ effects


def noisy(coalitions: np.ndarray, seed: int = 0) -> np.ndarray:
    """A score that a coalition's neighbours say nothing about."""
    return np.sin(1e4 * (coalitions @ np.random.default_rng(seed).random((coalitions.shape[1], 2))))


@pytest.mark.parametrize("estimator", ["quadrature", "regression"])
def test_all_coalitions_give_exact_weights_whatever_the_estimator(estimator) -> None:
    every = plan(6, 64)
    scores = noisy(every.coalitions)
    found = estimate(METHODS, every, noisy, estimator)
    for name, method in METHODS.items():
        np.testing.assert_array_equal(found[name].weights, method.regress(every, scores).weights)
        np.testing.assert_allclose(np.ptp(found[name].intervals, axis=-1), 0, atol=1e-9)
        assert found[name].measured == {AGREEMENT: (1.0, 1.0)}
        assert found[name].settled


def test_alone_the_extremes_are_drawn_less_than_shapleys_kernel_weighs_them() -> None:
    """With 40 superpixels the kernel gives sizes 1 to 4 and 36 to 39 half of its weight; fair coins give them none."""
    size = {
        estimator: drawn({"shap": SHAP()}, 40, 1000, 0, estimator).coalitions[2:].sum(1)
        for estimator in ("quadrature", "regression")
    }
    outer = {name: np.mean((each < 5) | (each > 35)) for name, each in size.items()}
    assert 0.18 < outer["regression"] < 0.22  # every size alike: 8 of 39
    assert 0.18 < outer["quadrature"] < 0.3
    shared = drawn(METHODS, 40, 1000, 0, "quadrature")  # LIME's sizes are nearly fair coins
    np.testing.assert_array_equal(shared.coalitions, plan(40, 1000).coalitions)


@pytest.mark.parametrize("samples", [10, 3002])
def test_too_few_and_too_many_for_an_emulator_are_left_to_regression(samples: int) -> None:
    drawn = plan(16, samples)
    found = estimate(METHODS, drawn, noisy, "quadrature")["shap"]
    np.testing.assert_array_equal(found.weights, SHAP().regress(drawn, noisy(drawn.coalitions)).weights)
    assert not found.settled
    assert not found.measured
    assert answering(drawn, "quadrature") == "regression"


def test_too_many_players_for_an_emulator_are_left_to_regression() -> None:
    few, many = plan(WIDE, 40), plan(WIDE + 1, 40)
    assert [answering(each, "quadrature") for each in (few, many)] == ["quadrature", "regression"]
    found = estimate(METHODS, many, noisy, "quadrature")["lime"]
    np.testing.assert_array_equal(found.weights, LIME().regress(many, noisy(many.coalitions)).weights)


def test_shapley_values_add_up_and_their_intervals_know_it() -> None:
    drawn = plan(20, 100)
    found = estimate(METHODS, drawn, noisy, "quadrature")
    scores = noisy(drawn.coalitions)
    np.testing.assert_allclose(found["shap"].weights.sum(1), scores[0] - scores[1], atol=1e-10)
    for fitted in found.values():
        assert set(fitted.measured) == {AGREEMENT, TOGETHER}
        low, high = np.moveaxis(fitted.intervals, -1, 0)
        assert (low < fitted.weights).all()
        assert (fitted.weights < high).all()
        assert all(1.2 < wider < 2.2 for wider in fitted.measured[TOGETHER])


def test_a_constant_score_is_zero_and_settled() -> None:
    found = estimate(METHODS, plan(20, 60), lambda z: np.full((len(z), 2), 0.7), "quadrature")
    for fitted in found.values():
        assert not fitted.weights.any()
        assert not fitted.intervals.any()
        assert fitted.settled


def test_an_easy_game_stops_early_and_a_noisy_one_at_the_limit() -> None:
    drawn, asked = plan(24, 600), Asked(easy)
    found = estimate_until_settled(METHODS, drawn, asked)
    assert asked.most <= 150
    assert all(fitted.settled for fitted in found.values())
    np.testing.assert_allclose(found["shap"].weights, easy(np.eye(24)).T, atol=0.3)
    hard = Asked(noisy)
    found = estimate_until_settled(METHODS, drawn, hard)
    assert hard.most == 600
    assert not any(fitted.settled for fitted in found.values())


def test_the_answer_is_that_of_the_beginning_of_the_plan() -> None:
    drawn, asked = plan(24, 600), Asked(easy)
    found = estimate_until_settled(METHODS, drawn, asked)
    again = estimate(METHODS, drawn.first(asked.most), easy, "quadrature")
    for name in METHODS:
        np.testing.assert_array_equal(found[name].weights, again[name].weights)


def test_until_settled_is_exact_where_all_coalitions_are_few() -> None:
    every = plan(5, 100)
    found = estimate_until_settled(METHODS, every, partial(noisy, seed=3))
    for name, method in METHODS.items():
        np.testing.assert_array_equal(found[name].weights, method.regress(every, noisy(every.coalitions, 3)).weights)


@pytest.mark.parametrize(("most", "looks"), [(60, [60]), (100, [100]), (300, [100, 150, 224, 300])])
def test_it_looks_after_half_as_many_again_and_in_whole_pairs(most: int, looks: list[int]) -> None:
    assert list(stops(most)) == looks
