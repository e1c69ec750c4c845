"""The planted shortcut: a model misled on purpose, so that its reader sees what being misled looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from whyscan.errors import BadRun
from whyscan.records.attribution import Attribution
from whyscan.records.run import Run
from whyscan.report import captions, pictures
from whyscan.report.rows import Row
from whyscan.report.words import METHODS, figure, percent

_MEASURES = (
    ("accuracy_with", "Recognised with the cue"),
    ("accuracy_without", "Recognised on the very same scans without it"),
    ("fall", "Fall without the cue"),
    ("called_without", "Scans of other classes that are called so, as they are"),
    ("called_with", "The same scans with the cue planted"),
    ("pull", "Rise with the cue"),
)
_PLACES = (("energy_on_cue", "on the cue"), ("energy_in_lesion", "in the lesion"))


def section(run: Run, document: Mapping[str, Any]) -> dict[str, Any]:
    """The check's document as what the template shows."""
    return {
        **headline(document),
        "model": str(document.get("model", "")),
        "scans": document.get("scans"),
        "measures": [
            (title, figure({**document[key], "metric": "accuracy"})) for key, title in _MEASURES if document.get(key)
        ]
        + [
            (f"Share of {METHODS.get(method, method)} that lies {place}", figure({**row, "metric": "energy"}))
            for key, place in _PLACES
            for method, row in (document.get(key) or {}).items()
        ],
        "area": percent(document.get("cue_area")),
        "lesion": percent(document.get("lesion_area")),
        "classes": " or ".join(document.get("classes") or ()),
        "rows": [row for method in ("gradcam", "lime") if (row := _row(run, document, method)) is not None],
    }


def headline(document: Mapping[str, Any]) -> dict[str, str]:
    """What stands on the first page too."""
    keys = ("verdict", "text", "cue")
    return {key: str(document.get(key, "")) for key in keys}


def _row(run: Run, document: Mapping[str, Any], method: str) -> Row | None:
    """One method on the scans that carry the cue, on one scale; what cannot be read is left out."""
    found: list[Attribution] = []
    for each in document.get("pictures") or []:
        try:
            found += run.attributions(f"shortcut/explain/{each[method]}")
        except (BadRun, KeyError):
            continue
    return _drawn(found, method) if found else None


def _drawn(found: Sequence[Attribution], method: str) -> Row:
    first = found[0]
    end = max(pictures.limit([each], each.targets) for each in found)
    shown = [
        replace(pictures.heat(each, target, end=end), label=f"scan {number}")
        for number, each in enumerate(found, 1)
        for target in each.targets
    ]
    scale = pictures.bar(end, first.unit, signed=first.signed)
    return Row(f"{METHODS[method]}, scans with the cue", shown, captions.CUE, scale, signed=first.signed)
