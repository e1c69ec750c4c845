"""A mean over scans as the record keeps it: with an interval where there are enough of them to have one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whyscan.records.evidence import Evidence
from whyscan.stats.differences import SHARE, Ends, mean_interval


def mean(values: Sequence[float], groups: Sequence[str], *, seed: int, within: Ends = SHARE) -> Evidence:
    """The mean of the scans, and an interval from drawing groups.

    Args:
        groups: each scan's duplicate group or patient.
        within: what a value can be at all.
    """
    if not len(values):
        return Evidence.skipped("no scan on which this can be measured")
    numbers = np.asarray(values, np.float64)
    ends = mean_interval(numbers, groups, rng=np.random.default_rng(seed), within=within)
    low, high = (None if np.isnan(end) else end for end in ends)
    return Evidence(float(numbers.mean()), low, high, len(set(groups)))
