"""The comparison's section: scores with intervals, subset by subset, and which differences could be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from whyscan.render import figures
from whyscan.report.words import METRICS, SUBSETS, figure, p_value, points

_PREFERRED = ("holdout", "test-clean", "validation", "test")
_WHOLE = ("accuracy", "macro_f1", "auroc", "loss", "ece")
_PAIRS = 48


def section(document: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison's document as what the template shows."""
    subsets = [str(name) for name in document.get("subsets") or []]
    models = [str(m["name"]) for m in document.get("models") or []]
    scores = document.get("scores") or []
    judged = fair_subset(document)
    return {
        "best": document.get("best"),
        "weak": document.get("weak"),
        "pair": document.get("pair") or {},
        "selected_on": SUBSETS.get(str(document.get("selected_on")), ""),
        "text": [str(line) for line in document.get("text") or []],
        "seed": document.get("seed"),
        "draws": document.get("draws"),
        "subsets": [SUBSETS.get(name, name) for name in subsets],
        "judged": SUBSETS.get(judged or "", ""),
        "metrics": _metrics(scores, models, subsets),
        "recalls": _recalls(scores, models, subsets, [str(c) for c in document.get("classes") or []]),
        "confusions": _confusions(document, models, judged),
        "reliabilities": _reliabilities(document, models, judged),
        "pairs": _pairs(document),
    }


def fair_subset(document: Mapping[str, Any]) -> str | None:
    """Where the headline figures come from: the first subset, fairest first, on which accuracy was measured."""
    measured = {
        r["subset"] for r in document.get("scores") or [] if r["metric"] == "accuracy" and r["value"] is not None
    }
    return next((name for name in _PREFERRED if name in measured), None)


def not_from_here(document: Mapping[str, Any]) -> list[str]:
    """The models that may have been trained on scans which the run holds back."""
    return [str(model["name"]) for model in document.get("models") or [] if model.get("trained_here") is not True]


def score(
    document: Mapping[str, Any], model: str | None, subset: str | None, metric: str, label: str | None = None
) -> Mapping[str, Any] | None:
    """One row of the scores, or None."""
    wanted = (model, subset, metric, label)
    rows = document.get("scores") or []
    return next((r for r in rows if (r["model"], r["subset"], r["metric"], r.get("class")) == wanted), None)


def _metrics(
    scores: Sequence[Mapping[str, Any]], models: Sequence[str], subsets: Sequence[str]
) -> list[dict[str, Any]]:
    by = {(r["metric"], r["model"], r["subset"]): r for r in scores if r.get("class") is None}
    known = [m for m in _WHOLE if any(key[0] == m for key in by)]
    known += sorted({key[0] for key in by} - set(_WHOLE))
    return [
        {
            "title": METRICS.get(metric, metric),
            "rows": [(model, [figure(by.get((metric, model, subset))) for subset in subsets]) for model in models],
        }
        for metric in known
    ]


def _recalls(
    scores: Sequence[Mapping[str, Any]], models: Sequence[str], subsets: Sequence[str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    by = {(r["metric"], r["class"], r["model"], r["subset"]): r for r in scores if r.get("class") is not None}
    tables = []
    for metric in sorted({key[0] for key in by}, key=lambda name: name != "recall"):
        for label in classes:
            rows = [(m, [figure(by.get((metric, label, m, subset))) for subset in subsets]) for m in models]
            tables.append({"title": f"{METRICS.get(metric, metric)} of {label}", "rows": rows})
    return tables


def _confusions(document: Mapping[str, Any], models: Sequence[str], judged: str | None) -> list[dict[str, Any]]:
    classes = [str(c) for c in document.get("classes") or []]
    tables = []
    for model in models:
        counts = ((document.get("confusion") or {}).get(model) or {}).get(judged or "")
        if counts:
            tables.append({"model": model, "classes": classes, "rows": _shaded(counts, classes)})
    return tables


def _shaded(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for i, (name, row) in enumerate(zip(classes, counts, strict=True)):
        total = sum(row)
        cells = [{"n": n, "percent": round(100 * n / total) if total else 0, "hit": i == j} for j, n in enumerate(row)]
        rows.append({"name": name, "cells": cells, "total": total})
    return rows


def _reliabilities(document: Mapping[str, Any], models: Sequence[str], judged: str | None) -> list[dict[str, Any]]:
    drawn = []
    for model in models:
        bins = ((document.get("reliability") or {}).get(model) or {}).get(judged or "")
        if not bins:
            continue
        picture = figures.reliability(bins["confidence"], bins["accuracy"], bins["count"])
        told = "; ".join(
            f"sure {c:.0%}, right {a:.0%}, {n} scans"
            for c, a, n in zip(bins["confidence"], bins["accuracy"], bins["count"], strict=True)
            if n and c is not None and a is not None
        )
        svg = figures.to_svg(picture, name=f"Reliability of {model}: {told}")
        drawn.append({"model": model, "svg": Markup(svg)})
    return drawn


def _pairs(document: Mapping[str, Any]) -> dict[str, Any]:
    order = {name: i for i, name in enumerate(_PREFERRED)}
    rows = sorted(document.get("pairs") or [], key=lambda row: order.get(str(row["subset"]), len(order)))
    return {"rows": [_pair(row) for row in rows[:_PAIRS]], "more": max(0, len(rows) - _PAIRS)}


def _pair(row: Mapping[str, Any]) -> dict[str, Any]:
    verdict = str(row.get("verdict") or "")
    named = {"a is better": f"{row['a']} is better", "b is better": f"{row['b']} is better"}.get(verdict, verdict)
    return {
        "a": row["a"],
        "b": row["b"],
        "subset": SUBSETS.get(str(row["subset"]), str(row["subset"])),
        "difference": points(row),
        "n": row.get("n"),
        "p": p_value(row.get("p")),
        "p_holm": p_value(row.get("p_holm")),
        "correction": "" if row.get("p_holm") is not None else str(row.get("correction") or ""),
        "test": str(row.get("test") or ""),
        "verdict": named,
        "sure": verdict not in ("", "could be chance"),
    }
