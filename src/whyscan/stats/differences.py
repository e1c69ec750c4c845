"""Differences: of two things on the same scans, or of two kinds of scans, with interval, test, size and power.

Everything is by group. No p-value leaves this file without its interval. No interval leaves what the values can be at
all, and none has zero width: where all scans are alike the bootstrap has nothing to reshuffle. For shares of hits the
score intervals of counts stand in then (Wilson; Bonett and Price; Newcombe). Of other shares that are the same on every
scan it is known how many can be otherwise without one of them having been seen, which bounds their mean. For values of
another kind there is no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import stdtrit

from whyscan.stats.effects import cliffs_delta, cohen_dz
from whyscan.stats.intervals import (
    LEVEL,
    UNKNOWN,
    Interval,
    collapsed,
    effective,
    group_index,
    hull,
    newcombe,
    paired_difference,
    percentile,
    proportion,
    resample,
    resample_mean,
    unseen,
)
from whyscan.stats.power import smallest_effect
from whyscan.stats.tests import flip_test, shuffle_test

DRAWS = 2000
SMALL = 40
"""With fewer groups the bootstrap's interval is too narrow, and is widened to hold Student's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of means.

    Attributes:
        value: its size, first less second.
        low, high: its 95 % interval; NaN with fewer than two groups.
        p: of the permutation test by group.
        effect: its size in units of its spread, or of ranks.
        measure: which effect: "Cohen's dz" of pairs, "Cliff's delta" of two kinds.
        n: groups; of two kinds those of the first, and `other` those of the second.
        smallest: the standardised effect that so many groups show with 80 % power, in one test.
        spread: the standard deviation of groups: of their mean differences, or within the two kinds. It is the unit in
            which "small" and "medium" are said.
    """

    value: float
    low: float
    high: float
    p: float
    effect: float
    measure: str
    n: int
    other: int | None
    smallest: float
    spread: float = float("nan")


Ends = tuple[float, float]
"""The least and the greatest value that there can be."""
ANY: Ends = (-np.inf, np.inf)
SHARE: Ends = (0.0, 1.0)


def paired(
    a: Float64[np.ndarray, " n"],
    b: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    within: Ends = ANY,
    seed: int = 0,
) -> Difference:
    """`a` less `b`, on the same scans. The effect is taken over the groups' mean differences.

    Args:
        within: what `a` and `b` can be at all; so their difference is no larger than from one end to the other.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    differences = a - b
    if not differences.size:
        return Difference(*(float("nan"),) * 5, "Cohen's dz", 0, None, float("inf"))
    rng = np.random.default_rng(seed)
    hits = within == SHARE and _hits(a) and _hits(b)
    if hits:
        low, high = _of_hits(differences, groups, rng)
    elif within == SHARE and np.ptp(differences) <= 1e-9:
        low, high = unseen(float(differences[0]), group_index(groups)[0], (-1.0, 1.0))
    else:
        most = within[1] - within[0]
        low, high = mean_interval(differences, groups, rng=rng, within=(-most, most))
    means = group_means(differences, groups)
    effect = cohen_dz(means)
    p = flip_test(differences, groups, rng=rng)
    count, _ = group_index(groups)
    return Difference(
        float(differences.mean()), low, high, p, effect, "Cohen's dz", count, None, smallest_effect(count),
        _spread(means),
    )  # fmt: skip


