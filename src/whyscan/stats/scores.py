"""Scores of a classifier: pure functions of labels, probabilities and, where wanted, row weights.

Every kernel takes `weights` of shape (n,) or (draws, n) and answers with one value for each leading row, so a
bootstrap is nothing but a matrix of weights. What cannot be measured (a class without scans) is NaN, never 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

Labels = Int64[np.ndarray, " n"]
Probabilities = Float64[np.ndarray, "n k"]
Weights = Float64[np.ndarray, "*draws n"]

FEW = 10
"""With fewer scans than this on one side, a score of one class is not measured: two more scans would change it."""
BINS = 15
"""Bins of equal width for calibration, as in Guo et al., "On calibration of modern neural networks" (2017)."""


def accuracy(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d"]:
    """The share of scans whose most probable class is the true one."""
    return _mean(hits(labels, probabilities), weights)


def log_loss(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d"]:
    """Cross-entropy in nats; a probability of 0 for the truth costs 36, not infinity."""
    truth = probabilities[np.arange(labels.size), labels]
    return _mean(-np.log(np.clip(truth, np.finfo(np.float64).eps, 1.0)), weights)


def brier(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d"]:
    """The squared distance of the probabilities from the truth, summed over classes: 0 to 2 (Brier, 1950)."""
    return _mean(np.square(probabilities - _one_hot(labels, probabilities.shape[1])).sum(axis=1), weights)


def recall(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d k"]:
    """The share of each class's scans that were recognised; NaN for a class without scans."""
    found, support, _ = _class_sums(labels, probabilities, weights)
    return _ratio(found, support)


def macro_f1(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d"]:
    """The mean over classes of the harmonic mean of precision and recall; NaN if a class has no scans."""
    found, support, predicted = _class_sums(labels, probabilities, weights)
    f1 = _ratio(2 * found, support + predicted)
    return np.asarray(np.where(support > 0, f1, np.nan).mean(axis=-1), np.float64)


def auroc(labels: Labels, probabilities: Probabilities, weights: Weights | None = None) -> Float64[np.ndarray, "*d k"]:
    """For each class, how often a scan of it gets a higher probability of it than a scan of the rest.

    A tie counts one half. NaN where a class, or the rest, has no scans. The macro figure is the mean over classes.
    """
    weights = _or_ones(weights, labels.size)
    areas = [_area(labels == c, probabilities[:, c], weights) for c in range(probabilities.shape[1])]
    return np.stack(areas, axis=-1)


def area(
    positive: Bool[np.ndarray, " n"], score: Float64[np.ndarray, " n"], weights: Weights | None = None
) -> Float64[np.ndarray, "*d"]:
    """AUROC of any score: how often a positive gets a higher one than a negative; NaN where one of them is missing."""
    return _area(np.asarray(positive), np.asarray(score, np.float64), _or_ones(weights, len(score)))


def _area(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sorted_weights = weights[..., order]
    is_positive = positive[order].astype(np.float64)
    # one column for each distinct score: what is tied is in the same column
    ours = np.add.reduceat(sorted_weights * is_positive, starts, axis=-1)
    rest = np.add.reduceat(sorted_weights * (1 - is_positive), starts, axis=-1)
    below = np.cumsum(rest, axis=-1) - rest / 2
    return _ratio((ours * below).sum(axis=-1), ours.sum(axis=-1) * rest.sum(axis=-1))


def calibration_error(
    labels: Labels, probabilities: Probabilities, weights: Weights | None = None, bins: int = BINS
) -> Float64[np.ndarray, "*d"]:
    """ECE: the mean gap between confidence and accuracy, over bins of the top class's probability.

    It is biased upwards: a perfectly calibrated model with few scans scores above 0.
    """
    weights = _or_ones(weights, labels.size)
    excess = hits(labels, probabilities) - probabilities.max(axis=1)
    gaps = weights @ (_one_hot(_bins(probabilities, bins), bins) * excess[:, None])
    return _ratio(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def reliability(
    labels: Labels, probabilities: Probabilities, bins: int = BINS
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"], Int64[np.ndarray, " b"]]:
    """The reliability curve: mean confidence, accuracy and number of scans of each bin that is not empty."""
    of = _bins(probabilities, bins)
    count = np.bincount(of, minlength=bins)
    confidence = np.bincount(of, probabilities.max(axis=1), minlength=bins)
    right = np.bincount(of, hits(labels, probabilities), minlength=bins)
    some = count > 0
    return confidence[some] / count[some], right[some] / count[some], count[some]


def confusion(labels: Labels, probabilities: Probabilities) -> Int64[np.ndarray, "k k"]:
    """How many scans of each true class (row) were given each predicted class (column)."""
    k = probabilities.shape[1]
    pairs = np.bincount(labels * k + probabilities.argmax(axis=1), minlength=k * k)
    return np.asarray(pairs.reshape(k, k), np.int64)


def hits(labels: Labels, probabilities: Probabilities) -> Float64[np.ndarray, " n"]:
    """1 where the most probable class (the first of several) is the true one, else 0."""
    return np.asarray(labels == probabilities.argmax(axis=1), np.float64)


def _bins(probabilities: np.ndarray, bins: int) -> np.ndarray:
    # closed on the right, as in Guo et al.: a confidence of exactly 1 falls into the last bin
    return np.asarray(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities.max(axis=1)), np.int64)


def _class_sums(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted numbers of scans per class: recognised, present, predicted."""
    k = probabilities.shape[1]
    weights = _or_ones(weights, labels.size)
    truth, predicted = _one_hot(labels, k), _one_hot(probabilities.argmax(axis=1), k)
    return weights @ (truth * predicted), weights @ truth, weights @ predicted


def _one_hot(indices: Int64[np.ndarray, " n"], k: int) -> Float64[np.ndarray, "n k"]:
    return np.asarray(indices[:, None] == np.arange(k), np.float64)


def _or_ones(weights: np.ndarray | None, n: int) -> np.ndarray:
    return np.ones(n) if weights is None else weights


def _mean(values: Float64[np.ndarray, " n"], weights: Weights | None) -> Float64[np.ndarray, "*d"]:
    weights = _or_ones(weights, values.size)
    return _ratio(weights @ values, weights.sum(axis=-1))


def _ratio(above: Shaped[np.ndarray, "*d"], below: Shaped[np.ndarray, "*d"]) -> Float64[np.ndarray, "*d"]:
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    quotient = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient
