"""The closed forms against sums over all coalitions."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whyscan.explain.games.lime import LIME, kernel, lime_weights
from whyscan.explain.games.measure import Estimand, by_size, shapley


def everything(players: int) -> np.ndarray:
    return (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1


def product(first: np.ndarray, second: np.ndarray, differing: np.ndarray) -> np.ndarray:
    return np.where(first[:, None] == second[None], 1.0, differing).prod(-1)


def shapley_by_orders(players: int) -> np.ndarray:
    """Shapley values as weights (s, 2^s) of the scores: gains on joining, averaged over all orders of arrival."""
    weights = np.zeros((players, 2**players))
    orders = list(permutations(range(players)))
    for order in orders:
        there = 0
        for player in order:
            weights[player, there | 1 << player] += 1 / len(orders)
            weights[player, there] -= 1 / len(orders)
            there |= 1 << player
    return weights


def lime_by_regression(players: int) -> np.ndarray:
    """LIME's weights as weights (s, 2^s) of the scores: its ridge regression on every coalition, by its chance."""
    every = everything(players)
    near = 1000 * kernel(every.sum(1).astype(float), players, 0.25)
    weights = near / 2**players
    weights[-1] += near[-1] / 1000  # lime puts the scan itself first
    return lime_weights(every, np.eye(len(every)), weights).T


def check(estimand: Estimand, by_hand: np.ndarray, differing: np.ndarray) -> None:
    every = everything(len(differing))
    gram = product(every, every, differing)
    np.testing.assert_allclose(estimand.embed(every, differing), gram @ by_hand.T, atol=1e-10)
    np.testing.assert_allclose(estimand.covariance(differing), by_hand @ gram @ by_hand.T, atol=1e-10)


rates = st.integers(1, 6).flatmap(lambda players: arrays(float, players, elements=st.floats(0, 1)))


@settings(deadline=None, max_examples=30)
@given(differing=rates)
def test_shapley_values_of_a_product_are_those_of_all_orders(differing: np.ndarray) -> None:
    check(shapley(len(differing)), shapley_by_orders(len(differing)), differing)


@settings(deadline=None, max_examples=30)
@given(differing=rates)
def test_lime_of_a_product_is_its_regression_on_all_coalitions(differing: np.ndarray) -> None:
    check(LIME().estimand(len(differing)), lime_by_regression(len(differing)), differing)


def test_any_weighting_by_size_and_any_penalty() -> None:
    near, every = np.array([0.5, 3.0, 1.0, 0.0, 2.0]), everything(4)
    weights = near[every.sum(1)] / 16
    weights[-1] += 0.7
    by_hand = lime_weights(every, np.eye(16), weights, 0.3).T
    check(by_size(near, 0.7, 0.3), by_hand, np.array([0.9, 0.5, 0.1, 0.0]))


def test_two_players_by_hand() -> None:
    # k(., everybody) with factors 1/2 and 1/4 is 1/8, 1/4 (only 0), 1/2 (only 1), 1: a gain of 1/8 or 1/2 for player 0
    found = shapley(2).embed(np.ones((1, 2), bool), np.array([0.5, 0.25]))
    np.testing.assert_allclose(found, [[(1 / 8 + 1 / 2) / 2, (3 / 8 + 3 / 4) / 2]])


@pytest.mark.parametrize("players", [2, 9, 60])
def test_shapley_values_add_up_for_many_players(players: int) -> None:
    random = np.random.default_rng(players)
    coalitions, differing = random.random((5, players)) < 0.5, random.uniform(0.5, 1, players)
    ends = np.array([np.ones(players, bool), np.zeros(players, bool)])
    gain = product(coalitions, ends, differing) @ [1, -1]
    assert shapley(players).adds_up
    np.testing.assert_allclose(shapley(players).embed(coalitions, differing).sum(1), gain, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(shapley(players).covariance(differing).sum(), 2 - 2 * differing.prod())
