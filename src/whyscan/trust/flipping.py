"""Flipping: which superpixels speak for a class in one explanation and against it in another.

Both explanations need the same superpixels. Models of other input sizes have others: `on_regions` carries a map to
the superpixels of another by its mean over each, which is what its picture shows there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer

from whyscan.errors import BadInput
from whyscan.records.attribution import Attribution
from whyscan.trust.thresholds import CLEAR

Places = Mapping[str, Bool[np.ndarray, "h w"]]


@dataclass(frozen=True, eq=False)
class Turned:
    """Two explanations on the same superpixels.

    Attributes:
        labels: (h, w) the superpixels on the scan's grid, -1 outside the game.
        area: (s,) pixels of each.
        first, second: (s,) their weights.
        clear: (s,) whether both weights have a clear sign.
    """

    labels: Integer[np.ndarray, "h w"]
    area: Float64[np.ndarray, " s"]
    first: Float64[np.ndarray, " s"]
    second: Float64[np.ndarray, " s"]
    clear: Bool[np.ndarray, " s"]

    @property
    def lost(self) -> Bool[np.ndarray, " s"]:
        """From positive to negative."""
        return np.asarray(self.clear & (self.first > 0) & (self.second < 0))

    @property
    def gained(self) -> Bool[np.ndarray, " s"]:
        """From negative to positive."""
        return np.asarray(self.clear & (self.first < 0) & (self.second > 0))


def turned(first: Attribution, second: Attribution, target: str, other: str = "") -> Turned:
    """Lay two explanations of one scan side by side.

    Args:
        target: what the first explains, and the second unless `other` is given.
        other: another target of the second: between two classes, first and second may be the same attribution.

    Raises:
        BadInput: they are of different scans, or no superpixel method.
        BadTarget: no such target.
    """
    if first.scan != second.scan or first.geometry.scan != second.geometry.scan:
        raise BadInput("explanations of two scans", "of one scan", "explain the same scan twice")
    if first.segments is None or second.segments is None:
        raise BadInput("an explanation without superpixels", "LIME, SHAP or occlusion", "choose another method")
    same = first.segments.shape == second.segments.shape and np.array_equal(first.segments, second.segments)
    if not same or first.geometry != second.geometry:
        second = on_regions(second, first)
    labels = first.geometry.labels_to_scan(first.segments)
    rows = first.index(target), second.index(other or target)
    weights = [_weights(each, row) for each, row in zip((first, second), rows, strict=True)]
    count = len(weights[0])
    area = np.bincount(labels[labels >= 0].ravel(), minlength=count).astype(float)
    clear = _clear(first, rows[0]) & _clear(second, rows[1])
    return Turned(labels, area, weights[0], weights[1], clear)


def on_regions(attribution: Attribution, like: Attribution) -> Attribution:
    """The same explanation on another one's superpixels: each gets the mean of what the picture shows there.

    Intervals are lost: those of means of dependent weights are not known.
    """
    if like.segments is None:
        raise BadInput("nothing to cut by", "an explanation with superpixels", "choose another method")
    labels = like.geometry.labels_to_scan(like.segments)
    inside = labels >= 0
    count = int(like.segments.max()) + 1
    area = np.maximum(np.bincount(labels[inside], minlength=count), 1)
    sums = [np.bincount(labels[inside], each[inside], minlength=count) for each in attribution.values.astype(float)]
    weights = (np.array(sums) / area).astype(np.float32)
    return replace(
        attribution, geometry=like.geometry, maps=None, segments=like.segments, weights=weights, intervals=None
    )


def flip_row(found: Turned, places: Places | None = None) -> dict[str, Any]:
    """What a table of flips holds of one pair: shares of the clearly signed area, and of each place's.

    Args:
        places: parts of the scan by name ("tumour", "brain"), on its own grid.

    Returns:
        lost, gained: shares of the clear area that turned to negative, or to positive; None where nothing is clear.
        clear: the clear area's share of the game. correlation: of the weights, over superpixels.
        places: by name, the share of the place's clear area that was lost.
    """
    total = float((found.area * found.clear).sum())
    whole = float(found.area.sum())
    return {
        "lost": None if total == 0 else float((found.area * found.lost).sum()) / total,
        "gained": None if total == 0 else float((found.area * found.gained).sum()) / total,
        "clear": total / whole if whole else 0.0,
        "correlation": _correlation(found.first, found.second, found.area),
        "places": {name: _lost_in(found, mask) for name, mask in (places or {}).items()},
    }


def _lost_in(found: Turned, mask: Bool[np.ndarray, "h w"]) -> float | None:
    if mask.shape != found.labels.shape:
        return None
    inside = found.labels[mask & (found.labels >= 0)]
    here = np.bincount(inside, minlength=len(found.area)).astype(float)
    clear = float((here * found.clear).sum())
    return float((here * found.lost).sum()) / clear if clear else None


def _weights(attribution: Attribution, row: int) -> Float64[np.ndarray, " s"]:
    assert attribution.weights is not None
    return np.asarray(attribution.weights[row], float)


def _clear(attribution: Attribution, row: int) -> Bool[np.ndarray, " s"]:
    weights = np.abs(_weights(attribution, row))
    if attribution.intervals is not None and np.isfinite(attribution.intervals[row]).all():
        low, high = attribution.intervals[row, :, 0], attribution.intervals[row, :, 1]
        return np.asarray((low > 0) | (high < 0))
    largest = float(weights.max()) if weights.size else 0.0
    return np.asarray((weights >= CLEAR.value * largest) & (weights > 0))


def _correlation(a: np.ndarray, b: np.ndarray, area: np.ndarray) -> float | None:
    """Pearson's, each superpixel weighted by its area; None where one is flat."""
    if not area.sum():
        return None
    a, b = a - np.average(a, weights=area), b - np.average(b, weights=area)
    size = float(np.sqrt((area * a * a).sum() * (area * b * b).sum()))
    return float((area * a * b).sum()) / size if size > 1e-12 else None
