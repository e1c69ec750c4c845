"""Where the maps lie: one table a model, a row a method, with the share that chance would put there above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.report import cells
from whyscan.report.cells import Column
from whyscan.report.words import Figure

ENERGY = "energy in lesion"
FURTHER = {
    "negative in lesion": "Negative weight in the tumour",
    "relevance rank": "Of the strongest pixels, as many as the tumour has, in the tumour",
    "pointing game": "Peak in the tumour",
    "auc": "AUC of the map for the tumour",
}
"""The other figures of all predictions, with their heads. All but the AUC are shares."""
OUTCOMES = {"all": "All", "right": "Right", "wrong": "Wrong"}
NULL = "null: "

Key = tuple[str, str, str]
"""(metric, outcome, label): what a column is of."""


def tables(places: Sequence[Mapping[str, Any]], titles: Mapping[str, str], *, fewest: int = 0) -> list[dict[str, Any]]:
    """Of each model: heads, rows (method, whether it knows nothing of the model, cells), and other figures likewise.

    Args:
        fewest: groups below which nothing can be told.
    """
    of = {model: [each for each in places if each["model"] == model] for model in _names(places, "model")}
    return [_table(model, mine, titles, fewest) for model, mine in of.items()]


def _table(model: str, mine: Sequence[Mapping[str, Any]], titles: Mapping[str, str], fewest: int) -> dict[str, Any]:
    labels = [label for label in _names(mine, "label") if label != "all"]
    shares = [(ENERGY, outcome, "all") for outcome in OUTCOMES] + [(ENERGY, "all", label) for label in labels]
    further = [(metric, "all", "all") for metric in FURTHER]
    return {
        "model": model,
        "heads": [*(f"{head} predictions" for head in OUTCOMES.values()), *labels],
        **_rows(mine, shares, titles, fewest),
        "further": {"heads": list(FURTHER.values()), **_rows(mine, further, titles, fewest)},
    }


def _rows(
    mine: Sequence[Mapping[str, Any]], keys: Sequence[Key], titles: Mapping[str, str], fewest: int
) -> dict[str, Any]:
    by = {(str(each["method"]), *(str(each[name]) for name in ("metric", "outcome", "label"))): each for each in mine}
    methods = sorted(_names(mine, "method"), key=lambda name: name.startswith(NULL))  # the nulls last
    columns = {key: _column([by.get((name, *key)) for name in methods], key, fewest) for key in keys}
    return {
        "columns": list(columns.values()),
        "rows": [
            (
                titles.get(name, name),
                name.startswith(NULL),
                [_cell(by.get((name, *key)), shared, key) for key, shared in columns.items()],
            )
            for name in methods
        ],
    }


def _names(places: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(each[key]) for each in places))


def _put(key: Key) -> tuple[cells.Put, str]:
    return (cells.plain, "") if key[0] == "auc" else (cells.share, " %")


def _column(found: Sequence[Mapping[str, Any] | None], key: Key, fewest: int) -> Column:
    return cells.column(found, *_put(key), n="n", fewest=fewest)


def _cell(place: Mapping[str, Any] | None, shared: Column, key: Key) -> Figure:
    return cells.cell(place, shared, *_put(key), n="n")
