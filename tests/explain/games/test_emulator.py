from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.games.emulator import believe, emulate
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.measure import shapley
from whyscan.explain.games.owen import evaluations_needed, owen_values
from whyscan.explain.games.owen_measure import Nested
from whyscan.explain.games.sampling import Plan, draw
from whyscan.explain.games.shap import SHAP

PLAYERS = 12


def plan(players: int, samples: int, seed: int = 0) -> Plan:
    return draw(players, [LIME().sizes(players), SHAP().sizes(players)], samples, seed)


def interacting(players: int, seed: int, targets: int = 3):
    """The softmax of single and of joint effects: what a classifier's probabilities look like."""
    random = np.random.default_rng(seed)
    single = random.normal(size=(players, targets)) * (random.random((players, 1)) < 0.5)
    joint = random.normal(size=(targets, players, players)) * (random.random((players, players)) < 0.1)

    def value(coalitions: np.ndarray) -> np.ndarray:
        z = np.asarray(coalitions, float)
        odds = np.exp(z @ single + np.einsum("mi,tij,mj->mt", z, joint, z) / 2)
        return odds / odds.sum(1, keepdims=True)

    return value


def error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(((found - true) ** 2).mean() / (true**2).mean()))


def test_an_additive_game_is_learned_from_few() -> None:
    effects = np.random.default_rng(0).normal(size=(30, 2))
    drawn = plan(30, 80)
    beliefs = believe(emulate(drawn.coalitions, drawn.coalitions @ effects, drawn.pairs), shapley(30))
    assert error(np.array([belief.mean for belief in beliefs]), effects.T) < 0.03


def test_an_interacting_game_is_learned_far_better_than_by_regression() -> None:
    value, drawn = interacting(PLAYERS, 1), plan(PLAYERS, 300)
    every = plan(PLAYERS, 2**PLAYERS)
    emulators = emulate(drawn.coalitions, value(drawn.coalitions), drawn.pairs)
    for method in (LIME(), SHAP()):
        true = method.regress(every, value(every.coalitions)).weights
        ours = np.array([belief.mean for belief in believe(emulators, method.estimand(PLAYERS))])
        fitted = method.regress(drawn, value(drawn.coalitions)).weights
        assert error(ours, true) < error(fitted, true) / 3


def test_what_was_judged_is_foretold_and_so_is_what_was_not() -> None:
    value, drawn = interacting(PLAYERS, 2), plan(PLAYERS, 300)
    fresh = plan(PLAYERS, 200, seed=5).coalitions
    for emulator in emulate(drawn.coalitions, value(drawn.coalitions), drawn.pairs):
        for coalitions, bound in ((drawn.coalitions, 0.03), (fresh, 0.15)):
            wrong = emulator.predict(coalitions) - value(coalitions)
            assert (wrong.std(0) < bound * value(coalitions).std(0)).all()


def test_the_integral_is_that_of_its_own_predictions() -> None:
    value, drawn, every = interacting(7, 3), plan(7, 40), plan(7, 128)
    for emulator in emulate(drawn.coalitions, value(drawn.coalitions), drawn.pairs):
        for method in (LIME(), SHAP()):
            means, covariance = emulator.integrate(method.estimand(7))
            by_sum = method.regress(every, emulator.predict(every.coalitions)).weights
            np.testing.assert_allclose(means, by_sum, atol=1e-8)
            assert np.linalg.eigvalsh(covariance).min() > -1e-9
        tree = np.array([[0, 1], [2, 3], [4, 5], [7, 8], [10, 9], [11, 6]])
        exact = owen_values(emulator.predict, tree, evaluations_needed(tree))
        np.testing.assert_allclose(emulator.integrate(Nested(tree))[0], exact.values, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e5])
def test_beliefs_scale_with_the_scores_and_a_constant_adds_nothing(scale: float) -> None:
    value, drawn = interacting(PLAYERS, 4), plan(PLAYERS, 60)
    scores = value(drawn.coalitions)
    once = believe(emulate(drawn.coalitions, scores, drawn.pairs), shapley(PLAYERS))
    again = believe(emulate(drawn.coalitions, scale * (scores + 3), drawn.pairs), shapley(PLAYERS))
    for one, two in zip(once, again, strict=True):
        np.testing.assert_allclose(two.mean / scale, one.mean, atol=1e-4 * np.abs(one.mean).max())
        np.testing.assert_allclose(two.interval() / scale, one.interval(), atol=1e-3 * np.ptp(one.interval()))


def test_a_score_that_never_moves_is_zero_for_certain() -> None:
    drawn = plan(PLAYERS, 60)
    (belief,) = believe(emulate(drawn.coalitions, np.full((60, 1), 0.3), drawn.pairs), shapley(PLAYERS))
    assert not belief.mean.any()
    assert not belief.interval().any()


def test_rounding_noise_of_a_flat_target_spoils_no_other() -> None:
    value, drawn = interacting(PLAYERS, 5, 1), plan(PLAYERS, 100)
    scores = value(drawn.coalitions) + drawn.coalitions @ np.linspace(-1, 1, PLAYERS)[:, None]
    noise = 1e-7 * np.random.default_rng(0).normal(size=scores.shape)
    alone = believe(emulate(drawn.coalitions, scores, drawn.pairs), shapley(PLAYERS))[0]
    beside = believe(emulate(drawn.coalitions, np.hstack([scores, noise]), drawn.pairs), shapley(PLAYERS))
    np.testing.assert_allclose(beside[0].mean, alone.mean, atol=1e-9)
    assert np.abs(beside[1].mean).max() < 1e-6
    low, high = beside[1].interval().T
    assert ((low < 0) & (high > 0)).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("samples", [50, 150, 400])
def test_intervals_hold_the_truth_as_often_as_they_promise(samples: int) -> None:
    every, held = plan(PLAYERS, 2**PLAYERS), []
    for seed in range(40):
        value, drawn = interacting(PLAYERS, seed), plan(PLAYERS, samples, seed)
        emulators = emulate(drawn.coalitions, value(drawn.coalitions), drawn.pairs)
        for method in (LIME(), SHAP()):
            true = method.regress(every, value(every.coalitions)).weights
            for belief, target in zip(believe(emulators, method.estimand(PLAYERS)), true, strict=True):
                low, high = belief.interval().T
                held.append((low <= target) & (target <= high))
    assert 0.92 <= np.mean(held) <= 0.98
