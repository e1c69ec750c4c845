"""Differences by group: oracles, planted answers, and how often the intervals hold the truth."""

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_1samp, ttest_ind

from whyscan.stats.differences import ANY, apart, mean_interval, paired
from whyscan.stats.intervals import bonett_price, effective, newcombe, unseen, wilson
from whyscan.stats.tests import benjamini_hochberg, flip_test, share_test, shuffle_test


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


SHARE = (0.0, 1.0)


def interval(values, groups, **more):
    return mean_interval(np.asarray(values, float), groups, rng=np.random.default_rng(0), **more)


def test_what_is_the_same_on_every_scan_has_an_interval_where_it_is_a_share() -> None:
    assert interval(np.zeros(20), singles(20), within=SHARE) == wilson(0, 20)
    assert interval(np.ones(2), singles(2), within=SHARE).low < 0.5
    assert interval(np.full(20, 0.3), singles(20), within=SHARE) == pytest.approx(tuple(unseen(0.3, 20, SHARE)))
    # of a correlation that never changes nothing is known: an interval of no width would say that all is
    assert np.isnan(interval(np.full(20, 0.9), singles(20), within=(-1.0, 1.0)).low)
    assert np.isnan(interval(np.full(20, 0.9), singles(20)).low)


def test_hits_that_never_change_leave_room_for_some_that_do() -> None:
    same = paired(np.ones(13), np.ones(13), singles(13), within=SHARE)
    assert (same.low, same.high) == pytest.approx(bonett_price(0, 0, 13)) and same.high > 0.1
    both = paired(np.full(13, 0.4), np.full(13, 0.4), singles(13), within=SHARE)
    assert (both.low, both.high) == unseen(0.0, 13, (-1, 1))


def test_what_is_the_same_on_every_scan_bounds_what_was_not_seen() -> None:
    """As many others as would have been missed with a probability of 2.5 %, at the worst place."""
    low, high = unseen(0.2, 24, (-1, 1))
    others = (0.2 - low) / 1.2
    assert (1 - others) ** 24 == pytest.approx(0.025) and high == pytest.approx(0.2 + others * 0.8)
    found = paired(np.full(24, 0.2), np.zeros(24), singles(24), within=SHARE)
    assert (found.low, found.high) == pytest.approx((low, high)) and low > 0
    assert np.isnan(unseen(0.2, 24, ANY)).all() and unseen(0.2, 10_000, (-1, 1)).low > 0.199
    kinds = apart(np.zeros(20), np.arange(20) >= 8, singles(20), within=SHARE)
    assert (kinds.low, kinds.high) == pytest.approx(newcombe(0, 8, 0, 12)) and kinds.low < 0 < kinds.high


def test_a_difference_does_not_leave_what_can_be() -> None:
    """Of two scans, of which one is answered rightly by one model only: Student's would go from -5.9 to 6.9."""
    found = paired(np.array([1.0, 1.0]), np.array([0.0, 1.0]), singles(2), within=SHARE)
    assert -1 <= found.low < 0.5 < found.high <= 1
    few = apart(np.array([0.9, 0.1, 0.8, 0.2]), np.arange(4) >= 2, singles(4), within=SHARE)
    assert (few.low, few.high) == (-1, 1)


def test_one_large_group_counts_little_more_than_itself() -> None:
    groups = ["big"] * 50 + singles(10)
    assert effective(singles(7)) == effective([name for name in singles(7) for _ in range(3)]) == 7
    assert effective(groups) == pytest.approx(60**2 / (50**2 + 10)) and effective([]) == 0
    assert interval(np.zeros(60), groups, within=SHARE) == pytest.approx(wilson(0, effective(groups)))
    assert (
        interval(np.zeros(60), groups, within=SHARE).high > 3 * interval(np.zeros(60), singles(60), within=SHARE).high
    )


def test_share_test_is_scipys_exact_one() -> None:
    from scipy.stats import binomtest

    for hits, n, limit in ((9, 12, 0.05), (1, 13, 0.05), (0, 80, 0.05), (5, 20, 0.25), (3, 3, 0.2)):
        values = np.arange(n) < hits
        side = "greater" if hits > limit * n else "less"
        oracle = min(1.0, 2 * binomtest(hits, n, limit, alternative=side).pvalue)
        assert share_test(values, singles(n), limit) == pytest.approx(oracle)
    assert share_test(np.ones(30, bool), ["one"] * 30, 0.05) == pytest.approx(0.1)  # copies are one trial
    assert np.isnan(share_test(np.ones(0, bool), [], 0.05))


@pytest.mark.slow
def test_intervals_of_differences_of_hits_hold_the_truth() -> None:
    rng = np.random.default_rng(10)
    held = {"paired": 0, "apart": 0}
    for _ in range(200):
        a, b = (rng.random(25) < 0.9).astype(float), (rng.random(25) < 0.8).astype(float)
        found = paired(a, b, singles(25), within=SHARE)
        held["paired"] += found.low <= 0.1 <= found.high
        kinds = apart(np.r_[a, b], np.arange(50) >= 25, singles(50), within=SHARE)
        held["apart"] += kinds.low <= 0.1 <= kinds.high
    assert min(held.values()) / 200 > 0.92
