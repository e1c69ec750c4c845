"""Tests: could the difference of two models on the same scans be chance?

Both are exact: they enumerate, so they need no seed, and a p-value is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.stats.intervals import group_index


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


def holm(p: Sequence[float]) -> Float64[np.ndarray, " m"]:
    """p-values corrected for their number, step down (Holm, 1979): rejecting those below 0.05 keeps the chance of any
    false alarm in the family below 0.05."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
