"""Flat: a map that prefers no place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-6
"""Of the largest magnitude. A map that is the same everywhere on a layer's grid is not quite so on the scan's."""


def flat(values: Float[np.ndarray, ...]) -> bool:
    """Whether finite values differ by rounding at most."""
    return float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max())
