"""Complexity: on how few pixels does a map rest? It says nothing of whether they are the right ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case
from whyscan.trust.flat import flat

SHARE = 0.9
"""Of the weight, that the effective size has to hold."""


def gini(case: Case) -> Evidence:
    """Gini index of the weight of either sign: 0 where all pixels have the same, near 1 where one has all.

    Low means that the map points at everything (Hurley and Rickard 2009; Chalasani et al. 2020).
    """
    parts = shares(case)
    if isinstance(parts, Evidence):
        return parts
    ordered, count = np.sort(parts), len(parts)
    return Evidence(float(((2 * np.arange(1, count + 1) - count - 1) @ ordered) / count), n=1)


def entropy(case: Case) -> Evidence:
    """Entropy of the weight of either sign over the pixels, as a share of the largest there could be.

    Near 1 means that the weight is everywhere (Bhatt et al. 2020, in nats, not divided).
    """
    parts = shares(case)
    if isinstance(parts, Evidence):
        return parts
    there = parts[parts > 0]
    return Evidence(float(max(0.0, -(there @ np.log(there)) / np.log(len(parts)))), n=1)


def effective_size(case: Case) -> Evidence:
    """Effective size: the smallest share of the pixels that holds 90 % of the weight of either sign.

    High means that no small part of the scan carries the explanation (after Nguyen and Martinez 2020).
    """
    parts = shares(case)
    if isinstance(parts, Evidence):
        return parts
    reached = np.cumsum(np.sort(parts)[::-1])
    return Evidence(float(1 + np.searchsorted(reached, SHARE - 1e-9)) / len(parts), n=1)


def evaluations(case: Case) -> Evidence:
    """Evaluations: how many perturbed scans the explanation took.

    0 for methods that look into the network.
    """
    return Evidence(float(case.attribution.evaluations), n=1)


def shares(case: Case) -> Float64[np.ndarray, " n"] | Evidence:
    """Each pixel's share of the absolute weight, on the scan's grid; or why there is none."""
    values = np.abs(case.values.astype(np.float64)).ravel()
    if not np.isfinite(values).all():
        return Evidence.failed("the map holds NaN or infinity")
    if len(values) < 2 or flat(case.values):
        return Evidence.skipped("every pixel is alike in the map")
    return np.asarray(values / values.sum())