def apart(
    values: Float64[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    within: Ends = ANY,
    seed: int = 0,
) -> Difference:
    """The mean of the first kind of scans less that of the second. A group may hold both: it is drawn as a whole.

    Args:
        within: what a value can be at all.
    """
    values, second = np.asarray(values, np.float64), np.asarray(second, bool)
    names = np.asarray(groups, np.str_)
    n, other = np.unique(names[~second]).size, np.unique(names[second]).size
    if not n or not other:
        return Difference(*(float("nan"),) * 5, "Cliff's delta", n, other, float("inf"))
    rng = np.random.default_rng(seed)

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # a draw without a scan of one kind is left out by `percentile`
            first = weights @ (values * ~second) / (weights @ (~second).astype(float))
            return np.asarray(first - weights @ (values * second) / (weights @ second.astype(float)))

    value = float(values[~second].mean() - values[second].mean())
    interval = percentile(resample(statistic, groups, draws=DRAWS, rng=rng))
    if within == SHARE and (_hits(values) or collapsed(interval)):
        interval = hull(interval, _two_shares(values, second, names))
    elif collapsed(interval):
        interval = UNKNOWN
    elif min(n, other) < SMALL:
        interval = hull(interval, _cut(_welch(values, second, names, value), within[1] - within[0]))
    if min(n, other) < 2:
        interval = UNKNOWN
    firsts, seconds = (group_means(values[rows], list(names[rows])) for rows in (~second, second))
    p = shuffle_test(values, second, groups, rng=rng)
    delta = cliffs_delta(firsts, seconds)
    spread = _spread(firsts, seconds)
    return Difference(value, *interval, p, delta, "Cliff's delta", n, other, smallest_effect(n, other), spread)


def mean_interval(
    values: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    rng: np.random.Generator,
    level: float = LEVEL,
    within: Ends = ANY,
) -> Interval:
    """The interval of a mean: the bootstrap by group, with few groups widened to hold Student's. Unknown below two.

    Shares of hits, where every value is 0 or 1, get the interval of a proportion; for values that are all the same see
    the module's docstring.

    Args:
        within: what such a value can be at all; Student's interval knows of no end and is cut there.
    """
    count, _ = group_index(groups)
    if count < 2:
        return UNKNOWN
    means = resample_mean(values, groups, draws=DRAWS, rng=rng)
    if within == SHARE and _hits(values):
        return proportion(values, groups, means, level, n=effective(groups))
    drawn, mean = percentile(means, level), float(values.mean())
    if collapsed(drawn):
        return unseen(mean, count, within, level) if within == SHARE else UNKNOWN
    if count >= SMALL:
        return drawn
    half = float(stdtrit(count - 1, (1 + level) / 2)) * _error(values, groups)
    return hull(drawn, Interval(max(mean - half, within[0]), min(mean + half, within[1])))


def group_means(values: Float64[np.ndarray, " n"], groups: Sequence[str]) -> Float64[np.ndarray, " g"]:
    """One value a group, in the order of the groups' names."""
    count, index = group_index(groups)
    return np.asarray(np.bincount(index, values, minlength=count) / np.bincount(index, minlength=count))


def _of_hits(differences: np.ndarray, groups: Sequence[str], rng: np.random.Generator) -> Interval:
    """Of a mean difference of hits, or of shares that differ by as much on every scan."""
    if group_index(groups)[0] < 2:
        return UNKNOWN
    means = resample_mean(differences, groups, draws=DRAWS, rng=rng)
    return paired_difference(differences, groups, means, n=effective(groups))


def _two_shares(values: np.ndarray, second: np.ndarray, names: np.ndarray) -> Interval:
    """Newcombe's interval of the first kind's share less the second's."""
    first, other = ((float(values[rows].mean()), effective(list(names[rows]))) for rows in (~second, second))
    return newcombe(*first, *other)


def _hits(values: np.ndarray) -> bool:
    """Whether each value is 0 or 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def _cut(interval: Interval, most: float) -> Interval:
    """A difference's interval, cut at what a difference can be."""
    return Interval(max(interval.low, -most), min(interval.high, most))


def _spread(*parts: np.ndarray) -> float:
    """The standard deviation of groups about their part's own mean: 0 where they are alike but for rounding, NaN where
    there are too few for one."""
    freedom = sum(part.size - 1 for part in parts)
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    found = (squares / freedom) ** 0.5 if freedom else float("nan")
    return 0.0 if found <= 1e-12 else found


def _error(values: np.ndarray, groups: Sequence[str]) -> float:
    """The standard error of a mean over scans that come in groups of unequal size (Cochran, 1977, 9A)."""
    count, index = group_index(groups)
    residuals = np.bincount(index, values - values.mean(), minlength=count)
    return float((count / (count - 1) * (residuals**2).sum()) ** 0.5 / values.size)


def _welch(values: np.ndarray, second: np.ndarray, names: np.ndarray, value: float) -> Interval:
    """Welch's interval, each side's error by group."""
    sides = [(values[rows], list(names[rows])) for rows in (~second, second)]
    counts = [len(set(groups)) for _, groups in sides]
    if min(counts) < 2:
        return UNKNOWN
    squares = [_error(side, groups) ** 2 for side, groups in sides]
    total = sum(squares)
    if total == 0:
        return Interval(value, value)
    freedom = total**2 / sum(square**2 / (count - 1) for square, count in zip(squares, counts, strict=True))
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * total**0.5
    return Interval(value - half, value + half)
