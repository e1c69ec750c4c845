"""Dotted: the data of a chart of dots with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HOLLOW = "Filled: surely a difference. Hollow: it could be chance, or there are too few scans to tell."


def dots(
    title: str,
    unit: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    reference: float | None = 0.0,
    reference_name: str = "",
    percent: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """A chart of dots with intervals; each entry has label, value, low, high and perhaps a series, a chance and
    whether it is sure: one that is not is drawn hollow and pale.

    Args:
        reference, reference_name: where a line is drawn, and what it is.
        percent: whether the values are shares, to be put in per cent.
    """
    return {"kind": "dots", "title": title, "unit": unit, "entries": list(entries), "reference": reference,
            "reference_name": reference_name, "percent": percent, "note": note}  # fmt: skip


def dot(
    label: str,
    value: float,
    low: float,
    high: float,
    series: str = "",
    chance: float | None = None,
    sure: bool | None = None,
) -> dict[str, Any]:
    return {
        "label": label, "value": value, "low": low, "high": high, "series": series, "chance": chance, "sure": sure,
    }  # fmt: skip
