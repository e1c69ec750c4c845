from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.hierarchy import members
from whyscan.explain.quadrature import _Kernel, quadrature

TREE = np.array([[0, 1], [2, 3], [5, 4], [6, 7]])


def everything(players: int) -> np.ndarray:
    found = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1
    return np.concatenate([found[-1:], found[:-1]])


def owen_weights() -> np.ndarray:
    """Owen values of the tree's 5 players as weights of the 32 scores, by the definition: contexts listed by hand."""
    nodes, coalitions = members(TREE), everything(5)
    # 5 = {0, 1} and 6 = {2, 3}; 7 = {0, 1, 4}: 0 meets 1, then 4, then {2, 3}
    around = {0: (1, 4, 6), 1: (0, 4, 6), 2: (3, 7), 3: (2, 7), 4: (5, 6)}
    weights = np.zeros((5, 32))
    for player, siblings in around.items():
        for bits in range(2 ** len(siblings)):
            context = np.zeros(5, bool)
            for k, sibling in enumerate(siblings):
                context |= nodes[sibling] & bool(bits >> k & 1)
            joined = context | nodes[player]
            weights[player, (coalitions == joined).all(1)] += 0.5 ** len(siblings)
            weights[player, (coalitions == context).all(1)] -= 0.5 ** len(siblings)
    return weights


def test_the_closed_form_averages_are_the_averages() -> None:
    random = np.random.default_rng(0)
    kernel = _Kernel(random.random(5), random.random(5))
    every, weights = everything(5).astype(float), owen_weights()
    covariance, prior = kernel.owen(every, TREE)
    gram = kernel.gram(every) - 1e-6 * np.eye(32)
    np.testing.assert_allclose(covariance, gram @ weights.T, atol=1e-9)
    np.testing.assert_allclose(prior, np.einsum("ij,jk,ik->i", weights, gram, weights), atol=1e-9)


def test_through_every_coalition_the_values_are_exact() -> None:
    scores = np.random.default_rng(1).normal(size=(32, 2))
    values, halves = quadrature(everything(5), scores, TREE)
    np.testing.assert_allclose(values, (owen_weights() @ scores).T, atol=1e-3)
    assert halves.max() < 0.05


def test_a_flat_target_is_zero_and_spoils_no_other() -> None:
    scores = np.random.default_rng(2).normal(size=(20, 1))
    alone, _ = quadrature(everything(5)[:20], scores, TREE)
    values, halves = quadrature(everything(5)[:20], np.concatenate([scores, np.full((20, 1), 0.3)], 1), TREE)
    np.testing.assert_allclose(values[0], alone[0], atol=1e-9)
    assert not values[1].any()
    assert not halves[1].any()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_values_scale_with_the_scores(scale: float) -> None:
    scores = np.random.default_rng(3).normal(size=(20, 1))
    once, half = quadrature(everything(5)[:20], scores, TREE)
    again, wide = quadrature(everything(5)[:20], scale * scores + 5 * scale, TREE)
    np.testing.assert_allclose(again / scale, once, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(wide / scale, half, rtol=1e-5, atol=1e-7)
