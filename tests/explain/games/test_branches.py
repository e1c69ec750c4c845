from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from whyscan.explain.games.branches import Branch, Branches, balanced


def visited(depth: int, seed: int = 0) -> np.ndarray:
    """All contexts in the order of drawing, as sets of single surrounding superpixels."""
    left, right = np.zeros((2, depth + 2), bool)
    branch = Branch(left, right, np.eye(depth, depth + 2, dtype=bool), np.random.default_rng(seed))
    return np.array([branch.context(k)[:depth] for k in range(2**depth)]).reshape(2**depth, depth)


@pytest.mark.parametrize("depth", range(7))
def test_every_context_comes_once_and_each_odd_one_is_the_opposite_of_the_one_before(depth: int) -> None:
    contexts = visited(depth)
    assert len(np.unique(contexts, axis=0)) == 2**depth
    if depth:
        np.testing.assert_array_equal(contexts[1::2], ~contexts[::2])


@pytest.mark.parametrize(("depth", "first"), [(2, 4), (3, 8), (4, 8), (7, 16), (8, 16)])
def test_beginnings_are_orthogonal_arrays_of_strength_three(depth: int, first: int) -> None:
    contexts = visited(depth, seed=depth)[:first]
    for three in combinations(range(depth), min(3, depth)):
        found = [tuple(row) for row in contexts[:, three]]
        assert all(found.count(each) == first / 2 ** len(three) for each in product([False, True], repeat=len(three)))


def test_any_context_is_as_likely_as_any_other_to_be_first() -> None:
    firsts = [tuple(visited(2, seed)[0]) for seed in range(400)]
    counts = [firsts.count(each) for each in product([False, True], repeat=2)]
    # 400 draws of 4: 100 +- 8.7
    assert min(counts) > 65
    assert max(counts) < 135


def test_steps_of_no_depth_are_none() -> None:
    assert balanced(0, np.random.default_rng(0)).shape == (0, 0)


def test_means_over_sampled_contexts_are_unbiased() -> None:
    """Without adaptive rounds: over many seeds, the mean of the estimates is the exact value."""
    tree = np.array([[0, 1], [2, 3], [5, 6], [4, 7]])
    game = np.random.default_rng(1).normal(size=32)

    def value(coalitions: np.ndarray) -> np.ndarray:
        return game[coalitions @ (1 << np.arange(5))][:, None]

    ends = value(np.array([[True] * 5, [False] * 5]))

    def estimate(seed: int, contexts: int) -> np.ndarray:
        known = Branches(value, tree, ends, np.random.default_rng(seed))
        known.ask([n for n, each in enumerate(known.branches) for _ in range(min(contexts, each.contexts))])
        return known.nodes()[:5, 0]

    exact = estimate(0, 99)
    drawn = np.array([estimate(seed, 1) for seed in range(600)])
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert error.max() > 0
    assert (np.abs(drawn.mean(0) - exact) <= 4 * error + 1e-12).all()


def test_fewer_evaluations_than_branches_open_the_tree_from_the_root() -> None:
    tree = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]])
    size = np.array([10.0, 1, 0, 0, 0, 0, 0, 0])

    def value(coalitions: np.ndarray) -> np.ndarray:
        return (coalitions @ size)[:, None]

    known = Branches(value, tree, value(np.array([[True] * 8, [False] * 8])), np.random.default_rng(0))
    known.open(2 + 2 * 3)
    opened = [n for n, branch in enumerate(known.branches) if branch.found]
    # root (0-7), its half that holds all value (0-3) is among the two that are ready next
    assert 6 in opened
    assert 4 in opened
    assert known.used == 8
