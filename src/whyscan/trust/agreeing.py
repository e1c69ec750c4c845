"""Agreeing: how alike the maps of several methods are on one scan, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from whyscan.explain.consensus import consensus
from whyscan.records.attribution import Attribution


def agreement_row(
    found: Mapping[str, Attribution], target: str, places: Mapping[str, Bool[np.ndarray, "h w"]] | None = None
) -> dict[str, Any]:
    """What a table of agreement holds of one scan and model.

    Maps are brought to common regions (see `explain.consensus`), and ranked there.

    Returns:
        pairs: (method, method, Spearman's correlation over regions) of methods that say something.
        mean: the mean over pairs; None with fewer than two that say something.
        places: by name, the mean share of methods that agree at its pixels.

    Raises:
        BadInput: fewer than two attributions, or of different scans or models.
        BadTarget: the target is missing in one.
    """
    said = consensus(found, target)
    speaks = np.abs(said.strengths[:, 0]).max(axis=1) > 0
    names, matrix = list(found), said.correlations[0]
    pairs = [
        (names[i], names[j], float(matrix[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if speaks[i] and speaks[j]
    ]
    agreed = said.agreement[0]
    inside = {
        name: float(agreed[mask].mean()) if mask.shape == agreed.shape and mask.any() else None
        for name, mask in (places or {}).items()
    }
    mean = float(np.mean([each for _, _, each in pairs])) if pairs else None
    return {"pairs": pairs, "mean": mean, "places": inside}
