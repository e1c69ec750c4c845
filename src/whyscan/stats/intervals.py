"""Intervals: how far a figure might have come out otherwise, had other patients been scanned.

Scans of one duplicate group or patient move together: groups are drawn, never rows. A bootstrap only reshuffles
what was seen, so it collapses where no group (or hardly any) went wrong; there the score intervals for counts
(Wilson; Bonett and Price) take part, and no interval has zero width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

LEVEL = 0.95
FEW = 10
"""With fewer groups than this on one side of a count, the bootstrap is not trusted alone."""
CELLS = 2_000_000
"""How many weights are held at once: 16 MB."""


class Interval(NamedTuple):
    """Both ends are NaN where there is nothing to say."""

    low: float
    high: float


Statistic = Callable[[Float64[np.ndarray, "draws n"]], Float64[np.ndarray, "draws ..."]]
"""Row weights -> one value, or one row of values, for each draw."""

UNKNOWN = Interval(float("nan"), float("nan"))


def group_index(groups: Sequence[str]) -> tuple[int, Int64[np.ndarray, " n"]]:
    """How many groups there are, and the number of each row's group."""
    names, index = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    return names.size, index.astype(np.int64)


def effective(groups: Sequence[str]) -> float:
    """How many groups of one size would know as much, if the scans of a group were all alike (Kish, 1965).

    With groups of one size it is their number; one large group among small ones counts little more than itself.
    """
    _, index = group_index(groups)
    sizes = np.bincount(index).astype(float)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if sizes.size else 0.0


def group_weights(
    groups: Sequence[str], draws: int, rng: np.random.Generator
) -> Iterator[Float64[np.ndarray, "some n"]]:
    """Draw as many groups as there are, with replacement: how often each row was drawn, some draws at a time."""
    count, index = group_index(groups)
    some = max(1, CELLS // max(index.size, 1))
    for first in range(0, draws, some):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(some, draws - first))
        yield drawn[:, index].astype(np.float64)


def resample(
    statistic: Statistic, groups: Sequence[str], *, draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "draws ..."]:
    """The statistic of each bootstrap sample of the groups (Efron; by cluster: Davison and Hinkley, 1997, 3.8)."""
    return np.concatenate([statistic(weights) for weights in group_weights(groups, draws, rng)])


def resample_mean(
    values: Float64[np.ndarray, " n"], groups: Sequence[str], *, draws: int = 2000, rng: np.random.Generator
) -> Float64[np.ndarray, " draws"]:
    """The mean of each bootstrap sample of the groups."""
    return resample(lambda weights: weights @ values / weights.sum(axis=1), groups, draws=draws, rng=rng)


