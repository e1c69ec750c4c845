"""Condition: is the map there at all, did its method converge, and does it tell classes apart? Metrics of a case."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from whyscan.records.evidence import Evidence
from whyscan.stats.ranks import ranks
from whyscan.trust import names
from whyscan.trust.case import Case, Metric
from whyscan.trust.flat import flat


def blank(case: Case) -> Evidence:
    """Blank: 1 where the map is 0 everywhere, or holds what is no number.

    The reason is the diagnosis that the method gave. A blank map argues for nothing.
    """
    values = case.values
    if not np.isfinite(values).all():
        return Evidence(1.0, n=1, reason="the map holds NaN or infinity")
    if np.any(values):
        return Evidence(0.0, n=1)
    told = case.attribution.diagnosis
    return Evidence(1.0, n=1, reason=told[case.attribution.index(case.target)] if told else "0 everywhere")


def constant(case: Case) -> Evidence:
    """Constant: 1 where the map has one value everywhere that is not 0. It points nowhere."""
    values = case.values
    if not np.isfinite(values).all() or not np.any(values):
        return Evidence(0.0, n=1)
    return Evidence(float(flat(values)), n=1)


def converged(case: Case) -> Evidence:
    """Converged: 1 where the estimate's ranking settled within its evaluations, 0 where it did not."""
    if case.attribution.converged is None:
        return Evidence.skipped("the method does not estimate by sampling")
    return Evidence(float(case.attribution.converged), n=1)


def class_discriminativeness(case: Case) -> Evidence:
    """How differently the maps of different classes rank the pixels: 1 less the mean rank correlation, 0 to 2.

    Near 0 the map is the same whatever class it is asked for: it shows the scan, or one feature, and no argument for
    this class.
    """
    maps = [each.ravel() for each in case.attribution.grid if np.isfinite(each).all() and not flat(each)]
    if len(maps) < 2:
        return Evidence.skipped("fewer than two classes have a map")
    pairs = np.corrcoef([ranks(each) for each in maps])[np.triu_indices(len(maps), 1)]
    return Evidence(float(1 - pairs.mean()), n=1)


METRICS: Mapping[str, Metric] = {
    names.BLANK: blank,
    names.CONSTANT: constant,
    names.CONVERGED: converged,
    names.DISCRIMINATIVE: class_discriminativeness,
}
"""By their names in the table of a trust run."""
