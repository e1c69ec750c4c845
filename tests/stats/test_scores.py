"""Scores against scikit-learn, against numbers worked out by hand, and against repeating rows instead of weighting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from whyscan.stats import scores

KERNELS: list[Callable[..., np.ndarray]] = [
    scores.accuracy,
    scores.log_loss,
    scores.brier,
    scores.recall,
    scores.macro_f1,
    scores.auroc,
    scores.calibration_error,
]


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with every class present, probabilities with ties, whole weights that leave no class out."""
    k = draw(st.integers(2, 5))
    n = draw(st.integers(2 * k, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.permutation(np.r_[np.arange(k), rng.integers(0, k, n - k)])
    raw = np.round(rng.random((n, k)), 1) + 0.05
    weights = rng.integers(0, 4, n).astype(np.float64)
    weights[[int(np.flatnonzero(labels == c)[0]) for c in range(k)]] += 1
    return labels, raw / raw.sum(axis=1, keepdims=True), weights


@given(judged())
@settings(max_examples=60, deadline=None)
def test_scores_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, p, weights = case
    k, predicted = p.shape[1], p.argmax(axis=1)
    each = list(range(k))
    options = {"sample_weight": weights}
    assert scores.accuracy(labels, p, weights) == pytest.approx(metrics.accuracy_score(labels, predicted, **options))
    assert scores.log_loss(labels, p, weights) == pytest.approx(metrics.log_loss(labels, p, labels=each, **options))
    f1 = metrics.f1_score(labels, predicted, labels=each, average="macro", zero_division=0, **options)
    assert scores.macro_f1(labels, p, weights) == pytest.approx(f1)
    recalls = metrics.recall_score(labels, predicted, labels=each, average=None, zero_division=0, **options)
    assert scores.recall(labels, p, weights) == pytest.approx(recalls)
    areas = [metrics.roc_auc_score(labels == c, p[:, c], **options) for c in each]
    assert scores.auroc(labels, p, weights) == pytest.approx(areas)
    squares = [np.average(((labels == c) - p[:, c]) ** 2, weights=weights) for c in each]
    assert scores.brier(labels, p, weights) == pytest.approx(sum(squares))
    assert scores.confusion(labels, p).tolist() == metrics.confusion_matrix(labels, predicted, labels=each).tolist()


@given(judged())
@settings(max_examples=30, deadline=None)
def test_a_weight_of_two_is_the_scan_twice(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, p, weights = case
    rows = np.repeat(np.arange(labels.size), weights.astype(int))
    matrix = np.stack([weights, np.ones(labels.size)])
    for kernel in KERNELS:
        both = kernel(labels, p, matrix)
        assert both.shape[0] == 2
        np.testing.assert_allclose(both[0], kernel(labels[rows], p[rows]), err_msg=kernel.__name__)
        np.testing.assert_allclose(both[1], kernel(labels, p), err_msg=kernel.__name__)


def test_auroc_counts_a_tie_as_one_half() -> None:
    labels = np.array([1, 1, 0, 0])
    score = np.array([0.8, 0.5, 0.5, 0.2])
    # pairs (0.8, 0.5) and (0.8, 0.2) and (0.5, 0.2) are right, (0.5, 0.5) is a tie: 3.5 of 4
    assert scores.auroc(labels, np.stack([1 - score, score], axis=1)).tolist() == [0.875, 0.875]


def test_a_class_without_scans_is_not_measured_rather_than_zero() -> None:
    labels = np.array([0, 0, 1])
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    np.testing.assert_array_equal(scores.recall(labels, p), [0.5, 1.0, np.nan])
    np.testing.assert_array_equal(scores.auroc(labels, p), [1.0, 1.0, np.nan])
    assert np.isnan(scores.macro_f1(labels, p))
    assert scores.accuracy(labels, p) == pytest.approx(2 / 3)


def test_auroc_of_a_single_class_is_not_measured() -> None:
    assert np.isnan(scores.auroc(np.zeros(3, np.int64), np.full((3, 2), 0.5))).all()


def test_calibration_by_hand() -> None:
    # four scans at confidence 0.9, three of them right; two at 0.6, both right
    p = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert scores.calibration_error(labels, p) == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
    confidence, right, count = scores.reliability(labels, p)
    assert confidence == pytest.approx([0.6, 0.9])
    assert right == pytest.approx([1.0, 0.75])
    assert count.tolist() == [2, 4]


def test_reliability_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet([0.4] * 4, 500)
    labels = rng.integers(0, 4, 500)
    right, confidence = calibration_curve(p.argmax(axis=1) == labels, p.max(axis=1), n_bins=15)
    ours = scores.reliability(labels, p)
    np.testing.assert_allclose(ours[0], confidence)
    np.testing.assert_allclose(ours[1], right)
    gap = np.abs(ours[0] - ours[1]) @ ours[2] / 500
    assert scores.calibration_error(labels, p) == pytest.approx(gap)


def test_certainty_has_the_best_scores_and_certain_error_a_finite_loss() -> None:
    p = np.eye(3)
    labels = np.arange(3)
    assert scores.accuracy(labels, p) == scores.macro_f1(labels, p) == 1
    assert scores.calibration_error(labels, p) == scores.brier(labels, p) == scores.log_loss(labels, p) == 0
    wrong = scores.log_loss(np.array([1, 2, 0]), p)
    assert wrong == pytest.approx(52 * np.log(2))  # -ln of 2**-52
    assert scores.brier(np.array([1, 2, 0]), p) == 2


def test_nothing_to_judge_is_nan() -> None:
    assert np.isnan(scores.accuracy(np.empty(0, np.int64), np.empty((0, 3))))
