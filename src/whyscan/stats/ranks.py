"""Ranks, ties at their mean, and their correlation.

scipy.stats takes half a second to import, a fifth of the time until a command begins: only those who rank wait.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Shaped


def ranks(values: Shaped[np.ndarray, " *n"], axis: int | None = None) -> Float64[np.ndarray, " *n"]:
    """1 for the least; along an axis, or of all values together, which are then given in a row."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=axis), np.float64)


def rank_correlation(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"]) -> float:
    """Spearman's, -1 to 1; both must vary."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])
