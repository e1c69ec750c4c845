"""Where the maps lie: one table a model, a row a method, with the share that chance would put there above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def tables(places: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of each model: heads, rows (method, whether it knows nothing of the model, cells), and other figures likewise."""
    of = {model: [each for each in places if each["model"] == model] for model in _names(places, "model")}
    return [_table(model, mine, titles) for model, mine in of.items()]


def _table(model: str, mine: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> dict[str, Any]:
    by = {(str(each["method"]), str(each["outcome"]), str(each["label"]), str(each["metric"])): each for each in mine}
    methods = sorted(_names(mine, "method"), key=lambda name: name.startswith(NULL))  # the nulls last
    labels = [label for label in _names(mine, "label") if label != "all"]
    cells = [(outcome, "all") for outcome in OUTCOMES] + [("all", label) for label in labels]
    chance = [by.get((methods[0], outcome, label, ENERGY)) for outcome, label in cells]
    rows = [(titles.get(method, method), method, method.startswith(NULL)) for method in methods]
    return {
        "model": model,
        "heads": [*(f"{head} predictions" for head in OUTCOMES.values()), *labels],
        "groups": [_groups(each) for each in chance],
        "chance": [_chance(each) for each in chance],
        "rows": [
            (title, null, [_cell(by.get((method, *cell, ENERGY)), share=True) for cell in cells])
            for title, method, null in rows
        ],
        "further": list(FURTHER.values()),
        "others": [
            (title, null, [_cell(by.get((method, "all", "all", each)), share=each != "auc") for each in FURTHER])
            for title, method, null in rows
        ],
    }


def _names(places: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(each[key]) for each in places))


def _groups(place: Mapping[str, Any] | None) -> str:
    return "–" if place is None else str(place["n"])


def _chance(place: Mapping[str, Any] | None) -> str:
    return "–" if place is None or place["chance"] is None else f"{100 * place['chance']:.1f} %"


def _cell(place: Mapping[str, Any] | None, *, share: bool) -> Figure:
    if place is None:
        return Figure("–", measured=False)
    value, low, high = (place[name] for name in ("value", "low", "high"))
    ends = "" if low is None or high is None else f"{_text(low, share)} to {_text(high, share)}"
    return Figure(f"{_text(value, share)}{' %' if share else ''}", ends)


def _text(number: float, share: bool) -> str:
    return f"{100 * number:.1f}" if share else f"{number:.2f}"
