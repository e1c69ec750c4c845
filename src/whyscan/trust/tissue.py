"""Tissue: how a map's weight is shared out between tumour, the rest of the brain, skull and scalp, and background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.data.head import Head, find_head
from whyscan.data.scan import Scan
from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case, Metric
from whyscan.trust.flat import flat

PARTS = ("tumour", "brain", "border", "background")

Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Tissue:
    """A scan's pixels by what they show. No pixel is in two parts, and where none is None every pixel is in one.

    Attributes:
        parts: by the names of `PARTS`. "border" is what of the head lies around the brain: skull, scalp, and face. A
            tumour is never also brain or border, wherever it lies. None where a part is not known.
        reasons: why a part is None.
    """

    parts: Mapping[str, Mask | None]
    reasons: Mapping[str, str]


def tissue_of(head: Head, region: Mask | None) -> Tissue:
    """Cut a scan into parts.

    Args:
        head: where head and brain are.
        region: the tumour; where it is not known, its pixels are counted as brain.
    """
    brain = None if head.head is None else head.brain
    masks = {
        "brain": brain,
        "border": None if head.head is None or brain is None else head.head & ~brain,
        "background": None if head.head is None else ~head.head,
    }
    apart = {part: mask if mask is None or region is None else mask & ~region for part, mask in masks.items()}
    parts = {"tumour": region, **apart}
    unknown = "no region is known for this scan"
    reasons = {part: unknown if part == "tumour" else head.reason for part, mask in parts.items() if mask is None}
    return Tissue(parts, reasons)


def share(values: Float32[np.ndarray, "h w"], tissue: Tissue, part: str) -> Evidence:
    """The share of a map's weight, of either sign, that lies on one part.

    The shares of all parts that are known add up to 1 where only the tumour, or nothing, is unknown.
    """
    mask = tissue.parts[part]
    if mask is None:
        return Evidence.skipped(tissue.reasons[part])
    if mask.shape != values.shape:
        return Evidence.failed(f"the scan has shape {mask.shape} and the map {values.shape}")
    if not np.isfinite(values).all():
        return Evidence.failed("the map holds NaN or infinity")
    weight = np.abs(values.astype(np.float64))
    if flat(values):
        return Evidence.skipped("the map is the same everywhere")
    return Evidence(float(weight[mask].sum() / weight.sum()), n=1)


def on_tumour(case: Case) -> Evidence:
    """Share of the attribution on the tumour.

    Low means that other places move the model's answer; compare it with the tumour's share of the image.
    """
    return _share(case, "tumour")


def on_brain(case: Case) -> Evidence:
    """Share of the attribution on the brain, without the tumour where that is known.

    High is no fault by itself: a tumour presses on what is around it. High with a low share on the tumour is.
    """
    return _share(case, "brain")


def on_border(case: Case) -> Evidence:
    """Share of the attribution on skull, scalp and face.

    High means that the model may tell scans apart by how they were cut, cropped or stripped.
    """
    return _share(case, "border")


def on_background(case: Case) -> Evidence:
    """Share of the attribution outside the head.

    High means that the model uses what is no part of the patient: marks, frames, noise, the size of the canvas.
    """
    return _share(case, "background")


def _share(case: Case, part: str) -> Evidence:
    region = case.scan.region
    for name, mask in (("region", region), ("head", case.head)):
        if mask is not None and mask.shape != case.scan.shape:
            return Evidence.failed(f"the {name} has shape {mask.shape} and the scan {case.scan.shape}")
    if part == "tumour" and region is not None and not region.any():
        return Evidence.skipped("the region is empty")
    return share(case.values, _tissue(case), part)


def _tissue(case: Case) -> Tissue:
    found = head_of(case.scan)
    if case.head is not None:
        brain = None if found.brain is None else found.brain & case.head
        found = Head(case.head, brain, found.reason)
    return tissue_of(found, case.scan.region)


@lru_cache(maxsize=4)
def head_of(scan: Scan) -> Head:
    """Kept for the scan's next map, metric and model: finding costs more than all of the shares."""
    return find_head(scan)


METRICS: Mapping[str, Metric] = {
    "tissue: tumour": on_tumour,
    "tissue: brain": on_brain,
    "tissue: border": on_border,
    "tissue: background": on_background,
}
"""By the names in the table of a trust run."""
