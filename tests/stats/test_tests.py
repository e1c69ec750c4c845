"""Paired tests against scipy, against brute force, and against numbers worked out by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from whyscan.stats import tests


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_mcnemar_is_a_binomial_test_of_the_scans_that_differ(only_a: int, only_b: int, both: int) -> None:
    right_a = np.r_[np.ones(only_a), np.zeros(only_b), np.ones(both)].astype(bool)
    right_b = np.r_[np.zeros(only_a), np.ones(only_b), np.ones(both)].astype(bool)
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert tests.mcnemar(right_a, right_b) == pytest.approx(expected)


def test_mcnemar_by_hand() -> None:
    # 6 against 0: two of the 64 outcomes are as extreme
    assert tests.mcnemar(np.ones(6, bool), np.zeros(6, bool)) == 2 / 64


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(0, 5)), min_size=1, max_size=30))
def test_sign_flip_enumerates_every_pattern(rows: list[tuple[int, int]]) -> None:
    differences = np.array([difference for difference, _ in rows])
    groups = [f"g{group}" for _, group in rows]
    sums = [int(differences[[g == name for g in groups]].sum()) for name in sorted(set(groups))]
    flips = [abs(sum(s * x for s, x in zip(signs, sums, strict=True))) for signs in product((1, -1), repeat=len(sums))]
    expected = np.mean(np.array(flips) >= abs(sum(sums)))
    assert tests.sign_flip(differences, groups) == pytest.approx(expected)


@given(st.integers(0, 30), st.integers(0, 30))
def test_sign_flip_without_groups_is_mcnemar(only_a: int, only_b: int) -> None:
    differences = np.r_[np.ones(only_a, np.int64), -np.ones(only_b, np.int64), 0]
    p = tests.sign_flip(differences, [str(i) for i in range(differences.size)])
    assert p == pytest.approx(tests.mcnemar(differences > 0, differences < 0))


def test_sign_flip_agrees_with_scipy_on_group_sums() -> None:
    rng = np.random.default_rng(5)
    differences = rng.integers(-1, 2, 60)
    groups = [f"g{i // 6}" for i in range(60)]
    sums = differences.reshape(10, 6).sum(axis=1)
    theirs = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf)
    # scipy doubles the smaller tail; the distribution of sign flips is symmetric, so that is the same
    assert tests.sign_flip(differences, groups) == pytest.approx(theirs.pvalue)


def test_duplicates_are_no_evidence() -> None:
    """Ten copies of one scan that only model a gets right: McNemar is fooled, the test by group is not."""
    a, b = np.ones(10, bool), np.zeros(10, bool)
    assert tests.mcnemar(a, b) < 0.01
    assert tests.sign_flip(a.astype(np.int64) - b, ["one"] * 10) == 1


def test_sign_flip_keeps_its_level_under_the_null() -> None:
    rng = np.random.default_rng(6)
    groups = [f"g{i // 4}" for i in range(80)]
    p = [tests.sign_flip(np.repeat(rng.integers(-1, 2, 20), 4), groups) for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) <= 0.07


def test_holm_by_hand() -> None:
    # sorted 0.01 0.02 0.03 0.04, times 4 3 2 1: 0.04 0.06 0.06 0.04, never falling: 0.04 0.06 0.06 0.06
    assert tests.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert tests.holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert tests.holm([0.2]).tolist() == [0.2]
    assert tests.holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_no_correction_and_bonferroni(p: list[float]) -> None:
    corrected = tests.holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
