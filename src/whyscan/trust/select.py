"""Select: which rows of the long table a question looks at, one value for each model, method and scan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from whyscan.trust import names
from whyscan.trust.table import Row

Key = tuple[str, str, str]
"""(model, method, scan's content)."""
COVER = 0.8
"""A mean over methods is one of methods that have a value on at least this share of the model's scans."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one model's prediction on one scan."""

    group: str
    label: str
    predicted: str
    confidence: float

    @property
    def right(self) -> bool:
        return self.predicted == self.label


def predictions(rows: Iterable[Row]) -> dict[tuple[str, str], Told]:
    """By (model, scan); the same in all of a scan's rows."""
    return {
        (row.model, row.content): Told(row.group, row.label, row.predicted, row.confidence)
        for row in rows
        if row.content
    }


def main_layers(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """The layer that a (model, method) is judged by: its own; "" of a method without layers.

    A method of which there are only layer profiles was not judged, and has none.
    """
    own: dict[tuple[str, str], str] = {}
    layers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        seen = layers[row.model, row.method]
        if row.metric != names.REFUSED:
            seen.add(row.layer)
            if row.metric not in names.PROFILED:
                own[row.model, row.method] = row.layer
    return {
        key: own[key] if key in own else next(iter(each), "")
        for key, each in layers.items()
        if key in own or len(each) < 2
    }


def main_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows of each method's own layer: those of other layers are for the question about layers."""
    layers = main_layers(rows)
    return [row for row in rows if row.layer == layers.get((row.model, row.method))]


def values(
    rows: Iterable[Row], metric: str, *, within: str = "image", target: Literal["label", "predicted"] = "label"
) -> dict[Key, float]:
    """What was measured, one value a key.

    Of several targets the wanted one counts: the true class, or the predicted. Where it was not explained, the other
    one; where neither was, the first.
    """
    found: dict[Key, tuple[int, float]] = {}
    for row in rows:
        if row.metric != metric or row.within != within or row.value is None or not np.isfinite(row.value):
            continue
        first, second = (row.label, row.predicted) if target == "label" else (row.predicted, row.label)
        rank = 0 if row.target == first else 1 if row.target == second else 2
        key = (row.model, row.method, row.content)
        if key not in found or rank < found[key][0]:
            found[key] = (rank, float(row.value))
    return {key: value for key, (_, value) in found.items()}


def real(found: Mapping[Key, float]) -> dict[Key, float]:
    """Without the explanations that know nothing of the model."""
    return {key: value for key, value in found.items() if not names.is_null(key[1])}


def methods(found: Iterable[Key]) -> list[str]:
    """In the order in which they appear."""
    return list(dict.fromkeys(method for _, method, _ in found))


def models(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row.model for row in rows))


def scan_means(found: Mapping[Key, float], model: str) -> dict[str, float]:
    """The mean over methods of each scan, over the same methods for every scan: those that cover most of them."""
    of = {(method, scan): value for (name, method, scan), value in found.items() if name == model}
    scans = {scan for _, scan in of}
    count = Counter(method for method, _ in of)
    kept = [method for method, n in count.items() if n >= COVER * len(scans)]
    whole = [scan for scan in sorted(scans) if all((method, scan) in of for method in kept)] if kept else []
    return {scan: float(np.mean([of[method, scan] for method in kept])) for scan in whole}


def matched(found: Mapping[Key, float], a: str, b: str) -> dict[tuple[str, str], tuple[float, float]]:
    """By (method, scan), both models' values where both have one."""
    return {
        (method, scan): (value, found[b, method, scan])
        for (model, method, scan), value in found.items()
        if model == a and (b, method, scan) in found
    }


def column(chosen: Sequence[str], of: Mapping[str, float]) -> Float64[np.ndarray, " n"]:
    """The scans' values, NaN where there is none."""
    return np.array([of.get(scan, np.nan) for scan in chosen], np.float64)
