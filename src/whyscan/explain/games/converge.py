"""Whether more evaluations would still change what a superpixel map says: its strongest superpixels, in order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from whyscan.explain.games.emulator import Belief

TOP = 5
SETTLED = 0.95
TIE = 0.05
"""Two superpixels whose strengths differ by less than this share of the strongest are a tie to any reader."""
_DRAWS = 400


def agreement(belief: Belief, *, top: int = TOP, seed: int = 0) -> float:
    """The overlap to be expected between the strongest superpixels as believed and as they are, from 0 to 1.

    A superpixel that belongs to one set only still counts where it misses the other's weakest member by less
    than a tie.
    """
    if top >= len(belief.mean) or not np.any(belief.mean):
        return 1.0
    strength = np.abs(belief.mean)
    chosen = np.argsort(-strength, kind="stable")[:top]
    drawn = np.abs(_draws(belief, seed))
    threshold = np.partition(drawn, -top, axis=1)[:, -top] - TIE * drawn.max(1)
    return float((drawn[:, chosen] >= threshold[:, None]).mean())


def simultaneous(belief: Belief, seed: int = 0) -> float:
    """The factor by which each 95 % interval is to be widened so that all hold together 95 % of the time."""
    deviation = belief.deviation
    moving = deviation > 0
    if not moving.any():
        return 1.0
    away = np.abs(_draws(belief, seed) - belief.mean)[:, moving] / deviation[moving]
    return max(1.0, float(np.quantile(away.max(1), 0.95)) / 1.96)


def _draws(belief: Belief, seed: int) -> Float64[np.ndarray, "d s"]:
    values, vectors = np.linalg.eigh(belief.covariance)
    root = vectors * np.sqrt(values.clip(0))
    return np.asarray(belief.mean + np.random.default_rng(seed).standard_normal((_DRAWS, len(values))) @ root.T)
