"""The gallery's section: which scans, what the models said of them, and the rows of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.errors import BadRun
from whyscan.records.run import Run
from whyscan.report import captions, pictures, rows
from whyscan.report.rows import Saved
from whyscan.report.words import METHODS, SUBSETS, Names, figure, percent, private


def section(run: Run, document: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The gallery's index as what the template shows; pictures are drawn scan by scan."""
    models = document.get("models") or {}
    roles = [models.get("best"), models.get("weak"), *(models.get("others") or [])]
    ordered = list(dict.fromkeys(str(name) for name in roles if name))
    return {
        "sampling": document.get("sampling") or "",
        "seed": document.get("seed"),
        "evaluations": document.get("evaluations"),
        "best": models.get("best"),
        "weak": models.get("weak"),
        "energy": energy(document),
        "failed": [
            {"source": names.show(str(each.get("source") or "")), "reason": private(str(each.get("reason") or ""))}
            for each in document.get("failed") or []
        ],
        "scans": [
            _scan(run, number, entry, ordered, models.get("best"), models.get("weak"), names)
            for number, entry in enumerate(document.get("scans") or [], 1)
        ],
    }


def energy(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How much of the explanations lies in known lesions, over many scans, as the study measured it."""
    return [
        {
            **{key: row.get(key) for key in ("model", "subset")},
            "metric": row.get("metric"),
            "method": METHODS.get(str(row.get("method")), str(row.get("method"))),
            "figure": figure(row),
        }
        for row in document.get("energy") or []
    ]


def _scan(
    run: Run,
    number_: int,
    entry: Mapping[str, Any],
    ordered: Sequence[str],
    best: str | None,
    weak: str | None,
    names: Names,
) -> dict[str, Any]:
    told = {name: entry["models"][name] for name in ordered if name in (entry.get("models") or {})}
    saved = _load(run, told, str(entry.get("scan") or ""))
    any_ = next((each[0] for each in saved.found.values() if each), None)
    shown = [
        rows.final_layer(saved.one(best, "gradcam")),
        *rows.strips(saved.found.get((best or "", "gradcam-layers"), [])),
        *rows.side_by_side(saved, list(told), best, weak, entry.get("label")),
        rows.classes(saved.one(best, "lime"), "LIME heat map", captions.LIME),
        rows.signs(saved.one(best, "lime")),
        rows.classes(saved.one(best, "shap"), "SHAP", captions.SHAP),
    ]
    return {
        "number": number_,
        "label": entry.get("label"),
        "case": str(entry.get("case") or ""),
        "right": bool((told.get(best or "") or {}).get("right")),
        "split": SUBSETS.get(str(entry.get("split")), str(entry.get("split") or "")),
        "source": names.show(str(entry.get("source") or "")),
        "content": str(entry.get("scan") or "")[:16],
        "picture": pictures.scan(any_) if any_ is not None else None,
        "best": best,
        "verdicts": {name: (str(each["predicted"]), bool(each["right"])) for name, each in told.items()},
        "probabilities": _probabilities(told, entry.get("label")),
        "rows": [row for row in shown if row is not None],
        "missing": saved.missing,
        "evidence": [
            {
                **{key: row.get(key) for key in ("model", "metric", "target")},
                "method": METHODS.get(str(row.get("method")), str(row.get("method"))),
                "figure": figure(row),
                "chance": percent(row.get("chance")),
            }
            for row in entry.get("evidence") or []
        ],
    }


def _load(run: Run, told: Mapping[str, Mapping[str, Any]], content: str) -> Saved:
    """Whatever can be read and is about this scan and this model: a picture of another would mislead."""
    found, missing = {}, []
    for model, each in told.items():
        for method, title in METHODS.items():
            relative = (each.get("files") or {}).get(method)
            if relative is None:
                missing.append(f"{title} of {model} was not made.")
                continue
            try:
                saved = run.attributions(relative)
            except BadRun:
                missing.append(f"{title} of {model} cannot be read; explain the scan again.")
                continue
            if any((a.scan, a.model) != (content, model) for a in saved):
                missing.append(f"{title} of {model} is about another scan or model; explain the scan again.")
                continue
            found[model, method] = saved
    return Saved(found, tuple(missing))


def _probabilities(told: Mapping[str, Mapping[str, Any]], label: str | None) -> list[dict[str, Any]]:
    classes = list(dict.fromkeys(name for each in told.values() for name in each["probabilities"]))
    return [
        {
            "name": name,
            "true": name == label,
            "cells": [
                {
                    "text": percent(each["probabilities"].get(name)),
                    "width": round(100 * (each["probabilities"].get(name) or 0)),
                    "predicted": each["predicted"] == name,
                }
                for each in told.values()
            ],
        }
        for name in classes
    ]
