"""The audit's section: what is wrong with the data before any model is blamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.report.words import SUBSETS, Names, figure, percent, private

_ORDER = {"fail": 0, "warn": 1, "note": 2}
_SHOWN = 30


def section(document: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The audit's document as what the template shows."""
    duplicates = document.get("duplicates") or {}
    return {
        "data": private(str(document.get("name", ""))),
        "images": document.get("images", 0),
        "readable": document.get("readable", 0),
        "seed": document.get("seed"),
        "findings": findings(document),
        "worst": worst(document),
        "leaks": _leaks(document.get("leaks")),
        "cues": _cues(document.get("cues") or []),
        "conflicts": _groups(document.get("conflicts") or [], names),
        "duplicates": duplicates,
        "groups": _groups(duplicates.get("groups") or [], names),
        "balance": _table(document.get("classes") or {}),
        "splits": _splits(document.get("splits") or {}),
        "unreadable": _first(
            [(names.show(str(row["path"])), private(str(row["reason"]))) for row in document.get("unreadable") or []]
        ),
        "patients_known": bool(document.get("patients_known")),
        "readings": list((document.get("readings") or {}).items()),
    }


def findings(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The worst first; within a level in the audit's own order."""
    found = [{"level": str(f["level"]), "text": private(str(f["text"]))} for f in document.get("findings") or []]
    return sorted(found, key=lambda each: _ORDER.get(each["level"], 3))


def worst(document: Mapping[str, Any]) -> str:
    """ "fail", "warn" or "ok"; notes are no reproach."""
    levels = {each["level"] for each in document.get("findings") or []}
    return next((level for level in ("fail", "warn") if level in levels), "ok")


def _leaks(leaks: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not leaks:
        return None
    rows = [("all classes", leaks), *(leaks.get("per_class") or {}).items()]
    return {
        **leaks,
        "rows": [
            {
                "name": name,
                **{key: row.get(key) for key in ("test", "exact", "near")},
                "share": percent(row["near"] / row["test"]) if row.get("test") and row.get("near") is not None else "–",
            }
            for name, row in rows
        ],
    }


def _cues(cues: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row a cue and question, one column a subset; flagged cues first."""
    subsets = [name for name in SUBSETS if any(cue.get("subset") == name for cue in cues)]
    kinds = list(dict.fromkeys((str(cue.get("name")), str(cue.get("question"))) for cue in cues))
    rows = []
    for name, question in kinds:
        mine = [cue for cue in cues if (str(cue.get("name")), str(cue.get("question"))) == (name, question)]
        by = {str(cue.get("subset")): cue for cue in mine}
        rows.append(
            {
                "name": name,
                "question": question,
                # thresholds are learned anew where the training part differs
                "rules": list(dict.fromkeys(str(cue.get("rule")) for cue in mine)),
                "flag": any(cue.get("flag") for cue in mine),
                "cells": [_cue(by[subset]) if subset in by else None for subset in subsets],
            }
        )
    return {"subsets": [SUBSETS[name] for name in subsets], "rows": sorted(rows, key=lambda row: not row["flag"])}


def _cue(cue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "figure": figure({**cue, "value": cue.get("accuracy"), "metric": "accuracy"}),
        "majority": percent(cue.get("majority")),
        "flag": bool(cue.get("flag")),
    }


def _groups(groups: Sequence[Mapping[str, Any]], names: Names) -> dict[str, Any]:
    # a group's own id is not shown: where patients are known it may be a patient's
    return _first(
        [
            {
                "kind": group.get("kind", ""),
                "members": [
                    (names.show(str(each["path"])), str(each.get("label", "")), str(each.get("official") or ""))
                    for each in (group.get("members") or [])[:_SHOWN]
                ],
            }
            for group in groups
        ]
    )


def _first(rows: Sequence[Any]) -> dict[str, Any]:
    return {"rows": rows[:_SHOWN], "more": max(0, len(rows) - _SHOWN), "count": len(rows)}


def _table(counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(column for row in counts.values() for column in row))
    most = max((n for row in counts.values() for n in row.values()), default=1) or 1
    rows = [
        {"name": name, "cells": [{"n": row.get(c, 0), "width": round(100 * row.get(c, 0) / most)} for c in columns]}
        for name, row in counts.items()
    ]
    return {"columns": columns, "rows": rows}


def _splits(splits: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Transposed: a row a split, a column a class, and the total."""
    labels = list(dict.fromkeys(label for counts in splits.values() for label in counts))
    rows = [
        {
            "name": SUBSETS.get(split, split),
            "cells": [counts.get(label, 0) for label in labels],
            "total": sum(counts.values()),
        }
        for split, counts in splits.items()
    ]
    return {"columns": labels, "rows": rows}
