"""The closed forms over the tree against sums over all contexts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whyscan.explain.games.hierarchy import members
from whyscan.explain.games.owen_measure import Nested


def random_tree(players: int, seed: int) -> np.ndarray:
    random, alive, merges = np.random.default_rng(seed), list(range(players)), []
    while len(alive) > 1:
        a, b = random.choice(len(alive), 2, replace=False)
        merges.append((alive[a], alive[b]))
        alive = [each for each in alive if each not in merges[-1]] + [players + len(merges) - 1]
    return np.array(merges, int).reshape(-1, 2)


def owen_weights(tree: np.ndarray, around: dict[int, tuple[int, ...]]) -> np.ndarray:
    """Owen values as weights (s, 2^s) of the scores, from the nodes split off above each player."""
    players, nodes = len(tree) + 1, members(tree)
    weights, number = np.zeros((players, 2**players)), 1 << np.arange(players)
    for player, siblings in around.items():
        for bits in range(2 ** len(siblings)):
            context = np.zeros(players, bool)
            for k, sibling in enumerate(siblings):
                context |= nodes[sibling] & bool(bits >> k & 1)
            weights[player, (context | nodes[player]) @ number] += 0.5 ** len(siblings)
            weights[player, context @ number] -= 0.5 ** len(siblings)
    return weights


def above(tree: np.ndarray) -> dict[int, tuple[int, ...]]:
    siblings: dict[int, tuple[int, ...]] = {2 * len(tree): ()}
    for k in reversed(range(len(tree))):
        for child, other in (tree[k], tree[k][::-1]):
            siblings[int(child)] = (*siblings[len(tree) + 1 + k], int(other))
    return {player: siblings[player] for player in range(len(tree) + 1)}


def check(tree: np.ndarray, around: dict[int, tuple[int, ...]], differing: np.ndarray) -> None:
    players = len(differing)
    every = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1
    gram, weights = np.where(every[:, None] == every[None], 1.0, differing).prod(-1), owen_weights(tree, around)
    np.testing.assert_allclose(Nested(tree).embed(every, differing), gram @ weights.T, atol=1e-12)
    np.testing.assert_allclose(Nested(tree).covariance(differing), weights @ gram @ weights.T, atol=1e-12)


def test_five_players_whose_contexts_are_listed_by_hand() -> None:
    # 5 = {0, 1} and 6 = {2, 3}; 7 = {0, 1, 4}: 0 meets 1, then 4, then {2, 3}
    tree = np.array([[0, 1], [2, 3], [5, 4], [6, 7]])
    around = {0: (1, 4, 6), 1: (0, 4, 6), 2: (3, 7), 3: (2, 7), 4: (5, 6)}
    check(tree, around, np.array([0.9, 0.2, 0.0, 0.6, 1.0]))


@settings(deadline=None, max_examples=40)
@given(
    differing=st.integers(1, 6).flatmap(lambda players: arrays(float, players, elements=st.floats(0, 1))),
    seed=st.integers(0, 1000),
)
def test_any_tree_of_up_to_six(differing: np.ndarray, seed: int) -> None:
    tree = random_tree(len(differing), seed)
    check(tree, above(tree), differing)


def test_the_values_of_many_players_add_up() -> None:
    random = np.random.default_rng(0)
    coalitions, differing = random.random((4, 60)) < 0.5, random.uniform(0.5, 1, 60)
    nested = Nested(random_tree(60, 3))
    gain = np.where(coalitions, 1, differing).prod(1) - np.where(coalitions, differing, 1).prod(1)
    np.testing.assert_allclose(nested.embed(coalitions, differing).sum(1), gain, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(nested.covariance(differing).sum(), 2 - 2 * differing.prod())
    assert nested.adds_up
