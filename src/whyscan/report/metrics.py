"""Every metric of every method: a family a table, or two where the head alone was asked too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from whyscan.report import cells
from whyscan.report.cells import Column
from whyscan.report.words import Figure, plural, private

FAMILIES = {
    "faithfulness": ("Faithfulness", "does the score follow when what the map points at is hidden?"),
    "robustness": ("Robustness", "does the map stay where nothing that matters has changed?"),
    "sanity": ("Sanity", "is it a picture of this model at all?"),
    "localisation": ("Localisation", "does it lie in the tumour?"),
    "tissue": ("Tissue shares", "on what does it lie?"),
    "complexity": ("Complexity", "on how few pixels does it rest?"),
    "condition": ("Condition", "is the map there, has it settled, does it tell classes apart?"),
    "cost": ("Cost", "what did an explanation take?"),
}
WITHIN = {"image": "Whole scan", "head": "Inside the head only"}
BETTER = {"higher": "↑ higher is better", "lower": "↓ lower is better", "neither": "neither way is better"}
UNITS = {"share": "a share", "probability": "a probability", "correlation": "a correlation, −1 to 1",
         "index": "an index", "times": "relative to the map of the scan as it is",
         "per brightness": "per unit of brightness", "evaluations": "a number", "seconds": "seconds"}  # fmt: skip
NULL = "null: "

Rows = Sequence[Mapping[str, Any]]
Key = tuple[str, str]
"""(model, method)."""


def families(
    rows: Rows, legend: Mapping[str, Any], titles: Mapping[str, str], *, fewest: int = 0
) -> list[dict[str, Any]]:
    """The families that were asked, each with its tables and with what its columns mean.

    Args:
        rows, legend: the summary's `metrics` and `legend`.
        fewest: groups below which nothing can be told.
    """
    found = []
    for name, (title, question) in FAMILIES.items():
        mine = [each for each in rows if each["family"] == name and each["metric"] in legend]
        tables = [
            _table(there, within, legend, titles, fewest)
            for within in WITHIN
            if (there := [each for each in mine if each["within"] == within])
        ]
        if tables:
            metrics = list(dict.fromkeys(str(each["metric"]) for each in mine))
            inside = ", the whole scan and inside the head" if len(tables) > 1 else ""
            found.append({
                "title": title, "question": question, "told": plural(len(metrics), "figure") + inside, "tables": tables,
                "meanings": [_meaning(legend[metric]) for metric in metrics],
            })  # fmt: skip
    return found


def _table(
    rows: Rows, within: str, legend: Mapping[str, Any], titles: Mapping[str, str], fewest: int
) -> dict[str, Any]:
    """Columns that nobody has a figure of are told below the table, once."""
    of: dict[str, dict[Key, Mapping[str, Any]]] = {}
    for each in rows:
        of.setdefault(str(each["metric"]), {})[str(each["model"]), str(each["method"])] = each
    empty = [metric for metric, by in of.items() if all(each.get("value") is None for each in by.values())]
    shown = [metric for metric in of if metric not in empty]
    columns = {
        metric: cells.column(list(of[metric].values()), *_put(legend[metric]), n="groups", fewest=fewest)
        for metric in shown
    }
    keys = list(dict.fromkeys(key for by in of.values() for key in by))
    models = {
        model: [_row(of, key, columns, legend, titles) for key in _ordered(keys, model)]
        for model in dict.fromkeys(model for model, _ in keys)
    }
    return {
        "title": WITHIN[within],
        "heads": [_head(legend[metric]) for metric in shown],
        "columns": list(columns.values()),
        "chance": any(column.chance for column in columns.values()),
        "models": [{"name": model, "rows": found} for model, found in models.items()],
        "marks": _marks(models),
        "empty": [(str(legend[metric]["label"]), _why(of[metric])) for metric in empty],
    }


def _marks(models: Mapping[str, Sequence[tuple[str, bool, Sequence[Figure], str]]]) -> dict[str, str]:
    """A letter for each reason of a cell: said once below the table, where the cells are narrow."""
    cells_ = (cell for rows in models.values() for *_, found, gone in rows if not gone for cell in found)
    reasons = dict.fromkeys(cell.note for cell in cells_ if not cell.measured and cell.note)
    return dict(zip(reasons, ascii_lowercase, strict=False))


def _ordered(keys: Sequence[Key], model: str) -> list[Key]:
    """A model's methods, those that know nothing of it last."""
    return sorted((key for key in keys if key[0] == model), key=lambda key: key[1].startswith(NULL))


def _row(
    of: Mapping[str, Mapping[Key, Mapping[str, Any]]],
    key: Key,
    columns: Mapping[str, Column],
    legend: Mapping[str, Any],
    titles: Mapping[str, str],
) -> tuple[str, bool, list[Figure], str]:
    """The method, whether it knows nothing of the model, its cells, and the one reason why it has no figure at all."""
    found = [
        cells.cell(of[metric].get(key), shared, *_put(legend[metric]), n="groups") for metric, shared in columns.items()
    ]
    reasons = {"" if each.measured else each.note for each in found}
    return titles.get(key[1], key[1]), key[1].startswith(NULL), found, reasons.pop() if len(reasons) == 1 else ""


def _why(by: Mapping[Key, Mapping[str, Any]]) -> str:
    return "; ".join(dict.fromkeys(private(str(each.get("reason") or "")) for each in by.values()))


def _put(told: Mapping[str, Any]) -> tuple[cells.Put, str]:
    if told["unit"] == "share":
        return cells.share, " %"
    return (
        (cells.count, "") if told["unit"] == "evaluations" else (cells.plain, " s" if told["unit"] == "seconds" else "")
    )


def _head(told: Mapping[str, Any]) -> dict[str, str]:
    return {"label": str(told["label"]), "better": BETTER.get(str(told["better"]), ""), "title": str(told["title"])}


def _meaning(told: Mapping[str, Any]) -> dict[str, str]:
    """For the list below the tables: the title without the label that it begins with."""
    before, colon, after = str(told["title"]).partition(": ")
    text = after if colon and len(before) <= _LABEL else str(told["title"])
    ways = BETTER.get(str(told["better"]), "").strip("↑↓ ")
    unit = UNITS.get(str(told["unit"]), str(told["unit"]))
    paper = f" {told['paper']}." if told.get("paper") else ""
    return {
        "label": str(told["label"]),
        "text": f"{text[:1].upper()}{text[1:]} {unit[:1].upper()}{unit[1:]}; {ways}.{paper}",
    }


_LABEL = 40
"""Longer beginnings of a title are no name."""
