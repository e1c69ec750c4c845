from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.explain.games.lime import LIME
from whyscan.explain.games.sampling import draw
from whyscan.explain.games.shap import SHAP


def table(players: int, seed: int) -> np.ndarray:
    """The score of every coalition, by its number: any game at all."""
    return np.random.default_rng(seed).normal(size=2**players)


def numbers(coalitions: np.ndarray) -> np.ndarray:
    return coalitions @ (1 << np.arange(coalitions.shape[1]))


def by_definition(value: np.ndarray, players: int) -> np.ndarray:
    """Shapley (1953): a player's gain on joining, averaged over all orders of arrival."""
    total = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        there = 0
        for player in order:
            total[player] += value[there | 1 << player] - value[there]
            there |= 1 << player
    return total / len(orders)


def fit(value: np.ndarray, players: int, samples: int, seed: int = 0, methods: tuple = (SHAP(),)):
    plan = draw(players, [method.sizes(players) for method in methods], samples, seed)
    return SHAP().regress(plan, value[numbers(plan.coalitions)][:, None])


def test_two_players_by_hand() -> None:
    # alone 1 and 3, together 10: each gets what it has alone and half of the 6 that only both have
    fitted = fit(np.array([0.0, 1.0, 3.0, 10.0]), 2, 4)
    np.testing.assert_allclose(fitted.weights, [[4, 6]])
    np.testing.assert_allclose(fitted.intervals, [[[4, 4], [6, 6]]])


def test_one_player_has_it_all() -> None:
    np.testing.assert_allclose(fit(np.array([1.0, 5.0]), 1, 4).weights, [[4]])


@pytest.mark.parametrize("players", [2, 3, 5, 7])
@pytest.mark.parametrize("methods", [(SHAP(),), (LIME(), SHAP())])
def test_a_small_game_is_solved_exactly(players: int, methods: tuple) -> None:
    value = table(players, players)
    found = fit(value, players, 2**players, methods=methods).weights[0]
    np.testing.assert_allclose(found, by_definition(value, players), atol=1e-10)


def leverage_by_size(rows: np.ndarray, weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """By definition: the diagonal of A (A'A)^-1 A' of the weighted rows, summed over coalitions of a size."""
    weighted = rows * np.sqrt(weights)[:, None]
    scores = np.einsum("mp,pq,mq->m", weighted, np.linalg.pinv(weighted.T @ weighted), weighted)
    return np.bincount(sizes, scores)


@pytest.mark.parametrize("players", [2, 3, 6, 9])
def test_what_is_drawn_alone_are_leverage_scores(players: int) -> None:
    plan = draw(players, [SHAP().sizes(players)], 2**players, 0)
    size = plan.coalitions.sum(1)
    inner = (size > 0) & (size < players)
    centred = plan.coalitions[inner] - size[inner, None] / players  # what is left of them where the sum is known
    found = leverage_by_size(centred, plan.weights(SHAP().sizes(players))[inner], size[inner])
    np.testing.assert_allclose(found, SHAP().leverage(players)[:players], atol=1e-9)
    near = leverage_by_size(
        np.column_stack([np.ones(len(size)), plan.coalitions]), plan.weights(LIME().sizes(players)), size
    )
    lime = LIME().leverage(players)
    assert np.abs(near / near.sum() - lime / lime.sum()).sum() / 2 < 0.2


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(4, 200), st.integers(0, 100))
def test_efficiency_the_values_add_up(players: int, samples: int, seed: int) -> None:
    value = table(players, seed)
    found = fit(value, players, samples, seed).weights[0]
    assert found.sum() == pytest.approx(value[-1] - value[0], abs=1e-9)


def test_second_order_interactions_are_exact_from_any_full_rank_plan() -> None:
    """Antithetic pairs cancel every interaction of two players."""
    rng, s = np.random.default_rng(0), 14
    a, b = rng.normal(size=s), rng.normal(size=(s, s))
    b = np.triu(b, 1)
    plan = draw(s, [SHAP().sizes(s)], 80, 0)
    z = plan.coalitions.astype(float)
    fitted = SHAP().regress(plan, (z @ a + np.einsum("mi,ij,mj->m", z, b, z))[:, None])
    # an interaction is shared equally by its two players
    np.testing.assert_allclose(fitted.weights[0], a + (b.sum(0) + b.sum(1)) / 2, atol=1e-9)
    np.testing.assert_allclose(np.ptp(fitted.intervals, axis=-1), 0, atol=1e-6)


def test_too_few_evaluations_still_add_up_but_promise_nothing() -> None:
    fitted = fit(table(12, 0), 12, 12)
    assert fitted.intervals is None
    assert fitted.weights.sum() == pytest.approx(table(12, 0)[-1] - table(12, 0)[0])


@pytest.mark.slow
@pytest.mark.parametrize("methods", [(SHAP(),), (LIME(), SHAP())])
def test_intervals_hold_the_truth_as_often_as_they_promise(methods: tuple) -> None:
    value = table(8, 1)
    truth = by_definition(value, 8)
    held = []
    for seed in range(300):
        low, high = np.moveaxis(fit(value, 8, 90, seed, methods).intervals[0], -1, 0)
        held.append((low <= truth) & (truth <= high))
    assert 0.93 <= np.mean(held) <= 0.975
