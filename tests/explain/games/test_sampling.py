from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.explain.games.lime import LIME
from whyscan.explain.games.sampling import draw
from whyscan.explain.games.shap import SHAP

METHODS = (LIME(), SHAP())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(4, 300), st.integers(0, 5), st.sampled_from([(0,), (1,), (0, 1)]))
def test_a_plan_is_pairs_within_the_budget_none_twice(players: int, samples: int, seed: int, which: tuple) -> None:
    plan = draw(players, [METHODS[i].sizes(players) for i in which], samples, seed)
    m = len(plan.coalitions)
    assert len({row.tobytes() for row in plan.coalitions}) == m <= samples
    assert plan.coalitions[0].all()
    assert plan.complete == (2**players <= samples)
    assert m == 2**players or m >= samples - 4
    for pair in np.unique(plan.pairs):
        first, second = plan.coalitions[plan.pairs == pair]
        np.testing.assert_array_equal(first, ~second)
    again = draw(players, [METHODS[i].sizes(players) for i in which], samples, seed)
    np.testing.assert_array_equal(plan.coalitions, again.coalitions)
    assert np.isfinite(plan.weights(METHODS[which[0]].sizes(players))).all()
    assert (plan.uncertainty >= 0).all()
    assert (plan.uncertainty <= 1).all()


@pytest.mark.parametrize("players", [6, 9])
def test_weights_count_every_coalition_once_on_average(players: int) -> None:
    """A sum over the plan estimates the sum over all 2^s coalitions, whatever is summed."""
    value = np.random.default_rng(0).random(2**players)
    number = 1 << np.arange(players)
    for method in METHODS:
        sizes = method.sizes(players)
        every = (np.arange(2**players)[:, None] >> np.arange(players)) & 1
        truth = sum(value[i] * sizes[k] / comb(players, k) for i, k in enumerate(every.sum(1)))
        found = []
        for seed in range(400):
            plan = draw(players, [each.sizes(players) for each in METHODS], 40, seed)
            found.append(float(plan.weights(sizes) @ value[plan.coalitions @ number]))
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - truth) < 4 * error
        assert error < 0.02 * truth


def test_all_coalitions_have_their_exact_weight() -> None:
    plan = draw(3, [METHODS[0].sizes(3)], 8, 0)
    assert plan.complete
    assert not plan.uncertainty.any()
    np.testing.assert_allclose(plan.weights(np.array([1.0, 3.0, 6.0, 5.0])).sum(), 15)


def test_small_sizes_are_taken_whole_when_the_budget_allows_and_are_certain_then() -> None:
    plan = draw(20, [METHODS[1].sizes(20)], 1000, 0)
    single = plan.coalitions.sum(1) == 1
    assert single.sum() == 20
    assert not plan.uncertainty[single].any()
    assert (plan.uncertainty[plan.coalitions.sum(1) == 10] > 0.9).all()


def test_any_beginning_of_a_plan_is_fair() -> None:
    plan = draw(40, [each.sizes(40) for each in METHODS], 2000, 0)
    size = plan.coalitions[2:].sum(1)
    size = np.minimum(size, 40 - size)
    assert size[:500].mean() == pytest.approx(size.mean(), rel=0.1)


@given(st.integers(1, 40), st.integers(4, 200), st.integers(0, 3))
def test_the_probe_is_both_ends_and_the_most_even_of_the_first_pairs(players: int, samples: int, seed: int) -> None:
    plan = draw(players, [METHODS[1].sizes(players)], samples, seed)
    probe = plan.probe()
    assert probe[0].all()
    assert not probe[1].any()
    assert {row.tobytes() for row in probe} <= {row.tobytes() for row in plan.coalitions[:42]}
    uneven = np.abs(2 * plan.coalitions[2:42].sum(1) - players)
    assert len(probe) == (4 if uneven.size else 2)
    assert np.abs(2 * probe[2:].sum(1) - players).max(initial=0) == uneven.min(initial=players if uneven.size else 0)
