"""Differences by group: oracles, planted answers, and how often the intervals hold the truth."""

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_1samp, ttest_ind

from whyscan.stats.differences import apart, mean_interval, paired
from whyscan.stats.tests import benjamini_hochberg, flip_test, shuffle_test


def singles(n):
    return [f"g{i}" for i in range(n)]


def mean(x, axis=-1):
    return np.mean(x, axis=axis)


def test_flip_test_is_scipys_exact_one():
    rng = np.random.default_rng(0)
    for n in (3, 7, 11):
        differences = rng.normal(0.5, 1, n)
        oracle = permutation_test((differences,), mean, permutation_type="samples", n_resamples=np.inf)
        assert flip_test(differences, singles(n), rng=rng) == pytest.approx(oracle.pvalue)


def test_flip_test_drawn_is_near_the_t_test():
    rng = np.random.default_rng(1)
    differences = rng.normal(0.15, 1, 120)
    assert flip_test(differences, singles(120), rng=rng) == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.02)
    assert flip_test(differences + 3, singles(120), rng=rng) == pytest.approx(1 / 10_001)


def test_copies_of_one_scan_are_no_evidence():
    differences = np.full(10, 0.4)
    assert flip_test(differences, ["one"] * 10, rng=np.random.default_rng(0)) == 1.0
    assert flip_test(differences, singles(10), rng=np.random.default_rng(0)) == pytest.approx(2 / 2**10)
    assert flip_test(np.zeros(4), singles(4), rng=np.random.default_rng(0)) == 1.0


def test_shuffle_test_is_scipys_exact_one():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 1, 8)
    oracle = permutation_test((a, b), lambda x, y, axis=-1: np.abs(x.mean(axis) - y.mean(axis)),
                              alternative="greater", n_resamples=np.inf, vectorized=True)  # fmt: skip
    second = np.arange(13) >= 5
    assert shuffle_test(np.r_[a, b], second, singles(13), rng=rng) == pytest.approx(oracle.pvalue)


def test_shuffle_test_drawn_is_near_the_t_test():
    rng = np.random.default_rng(3)
    values, second = rng.normal(0, 1, 200), np.arange(200) >= 80
    values[second] += 0.25
    oracle = ttest_ind(values[~second], values[second]).pvalue
    assert shuffle_test(values, second, singles(200), rng=rng) == pytest.approx(oracle, abs=0.02)
    assert np.isnan(shuffle_test(values, np.zeros(200, bool), singles(200), rng=rng))


def test_benjamini_hochberg_is_scipys():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(4).uniform(0, 0.2, 20)
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    assert benjamini_hochberg([]).size == 0


def test_a_planted_difference_is_found_and_its_size_is_right():
    rng = np.random.default_rng(5)
    base = rng.normal(0.3, 0.1, 80)
    found = paired(base + rng.normal(0.1, 0.1, 80), base, singles(80))
    assert found.low < 0.1 < found.high and found.low > 0 and found.p < 0.001
    assert found.effect == pytest.approx(1.0, abs=0.3) and found.smallest < 0.5 and found.n == 80


def test_groups_count_not_scans():
    rng = np.random.default_rng(6)
    shift = rng.normal(0, 1, 5).repeat(20)
    found = paired(shift, np.zeros(100), [f"p{i // 20}" for i in range(100)])
    assert found.n == 5 and found.smallest > 1.5 and found.high - found.low > 1
    assert paired(np.zeros(0), np.zeros(0), []).n == 0
    one = paired(np.ones(3), np.zeros(3), ["a"] * 3)
    assert np.isnan(one.low) and one.p == 1.0


def test_two_kinds():
    rng = np.random.default_rng(7)
    values, second = rng.normal(0, 1, 120), np.arange(120) >= 60
    values[~second] += 1
    found = apart(values, second, singles(120))
    assert found.low > 0 and found.p < 0.001 and found.effect > 0.3 and (found.n, found.other) == (60, 60)
    turned = apart(values, ~second, singles(120))
    assert turned.value == pytest.approx(-found.value) and turned.effect == pytest.approx(-found.effect)
    assert np.isnan(apart(values, np.zeros(120, bool), singles(120)).value)
    few = apart(values[58:62], second[58:62], singles(4))
    assert few.low < few.value < few.high and few.smallest > 2
    assert np.isnan(apart(values[59:62], second[59:62], singles(3)).low)


def test_a_patient_on_both_sides_is_drawn_once():
    rng = np.random.default_rng(8)
    level = rng.normal(0, 5, 40)
    values = np.r_[level + 0.5 + rng.normal(0, 0.1, 40), level + rng.normal(0, 0.1, 40)]
    found = apart(values, np.arange(80) >= 40, singles(40) * 2)
    assert found.low > 0.4 and found.high < 0.6  # drawn apart, it would span 4


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), [(6, 1), (10, 1), (20, 1), (12, 4), (60, 1)])
def test_intervals_hold_the_truth(count, size):
    rng = np.random.default_rng(count)
    groups = [f"g{i}" for i in range(count) for _ in range(size)]
    held = 0
    for _ in range(300):
        values = rng.exponential(1, count).repeat(size) + rng.normal(0, 0.3, count * size)
        low, high = mean_interval(values, groups, rng=rng)
        held += low <= 1 <= high
    assert held / 300 > 0.87  # skewed on purpose: Student's own interval holds it 0.88 to 0.94 of the time here


@pytest.mark.slow
def test_false_alarms_stay_at_five_in_a_hundred():
    rng = np.random.default_rng(9)
    alarms = [
        (
            paired(rng.exponential(1, 15), rng.exponential(1, 15), singles(15)).p < 0.05,
            apart(rng.exponential(1, 30), np.arange(30) >= 12, singles(30)).p < 0.05,
        )
        for _ in range(150)
    ]
    assert np.mean(alarms, axis=0).max() < 0.1


def test_an_interval_does_not_leave_what_can_be() -> None:
    """Student's of two correlations near 1 would go on to 5."""
    values, groups = np.array([0.4, 0.95]), ["a", "b"]
    free = mean_interval(values, groups, rng=np.random.default_rng(0))
    cut = mean_interval(values, groups, rng=np.random.default_rng(0), within=(-1.0, 1.0))
    assert free.high > 2 and free.low < -1
    assert cut == (-1.0, 1.0)
