"""Attribution energy in a known lesion: does the explanation lie where the disease is?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.records.evidence import Evidence


def energy_in_region(values: Float32[np.ndarray, "h w"], region: Bool[np.ndarray, "h w"] | None) -> Evidence:
    """Share of the positive attribution that lies inside a known region, from 0 to 1.

    Low means that the target is argued for by other places; compare it with `chance`, the share that a map without
    any preference would have. It is not measured where there is no region, or nothing positive to share out.
    """
    missing = _missing(region, values.shape)
    if missing is not None:
        return missing
    if not np.isfinite(values).all():
        return Evidence.failed("the map holds NaN or infinity")
    positive = np.clip(values.astype(float), 0, None)
    total = float(positive.sum())
    if total == 0:
        return Evidence.skipped("the map has no positive values")
    return Evidence(float(positive[region].sum()) / total, n=1)


def chance(region: Bool[np.ndarray, "h w"] | None) -> Evidence:
    """The region's share of the image: what `energy_in_region` is for a map that is the same everywhere."""
    missing = _missing(region, None if region is None else region.shape)
    if missing is not None:
        return missing
    assert region is not None
    return Evidence(float(region.mean()), n=1)


def _missing(region: Bool[np.ndarray, "h w"] | None, shape: tuple[int, ...] | None) -> Evidence | None:
    if region is None:
        return Evidence.skipped("no region is known for this scan")
    if region.shape != shape:
        return Evidence.failed(f"the region has shape {region.shape} and the map {shape}")
    if not region.any():
        return Evidence.skipped("the region is empty")
    return None
