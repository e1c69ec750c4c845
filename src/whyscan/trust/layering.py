"""Layering: how alike a layer's maps are over the scans of one class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from whyscan.records.geometry import resize

SIDE = 8
"""Maps are compared on a grid of this side, so that layers of any grain answer the same question."""


def likeness(
    maps: Sequence[Float[np.ndarray, "h w"]], labels: Sequence[str], groups: Sequence[str]
) -> Float64[np.ndarray, " n"]:
    """For each scan the mean correlation of its map with those of other scans of its class, from other groups.

    Near 1 the layer answers every scan of the class with one picture: a habit of place, or the head's outline. Near 0
    every scan has its own, as tumours have their own places. NaN where the map is flat, or nothing is there to compare.

    Args:
        maps: one layer's map of each scan, of any size.
        labels: the class that each was explained for.
        groups: copies of one scan are alike for no reason: they are not compared.
    """
    small = np.stack([_small(each) for each in maps]) if len(maps) else np.zeros((0, SIDE * SIDE))
    there = np.abs(small).max(axis=1, initial=0) > 0
    alike = small @ small.T
    same = np.equal.outer(np.asarray(labels, np.str_), np.asarray(labels, np.str_))
    apart = np.not_equal.outer(np.asarray(groups, np.str_), np.asarray(groups, np.str_))
    some = same & apart & np.outer(there, there)
    with np.errstate(invalid="ignore"):
        return np.asarray((alike * some).sum(axis=1) / some.sum(axis=1))


def _small(values: Float[np.ndarray, "h w"]) -> Float64[np.ndarray, " s"]:
    """On the small grid, of mean 0 and length 1; zeros where the map is flat or not finite."""
    if not np.isfinite(values).all():
        return np.zeros(SIDE * SIDE)
    small = resize(np.asarray(values, np.float32)[None], (SIDE, SIDE))[0].ravel().astype(float)
    size = float(np.abs(small).max())
    centred = small - small.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length) if length > 1e-6 * max(size, 1e-30) and size > 0 else np.zeros(SIDE * SIDE)
