"""The training section: the curves of every backbone beside each other, and how each was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from whyscan.errors import BadRun
from whyscan.records.run import Run
from whyscan.render import figures
from whyscan.report.words import flat, plain

_TITLES = {
    "backbone": "Backbone",
    "architecture": "Architecture (timm)",
    "input_size": "Input",
    "fit": "Fit",
    "head": "Head",
    "origin": "Starting weights",
}


def section(run: Run, comparison: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """None where the run has no models."""
    names = run.models()
    if not names:
        return None
    models = {name: run.model(name) for name in names}
    told = {str(m["name"]): m for m in (comparison or {}).get("models") or []}
    rows, missing = {}, []
    for name in names:
        try:
            rows[name] = run.curves(name)
        except BadRun as error:
            rows[name] = []
            missing.append(f"{name}: {error.came.replace(str(run.folder), '').lstrip('/')}")
    top = loss_top(list(rows.values()))
    return {
        "curves": [_panel(name, rows[name], models[name], told.get(name, {}), top) for name in names if rows[name]],
        "untrained": [name for name in names if not rows[name]],
        "settings": _settings(models, rows),
        "missing": missing,
    }


def loss_top(tables: Sequence[Sequence[Mapping[str, str]]]) -> float | None:
    """One top for all loss axes, or None where there is no finite loss."""
    cells = [row.get(f"{part}_loss") or "nan" for table in tables for row in table for part in ("train", "validation")]
    finite = [float(cell) for cell in cells if float(cell) < float("inf")]
    return 1.05 * max(finite) if finite and max(finite) > 0 else None


def _panel(
    name: str,
    rows: Sequence[Mapping[str, str]],
    model: Mapping[str, Any],
    told: Mapping[str, Any],
    top: float | None,
) -> dict[str, Any]:
    training = model.get("training") or {}
    best = training.get("best_epoch")
    figure = figures.curves(rows, "", best_epoch=best, loss_limit=top)
    last = rows[-1]
    words = (
        f"{name}: {len(rows)} epochs; at the last one training loss {last.get('train_loss') or '–'}, "
        f"validation loss {last.get('validation_loss') or '–'}, "
        f"validation accuracy {last.get('validation_accuracy') or '–'}"
    )
    return {
        "name": name,
        # Markup: drawn here by matplotlib, which escapes the text it sets; names are not part of the figure
        "svg": Markup(figures.to_svg(figure, name=f"Learning curves. {words}")),
        "words": words,
        "note": training.get("note") or "",
        "overfit": told.get("overfit") or "",
    }


def _settings(models: Mapping[str, Mapping[str, Any]], curves: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """One row a setting, one column a model; settings that all models share come last."""
    columns: dict[str, dict[str, str]] = {}
    for name, model in models.items():
        size = model.get("input_size") or []
        row = {title: plain(model.get(key)) for key, title in _TITLES.items()}
        row["Input"] = " × ".join(str(side) for side in size) or "not given"
        row["Epochs run"] = str(len(curves[name])) if curves[name] else "not trained in this run"
        training = {key: value for key, value in (model.get("training") or {}).items() if key != "note"}
        row |= {key.replace("_", " ").capitalize(): value for key, value in flat(training)}
        columns[name] = row
    titles = list(dict.fromkeys(title for row in columns.values() for title in row))
    rows = [(title, [columns[name].get(title, "–") for name in models]) for title in titles]
    same = [row for row in rows if len(set(row[1])) == 1]
    return {
        "models": list(models),
        "rows": [row for row in rows if len(set(row[1])) > 1],
        "same": [(title, cells[0]) for title, cells in same],
    }
