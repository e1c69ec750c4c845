from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from whyscan.explain.games.converge import agreement, simultaneous
from whyscan.explain.games.emulator import Belief


def belief(mean: list[float], deviation: float | list[float]) -> Belief:
    variance = np.broadcast_to(np.square(deviation), len(mean))
    return Belief(np.array(mean, float), np.diag(variance).astype(float), 100)


CLEAR = [9.0, -8.0, 7.0, 6.0, -5.0, 1.0, 0.5, 0.0]


def test_what_is_certain_agrees_wholly() -> None:
    assert agreement(belief(CLEAR, 0.0)) == 1.0


def test_what_is_unknown_agrees_by_chance() -> None:
    # the five that were named, among the five strongest of fifty pure draws
    found = agreement(belief([1e-6 * k for k in range(50)], 1.0))
    assert 0.05 < found < 0.25


def test_the_sign_does_not_matter_to_strength() -> None:
    assert agreement(belief(CLEAR, 0.3)) == pytest.approx(agreement(belief(list(np.abs(CLEAR)), 0.3)), abs=0.01)


def test_two_that_are_tied_for_the_last_place_agree() -> None:
    tied = [10.0, 9.0, 8.0, 7.0, 5.0, 4.999, 0.0]
    assert agreement(belief(tied, 0.02)) == 1.0  # a tie is 5 % of the strongest: 0.5
    assert agreement(belief(tied, [0, 0, 0, 0, 1.5, 1.5, 0])) < 0.95


def test_one_in_doubt_costs_a_fifth_of_its_doubt() -> None:
    # the named fifth is 6.4 for certain, the sixth 5 +- 1
    mean, deviation = [20.0, 19.0, 18.0, 17.0, 6.4, 5.0], [0, 0, 0, 0, 0, 1.0]
    missed = norm.sf((6.4 + 0.05 * 20 - 5.0) / 1.0)  # the sixth is stronger by more than a tie
    assert agreement(belief(mean, deviation)) == pytest.approx(1 - missed / 5, abs=0.002)


def test_with_as_few_as_are_looked_at_or_none_there_is_nothing_to_settle() -> None:
    assert agreement(belief([3.0, 2.0, 1.0], 5.0)) == 1.0
    assert agreement(belief([0.0] * 9, 0.0)) == 1.0


@pytest.mark.parametrize("players", [1, 10, 50])
def test_intervals_of_independent_values_widen_as_probability_says(players: int) -> None:
    # P(all |z_j| < c) = (2 Phi(c) - 1)^s
    exact = norm.ppf((1 + 0.95 ** (1 / players)) / 2) / 1.96
    bonferroni = norm.ppf(1 - 0.025 / players) / 1.96
    found = np.mean([simultaneous(belief([0.0] * players, 1.0), seed) for seed in range(20)])
    assert found == pytest.approx(exact, rel=0.02)
    assert found < 1.02 * bonferroni


def test_values_that_move_as_one_need_no_widening() -> None:
    together = Belief(np.zeros(30), np.ones((30, 30)), 100)
    assert simultaneous(together) == pytest.approx(1.0, abs=0.06)


def test_what_is_certain_needs_no_widening() -> None:
    assert simultaneous(belief(CLEAR, 0.0)) == 1.0
    assert simultaneous(belief([1.0, 2.0, 3.0], [0, 0, 1.0])) == pytest.approx(1.0, abs=0.06)
