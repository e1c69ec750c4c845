"""Tests: could the difference of two models on the same scans, or of two kinds of scans, be chance?

They are exact where the patterns can be counted: no seed, and the same p-value on every machine. `flip_test` and
`shuffle_test`, of values that are not whole numbers, draw patterns where there are too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import betainc

from whyscan.stats.intervals import CELLS, effective, group_index


def mcnemar(right_a: Bool[np.ndarray, " n"], right_b: Bool[np.ndarray, " n"]) -> float:
    """The exact two-sided McNemar test: of the scans that only one model got right, are half each one's?

    It takes scans for independent; where they come in groups, `sign_flip` is the honest one.
    """
    only_a = int(np.count_nonzero(right_a & ~right_b))
    only_b = int(np.count_nonzero(right_b & ~right_a))
    n = only_a + only_b
    tail = sum(comb(n, i) for i in range(min(only_a, only_b) + 1))
    return float(min(1.0, 2 * tail / 2**n))


def sign_flip(differences: Int64[np.ndarray, " n"], groups: Sequence[str]) -> float:
    """The exact paired permutation test by group: had the models swapped names in any group, how often would the
    difference have been at least as large?

    Args:
        differences: whole numbers, model a's figure less model b's on each scan; summed within each group. With
            hits (-1, 0, 1) and every scan its own group this is McNemar's exact test.

    All 2^groups sign patterns are counted by convolution: after each group the distribution of the sum of the
    magnitudes that kept a plus sign (Pagano and Tritchler, 1983).
    """
    count, index = group_index(groups)
    sums = np.rint(np.bincount(index, differences, minlength=count)).astype(np.int64)
    sizes = np.abs(sums[sums != 0])
    total = int(sizes.sum())
    share = np.zeros(total + 1)
    share[0] = 1.0
    for size in sizes:
        moved = np.zeros_like(share)
        moved[size:] = share[:-size]
        share = (share + moved) / 2
    reached = np.abs(2 * np.arange(total + 1) - total) >= abs(int(sums.sum()))
    return float(min(1.0, share[reached].sum()))


EXACT = 14
"""Up to so many groups all 2^14 sign patterns are counted; beyond, patterns are drawn."""
PATTERNS = 20_000
"""Up to so many ways to divide the groups all are counted."""
DRAWS = 10_000


def flip_test(
    differences: Float64[np.ndarray, " n"], groups: Sequence[str], *, rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """The paired permutation test by group for real values: had the two swapped names in any group, how often would
    the sum of differences have been at least as large?

    Exact for `EXACT` groups that differ, or fewer. Otherwise patterns are drawn, and the one that was observed counts
    among them, so that the p-value is never 0 (Phipson and Smyth, 2010).
    """
    count, index = group_index(groups)
    sums = np.bincount(index, differences, minlength=count)
    sums = sums[sums != 0]
    reached = abs(sums.sum()) * (1 - 1e-9)
    if sums.size <= EXACT:
        signs = 1 - 2 * (np.arange(2**sums.size)[:, None] >> np.arange(sums.size) & 1)
        return float((np.abs(signs @ sums) >= reached).mean())
    hits = 0
    for some in _portions(draws, sums.size):
        signs = rng.integers(0, 2, (some, sums.size)) * 2 - 1
        hits += int((np.abs(signs @ sums) >= reached).sum())
    return (1 + hits) / (1 + draws)


def shuffle_test(
    values: Float64[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> float:
    """The permutation test of two kinds of scans, by group: had the kinds been dealt out otherwise, how often would
    the difference of their means have been at least as large?

    What is dealt is a group. Of a group with scans of both kinds each part is dealt on its own, which is careful:
    its parts are more alike than chance deals them. NaN where a kind has no scan.
    """
    pairs = [f"{group}\0{int(kind)}" for group, kind in zip(groups, second, strict=True)]
    names, index = np.unique(np.asarray(pairs, np.str_), return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index).astype(float)
    kind = np.array([name.endswith("1") for name in names])
    take = int(kind.sum())
    if not 0 < take < names.size:
        return float("nan")

    def difference(drawn: np.ndarray) -> np.ndarray:
        inside, size = drawn @ sums, drawn @ counts
        return np.asarray(np.abs(inside / size - (sums.sum() - inside) / (counts.sum() - size)))

    reached = float(difference(kind.astype(float)[None])[0]) * (1 - 1e-9)
    if comb(names.size, take) <= PATTERNS:
        every = np.zeros((comb(names.size, take), names.size))
        for row, chosen in zip(every, combinations(range(names.size), take), strict=True):
            row[list(chosen)] = 1
        return float((difference(every) >= reached).mean())
    hits = 0
    for some in _portions(draws, names.size):
        order = rng.permuted(np.tile(kind.astype(float), (some, 1)), axis=1)
        hits += int((difference(order) >= reached).sum())
    return (1 + hits) / (1 + draws)


def share_test(hits: Bool[np.ndarray, " n"], groups: Sequence[str], limit: float) -> float:
    """The exact binomial test of a share of hits against a limit, two-sided: were it the limit, how often would the
    share lie as far on this side of it? Twice the tail, at most 1.

    A group is one trial; groups of unequal size count as `intervals.effective` of them, and with a number of trials
    that is not whole the binomial's tail is the incomplete beta function that it always equals. NaN without scans.
    """
    trials = effective(groups)
    if not trials:
        return float("nan")
    count = float(np.mean(hits)) * trials
    if count > limit * trials:
        tail = float(betainc(count, trials - count + 1, limit))
    else:
        tail = float(betainc(trials - count, count + 1, 1 - limit)) if count < trials else 1.0
    return min(1.0, 2 * tail)


def _portions(draws: int, width: int) -> list[int]:
    """How many patterns to hold at once: 16 MB of them."""
    some = max(1, CELLS // max(width, 1))
    return [min(some, draws - first) for first in range(0, draws, some)]


def benjamini_hochberg(p: Sequence[float]) -> Float64[np.ndarray, " m"]:
    """p-values corrected for their number, step up (Benjamini and Hochberg, 1995): of those below 0.05, at most 5 %
    are false alarms on average. For screening many figures; what a verdict rests on is corrected by `holm`."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")[::-1]
    stepped = np.minimum.accumulate(values[order] * values.size / np.arange(values.size, 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def holm(p: Sequence[float]) -> Float64[np.ndarray, " m"]:
    """p-values corrected for their number, step down (Holm, 1979): rejecting those below 0.05 keeps the chance of any
    false alarm in the family below 0.05."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
