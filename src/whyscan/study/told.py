"""What a map rests on and whether it is there, as the shell tells it: a row a map, and a line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from whyscan.records.attribution import Attribution

_SHOWN = 3
"""Maps that are not there that a line names; the rows tell all."""


def row(attribution: Attribution) -> dict[str, Any]:
    """What --json says of a map; None for what its method does not have."""
    return {
        "method": attribution.method,
        "layer": attribution.layer,
        "targets": list(attribution.targets),
        "diagnosis": list(attribution.diagnosis) or None,
        "evaluations": attribution.evaluations or None,
        "converged": attribution.converged,
        "estimator": attribution.settings.get("estimator"),
        "engine": attribution.engine,
        "deviation": attribution.deviation,
    }


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a person is told of one scan's rows: a line for each method, whether it looked at one layer or at many."""
    return [_line(method, list(some)) for method, some in groupby(rows, lambda row: row["method"])]


def _line(method: str, rows: Sequence[Mapping[str, Any]]) -> str:
    first, count = rows[0], rows[0]["evaluations"]
    layers = [row["layer"] for row in rows if row["layer"]]
    parts = [
        f"{len(layers)} layers" if len(layers) > 1 else "".join(f"layer {name}" for name in layers),
        f"{count:,} evaluation{'s' if count > 1 else ''}" if count else "",
        {None: "", True: "settled", False: "not settled"}[first["converged"]],
        "by regression" if first["estimator"] == "regression" else "",
        first["engine"],
        f"at most {first['deviation']:.1g} off" if first["deviation"] else "",
        _absent(rows),
    ]
    return f"{method}: {', '.join(part for part in parts if part)}"


def _absent(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which maps are not there or not to be trusted, and why."""
    notes = [
        f"{row['layer'] + ' ' if len(rows) > 1 else ''}{target}: {word.removeprefix('there, ')}"
        for row in rows
        for target, word in zip(row["targets"], row["diagnosis"] or (), strict=False)
        if word != "there"
    ]
    more = [f"and {len(notes) - _SHOWN} more"] if len(notes) > _SHOWN else []
    return "; ".join([*notes[:_SHOWN], *more])
