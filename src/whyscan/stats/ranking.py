"""Ranking: can a score tell which predictions are wrong, and does a second one add to the first?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.stats.intervals import (
    Interval,
    bonett_price,
    collapsed,
    group_index,
    hull,
    percentile,
    resample,
    uncertain,
)
from whyscan.stats.scores import area

DRAWS = 1000
RIDGE = 1.0
FOLDS = 5


class Ranking(NamedTuple):
    """An AUROC, or a difference of two, with its 95 % interval; NaN where a side is missing."""

    value: float
    low: float
    high: float


def ranking(
    positive: Bool[np.ndarray, " n"], score: Float64[np.ndarray, " n"], groups: Sequence[str], *, seed: int = 0
) -> Ranking:
    """AUROC of a score, by group; a perfect one gets Wilson's interval on the rarer side's groups."""
    draws = resample(
        lambda weights: area(positive, score, weights), groups, draws=DRAWS, rng=np.random.default_rng(seed)
    )
    fewest = rarer(positive, groups)
    interval = uncertain(percentile(draws), fewest) if fewest else percentile(draws)
    return Ranking(float(area(positive, score)), *interval)


def gain(
    positive: Bool[np.ndarray, " n"],
    score: Float64[np.ndarray, " n"],
    other: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    seed: int = 0,
) -> Ranking:
    """AUROC of `score` less that of `other`, on the same draws; where none of them differs, Bonett and Price's interval
    on the rarer side's groups: so many disjoint pairs were ranked alike."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.asarray(area(positive, score, weights) - area(positive, other, weights))

    value = float(area(positive, score) - area(positive, other))
    drawn = percentile(resample(statistic, groups, draws=DRAWS, rng=np.random.default_rng(seed)))
    fewest = rarer(positive, groups)
    if collapsed(drawn) and fewest:
        drawn = hull(drawn, bonett_price(max(value, 0.0) * fewest, max(-value, 0.0) * fewest, fewest))
    return Ranking(value, *hull(drawn, Interval(value, value)))


def rarer(positive: np.ndarray, groups: Sequence[str]) -> int:
    """Groups of the positives, or of the rest, whichever are fewer."""
    _, index = group_index(groups)
    return min(np.unique(index[positive]).size, np.unique(index[~positive]).size)


def logistic(
    features: Float64[np.ndarray, "n d"], positive: Bool[np.ndarray, " n"], *, ridge: float = RIDGE
) -> Float64[np.ndarray, " d1"]:
    """Weights of a ridge logistic regression, the intercept (not penalised) last, by Newton's method.

    It minimises the summed cross-entropy + ridge / 2 x squared weights.
    """
    design = np.column_stack([features, np.ones(len(features))])
    penalty = np.diag([ridge] * features.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    truth = positive.astype(float)
    share = (truth.sum() + 0.5) / (truth.size + 1)
    weights[-1] = np.log(share / (1 - share))
    for _ in range(100):
        chance = _sigmoid(design @ weights)
        slope = design.T @ (chance - truth) + penalty @ weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        bend[-1, -1] += 1e-9  # all of one kind: the intercept alone has no minimum
        step = np.linalg.solve(bend, slope)
        weights -= step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return weights


def held_out(
    features: Float64[np.ndarray, "n d"],
    positive: Bool[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    seed: int = 0,
    folds: int = FOLDS,
) -> Float64[np.ndarray, " n"]:
    """For each scan the log-odds from a logistic regression that was fitted without its group.

    Features are brought to mean 0 and spread 1 on the scans that the fit sees. A NaN takes their mean.
    """
    of = fold_of(positive, groups, folds, np.random.default_rng(seed))
    told = np.zeros(len(positive))
    for fold in range(folds):
        rows = of == fold
        if not rows.any():
            continue
        seen = features[~rows]
        with np.errstate(invalid="ignore"):
            known = np.isfinite(seen)
            mean = np.where(known, seen, 0).sum(0) / np.maximum(known.sum(0), 1)
            spread = np.sqrt(np.where(known, (seen - mean) ** 2, 0).sum(0) / np.maximum(known.sum(0), 1))
        scaled = np.where(np.isfinite(features), features - mean, 0) / np.where(spread > 1e-12, spread, 1)
        weights = logistic(scaled[~rows], positive[~rows])
        told[rows] = scaled[rows] @ weights[:-1] + weights[-1]
    return told


def fold_of(
    positive: Bool[np.ndarray, " n"], groups: Sequence[str], folds: int, rng: np.random.Generator
) -> Int64[np.ndarray, " n"]:
    """Which fold each scan is in; no group is parted, and groups with a positive are dealt out evenly."""
    count, index = group_index(groups)
    holds = np.bincount(index, positive, minlength=count) > 0
    of = np.empty(count, np.int64)
    start = 0
    for kind in (True, False):
        members = rng.permutation(np.flatnonzero(holds == kind))
        of[members] = (np.arange(members.size) + start) % folds
        start += members.size
    return np.asarray(of[index])


def _sigmoid(value: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -500, 500))))
