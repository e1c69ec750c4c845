"""Effect sizes: how large a difference is in units that do not depend on how many scans were looked at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from whyscan.stats.ranks import ranks


def cohen_dz(differences: Float64[np.ndarray, " n"]) -> float:
    """The mean of paired differences in their own standard deviations (Cohen, 1988): 0.2 small, 0.5 medium, 0.8 large.

    NaN with fewer than two, and where all are alike but not 0: no spread, no unit.
    """
    if differences.size < 2:
        return float("nan")
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return 0.0 if abs(mean) <= 1e-12 else float("nan")
    return mean / spread


def rank_biserial(differences: Float64[np.ndarray, " n"]) -> float:
    """Of the ranks of all differences that are not 0, the share with a plus less the share with a minus: -1 to 1.

    Kerby, "The simple difference formula" (2014), for Wilcoxon's matched pairs. NaN where no pair differs.
    """
    some = differences[differences != 0]
    if not some.size:
        return float("nan")
    places = ranks(np.abs(some))
    return float((places * np.sign(some)).sum() / places.sum())


def cliffs_delta(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " m"]) -> float:
    """How much oftener one of `a` lies above one of `b` than below it: -1 to 1 (Cliff, 1993); NaN where one is empty.

    It is 2 x AUROC - 1.
    """
    if not a.size or not b.size:
        return float("nan")
    total = ranks(np.concatenate([a, b]))[: a.size].sum()
    return float(2 * (total - a.size * (a.size + 1) / 2) / (a.size * b.size) - 1)
