"""Intervals: coverage by simulation, figures worked out by hand or published, and what happens at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from whyscan.stats import intervals, scores


def mean_of(values: np.ndarray) -> intervals.Statistic:
    return lambda weights: (weights @ values) / weights.sum(axis=1)


def alone(n: int) -> list[str]:
    return [f"g{i}" for i in range(n)]


def test_scans_of_one_group_are_drawn_together() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    weights = np.concatenate(list(intervals.group_weights(groups, 200, np.random.default_rng(0))))
    assert weights.shape == (200, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)
    assert weights[:, [0, 1, 3]].mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)


def test_drawing_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(7.0)
    whole = intervals.resample(mean_of(values), alone(7), draws=50, rng=np.random.default_rng(1))
    monkeypatch.setattr(intervals, "CELLS", 20)
    pieces = intervals.resample(mean_of(values), alone(7), draws=50, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(whole, pieces)
    assert whole.shape == (50,)


def test_bootstrap_of_a_mean_has_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(2).normal(size=400)
    drawn = intervals.resample(mean_of(values), alone(400), draws=4000, rng=np.random.default_rng(3))
    assert drawn.std() == pytest.approx(stats.sem(values), rel=0.05)
    low, high = intervals.percentile(drawn)
    assert (low, high) == pytest.approx(stats.norm.interval(0.95, values.mean(), stats.sem(values)), abs=0.01)


def test_identical_scans_in_a_group_add_no_precision() -> None:
    values = np.random.default_rng(4).normal(size=50)
    single = intervals.resample(mean_of(values), alone(50), draws=4000, rng=np.random.default_rng(5))
    fourfold = intervals.resample(
        mean_of(np.repeat(values, 4)), [name for name in alone(50) for _ in range(4)], draws=4000,
        rng=np.random.default_rng(5),
    )  # fmt: skip
    assert fourfold.std() == pytest.approx(single.std(), rel=0.05)


def test_percentile_leaves_out_draws_that_were_not_measured() -> None:
    assert intervals.percentile(np.array([0.0, 0.5, 1.0, np.nan]), 0.5) == (0.25, 0.75)
    assert all(np.isnan(intervals.percentile(np.full(9, np.nan))))


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject, level: float) -> None:
    k = data.draw(st.integers(0, n))
    ours = intervals.wilson(k / n, n, level)
    theirs = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= k / n <= ours.high <= 1
    assert ours.low < ours.high


def test_wilson_of_nothing_is_unknown() -> None:
    assert all(np.isnan(intervals.wilson(0.5, 0)))
    assert all(np.isnan(intervals.bonett_price(0, 0, 0)))


def test_bonett_price_by_hand() -> None:
    # 10 gained and 4 lost of 98: 11/100 and 5/100, 0.06 +- 1.96 sqrt((0.16 - 0.0036) / 100)
    low, high = intervals.bonett_price(10, 4, 98)
    assert (low, high) == pytest.approx((0.06 - 1.959964 * 0.0395474, 0.06 + 1.959964 * 0.0395474), abs=1e-6)


def test_newcombe_as_published() -> None:
    # Newcombe 1998, table II: method 10 without continuity correction
    published = {(56, 70, 48, 80): (0.0524, 0.3339), (9, 10, 3, 10): (0.1705, 0.8090), (10, 10, 0, 10): (0.6075, 1.0)}
    for (hits, n, others, m), ends in published.items():
        assert intervals.newcombe(hits / n, n, others / m, m) == pytest.approx(ends, abs=1e-4)
    low, high = intervals.newcombe(0, 10, 0, 20)
    assert low < 0 < high and all(np.isnan(intervals.newcombe(0.5, 0, 0.5, 5)))


def test_a_perfect_score_is_not_certain() -> None:
    hits = np.ones(60)
    drawn = intervals.resample(mean_of(hits), alone(60), draws=100, rng=np.random.default_rng(6))
    assert intervals.percentile(drawn) == (1, 1)
    interval = intervals.proportion(hits, alone(60), drawn)
    assert interval == pytest.approx((60 / (60 + 1.959964**2), 1.0), abs=1e-6)
    assert intervals.uncertain(intervals.Interval(1.0, 1.0), 60) == interval


def test_a_perfect_score_on_few_patients_is_less_certain_than_on_many() -> None:
    hits = np.ones(60)
    patients = [f"p{i % 6}" for i in range(60)]
    assert intervals.proportion(hits, patients, hits).low == pytest.approx(6 / (6 + 1.959964**2), abs=1e-6)


def test_away_from_the_edge_the_bootstrap_stands_alone() -> None:
    hits = np.r_[np.ones(70), np.zeros(30)]
    drawn = intervals.resample(mean_of(hits), alone(100), draws=500, rng=np.random.default_rng(7))
    assert intervals.proportion(hits, alone(100), drawn) == intervals.percentile(drawn)
    wide = intervals.Interval(0.8, 0.9)
    assert intervals.uncertain(wide, 5) == wide


def test_no_scan_no_interval() -> None:
    assert all(np.isnan(intervals.proportion(np.empty(0), [], np.full(3, np.nan))))
    assert all(np.isnan(intervals.hull(intervals.UNKNOWN)))


def test_two_models_that_never_differ_may_still_differ_elsewhere() -> None:
    none = np.zeros(98)
    low, high = intervals.paired_difference(none, alone(98), np.zeros(100))
    assert low == pytest.approx(-high)
    assert high == pytest.approx(1.959964 * (2 / 100 / 100) ** 0.5, abs=1e-6)


def test_differences_in_many_groups_rest_on_the_bootstrap() -> None:
    differences = np.r_[np.ones(20), -np.ones(8), np.zeros(72)]
    drawn = intervals.resample(mean_of(differences), alone(100), draws=500, rng=np.random.default_rng(8))
    assert intervals.paired_difference(differences, alone(100), drawn) == intervals.percentile(drawn)


def test_few_differing_groups_widen_the_interval_by_group() -> None:
    # three scans of one group gained, of 12 scans in 4 groups: a quarter of the scans, so 1 of 4 groups
    differences = np.r_[np.ones(3), np.zeros(9)]
    groups = [f"g{i // 3}" for i in range(12)]
    interval = intervals.paired_difference(differences, groups, np.full(10, 0.25))
    assert interval == intervals.hull(intervals.bonett_price(1, 0, 4), intervals.Interval(0.25, 0.25))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(60, 0.95), (120, 0.8), (300, 0.99)])
def test_coverage_of_accuracy(n: int, share: float) -> None:
    """Of 300 repeated studies, about 95 % of the intervals must hold the truth (standard error 1.3 points)."""
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(300):
        hits = (rng.random(n) < share).astype(float)
        drawn = intervals.resample(mean_of(hits), alone(n), draws=400, rng=rng)
        low, high = intervals.proportion(hits, alone(n), drawn)
        held += low <= share <= high
    assert held / 300 >= 0.92


@pytest.mark.slow
def test_coverage_where_scans_of_a_group_are_alike() -> None:
    """Resampling by group covers; resampling rows would not."""
    rng = np.random.default_rng(11)
    groups = [f"g{i // 5}" for i in range(200)]
    by_group = by_row = 0
    for _ in range(300):
        hits = np.repeat(rng.random(40) < 0.8, 5).astype(float)
        drawn = intervals.resample(mean_of(hits), groups, draws=400, rng=rng)
        low, high = intervals.proportion(hits, groups, drawn)
        by_group += low <= 0.8 <= high
        low, high = intervals.percentile(intervals.resample(mean_of(hits), alone(200), draws=400, rng=rng))
        by_row += low <= 0.8 <= high
    assert by_group / 300 >= 0.91
    assert by_row / 300 <= 0.75


@pytest.mark.slow
def test_reflection_corrects_the_bias_of_calibration_error() -> None:
    """The draws of ECE lie too high: their middle misses the truth far more often than the reflected interval."""

    def study(n: int) -> tuple[np.ndarray, np.ndarray]:
        z = 2 * rng.normal(size=(n, 4))
        labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)  # so that softmax(z) is the truth
        sharp = np.exp(1.6 * z)
        return labels, sharp / sharp.sum(axis=1, keepdims=True)

    rng = np.random.default_rng(12)
    truth = scores.calibration_error(*study(100_000))
    middle = mirrored = 0
    for _ in range(200):
        labels, p = study(150)
        drawn = intervals.resample(
            lambda weights, labels=labels, p=p: scores.calibration_error(labels, p, weights), alone(150), draws=300,
            rng=rng,
        )  # fmt: skip
        low, high = intervals.percentile(drawn)
        middle += low <= truth <= high
        value = float(scores.calibration_error(labels, p))
        low, high = intervals.reflected(value, drawn)
        mirrored += low <= truth <= high
        assert low <= value <= high
    assert mirrored / 200 >= 0.84
    assert mirrored > middle


def test_a_difference_that_is_the_same_everywhere_still_has_an_interval() -> None:
    ones = np.ones(25)
    low, high = intervals.paired_difference(ones, alone(25), np.ones(200))
    assert low < 1 == high