def percentile(values: Float64[np.ndarray, " draws"], level: float = LEVEL) -> Interval:
    """The middle `level` of the draws. Draws that could not be measured (a rare class was not drawn) are left out."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return UNKNOWN
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def reflected(value: float, values: Float64[np.ndarray, " draws"], level: float = LEVEL) -> Interval:
    """The basic bootstrap interval, for figures >= 0 that small samples bias upwards, such as ECE.

    A draw is biased against the figure as the figure is against the truth, so the draws are mirrored at the figure
    (Davison and Hinkley, 1997, 5.2). It is widened to hold the figure itself and cut at 0.
    """
    low, high = percentile(values, level)
    return Interval(max(0.0, min(value, 2 * value - high)), max(value, 2 * value - low))


def wilson(share: float, n: float, level: float = LEVEL) -> Interval:
    """The score interval of a proportion of n independent trials (Wilson, 1927): never empty, never outside 0..1."""
    if n <= 0:
        return UNKNOWN
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # at the very edge the end is the share itself; rounding must not push it off
    return Interval(max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


def bonett_price(up: float, down: float, n: float, level: float = LEVEL) -> Interval:
    """The interval of a difference of paired proportions: `up` of n units gained, `down` lost.

    Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data" (2012): one unit is added to each count, so that it has width even where nothing differs.
    """
    if n <= 0:
        return UNKNOWN
    z = NormalDist().inv_cdf((1 + level) / 2)
    gained, lost = (up + 1) / (n + 2), (down + 1) / (n + 2)
    half = z * ((gained + lost - (gained - lost) ** 2) / (n + 2)) ** 0.5
    return Interval(max(-1.0, gained - lost - half), min(1.0, gained - lost + half))


def newcombe(share: float, n: float, other: float, m: float, level: float = LEVEL) -> Interval:
    """The interval of a difference of two independent proportions, `share` of n less `other` of m.

    Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10: made of both
    sides' Wilson intervals, so that it has width even where no unit, or every one, is a hit.
    """
    if n <= 0 or m <= 0:
        return UNKNOWN
    (low, high), (other_low, other_high) = wilson(share, n, level), wilson(other, m, level)
    gap = share - other
    return Interval(
        max(-1.0, gap - ((share - low) ** 2 + (other_high - other) ** 2) ** 0.5),
        min(1.0, gap + ((high - share) ** 2 + (other - other_low) ** 2) ** 0.5),
    )


def hull(*parts: Interval) -> Interval:
    """The smallest interval that holds all of them; what is unknown is left out."""
    known = [part for part in parts if not np.isnan(part.low)]
    if not known:
        return UNKNOWN
    return Interval(min(part.low for part in known), max(part.high for part in known))


def proportion(
    hits: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    values: Float64[np.ndarray, " draws"],
    level: float = LEVEL,
    *,
    n: float | None = None,
) -> Interval:
    """The interval of a share of hits: the bootstrap, widened by Wilson's where it cannot be trusted alone.

    That is where fewer than `FEW` groups hold a miss, or a hit. Wilson's then counts a group as one trial, which is
    too careful where the scans of a group are not all alike, and never too bold.

    Args:
        values: the bootstrap draws of the share.
        n: how many trials Wilson's interval counts, if not the groups: see `effective`.
    """
    count, index = group_index(groups)
    if count == 0:
        return UNKNOWN
    missing = np.unique(index[hits < 1]).size
    hitting = np.unique(index[hits > 0]).size
    drawn = percentile(values, level)
    return drawn if min(missing, hitting) >= FEW else hull(drawn, wilson(float(hits.mean()), n or count, level))


def uncertain(drawn: Interval, n: int, level: float = LEVEL) -> Interval:
    """Give width to the interval of a score in 0..1 whose draws were all the same (a perfect AUROC, say).

    Args:
        n: how many independent trials the score rests on at least: for an AUROC the groups of the class or of the
            rest, whichever are fewer. So many disjoint pairs were all ranked right, which Wilson's interval covers.
    """
    return hull(drawn, wilson(drawn.low, n, level)) if collapsed(drawn) else drawn


def collapsed(interval: Interval) -> bool:
    """Whether all draws were the same, but for rounding: they then say nothing about other scans."""
    return interval.high - interval.low <= 1e-9


def unseen(value: float, n: int, ends: tuple[float, float], level: float = LEVEL) -> Interval:
    """The interval of a mean where all of n groups show the same value.

    Of a share q = 1 - (alpha / 2)^(1/n) of others one would be expected to have seen one (the exact limit of a
    proportion after no hit in n: Clopper and Pearson, 1934), and these others may lie at either end.

    Args:
        ends: the least and the greatest value that there can be; without them nothing is known.
    """
    if n < 1 or not np.isfinite(ends).all():
        return UNKNOWN
    others = 1 - ((1 - level) / 2) ** (1 / n)
    low, high = ((1 - others) * value + others * end for end in ends)
    return Interval(low, high)


def paired_difference(
    differences: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    values: Float64[np.ndarray, " draws"],
    level: float = LEVEL,
    *,
    n: float | None = None,
) -> Interval:
    """The interval of a mean of paired differences in -1..1: the bootstrap, widened where few groups differ at all.

    Args:
        differences: one model's hits less the other's, on the same scans.
        values: the bootstrap draws of their mean.
        n: how many pairs the score interval counts, if not the groups: see `effective`.
    """
    count, index = group_index(groups)
    sums = np.bincount(index, differences, minlength=count)
    drawn = percentile(values, level)
    if np.count_nonzero(sums) >= FEW and drawn.low < drawn.high:  # all alike: nothing to reshuffle
        return drawn
    units = n or count
    per_unit = units / max(differences.size, 1)
    up, down = sums[sums > 0].sum() * per_unit, -sums[sums < 0].sum() * per_unit
    return hull(drawn, bonett_price(float(up), float(down), units, level))
