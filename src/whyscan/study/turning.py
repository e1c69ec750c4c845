"""Turning: what is kept of a few scans, so that the superpixels that turn can be shown and not only counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from whyscan.data.head import Head
from whyscan.data.scan import Scan
from whyscan.records.attribution import Attribution
from whyscan.records.pictures import shown_at

KEPT = 16
"""Scans of a trust run, from its beginning, whose superpixels are kept. That beginning has the same number of each
class, wrong and right ones in turn; a picture shows a few of them, and has some to choose from."""
SIDE = 264
"""Longer side of the scan that is kept to draw on, in pixels: as it is shown, some 50 to 100 kB a scan with all its
explanations. The superpixels stay on the model's own grid."""


def kept(superpixels: Iterable[Attribution]) -> list[Attribution]:
    """Explanations of one scan by superpixels, small; the scan itself is the same array in all, so is stored once."""
    found: list[Attribution] = []
    cuts: list[np.ndarray] = []
    for attribution in superpixels:
        assert attribution.segments is not None
        small = shown_at(attribution, SIDE)
        first = found[0] if found else small
        cut = next((each for each in cuts if np.array_equal(each, attribution.segments)), attribution.segments)
        cuts.append(cut)
        found.append(replace(small, thumbnail=first.thumbnail, region=first.region, segments=cut))
    return found


def places(scan: Scan, head: Head) -> dict[str, Bool[np.ndarray, "h w"]]:
    """Parts of the scan by name, on its own grid, that do not overlap. What is not known is not among them."""
    found: dict[str, Bool[np.ndarray, "h w"]] = {}
    tumour = np.zeros(scan.pixels.shape[-2:], bool)
    if scan.region is not None and scan.region.any():
        found["tumour"] = tumour = scan.region
    if head.head is not None and head.brain is not None:
        found["brain"] = head.brain & ~tumour
        found["skull and scalp"] = head.head & ~head.brain & ~tumour
    if head.head is not None:
        found["background"] = ~head.head & ~tumour
    return found


def where(attribution: Attribution, parts: Mapping[str, Bool[np.ndarray, "h w"]]) -> dict[str, Any]:
    """Of each superpixel, the share of its area in each part of the scan: where it lies is told without the scan."""
    assert attribution.segments is not None
    labels = attribution.geometry.labels_to_scan(attribution.segments)
    count = int(attribution.segments.max()) + 1
    area = np.maximum(np.bincount(labels[labels >= 0], minlength=count), 1)
    shares = {
        name: np.bincount(labels[part & (labels >= 0)], minlength=count) / area
        for name, part in parts.items()
        if part.shape == labels.shape
    }
    return {
        "model": attribution.model, "method": attribution.method, "content": attribution.scan,
        "places": {name: np.round(share, 3).tolist() for name, share in shares.items()},
    }  # fmt: skip
