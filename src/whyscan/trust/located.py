"""Located: where the maps of every method lie, by model, by class, and by whether the prediction was right.

One table with intervals. It tests nothing: the questions do. It is there to look up what a mean over all hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyscan.stats.differences import mean_interval
from whyscan.trust import answer, names, select
from whyscan.trust.every import chance_of, range_of
from whyscan.trust.select import Key, Told
from whyscan.trust.table import Row

WHOLE = (names.ENERGY, names.NEGATIVE, names.POINTING, names.RANK, names.AUC)
"""Asked of all scans, and of the right and the wrong ones."""
ALL = "all"
OUTCOMES = (ALL, "right", "wrong")


@dataclass(frozen=True, slots=True)
class Place:
    """One figure.

    Attributes:
        model, method: whose maps.
        metric: which figure of theirs.
        outcome: of "all" predictions, the "right" or the "wrong" ones.
        label: of which true class; "all" of every.
        value, low, high: the mean and its 95 % interval by group; None where there are fewer than two groups.
        chance: the mean on the same scans of what a map without any preference gets; None where it was not measured.
        n: groups.
    """

    model: str
    method: str
    metric: str
    outcome: str
    label: str
    value: float
    low: float | None
    high: float | None
    chance: float | None
    n: int


def located(rows: Sequence[Row]) -> list[Place]:
    """By model, method, metric, outcome and class. Classes are told apart for the energy alone."""
    own = select.main_rows(rows)
    told = select.predictions(row for row in own if row.label)
    found: list[Place] = []
    for metric in WHOLE:
        values = select.values(own, metric)
        expected = chance_of(metric)
        chance = select.values(own, expected) if isinstance(expected, str) else dict.fromkeys(values, expected or 0.0)
        for model, method in dict.fromkeys((model, method) for model, method, _ in values):
            mine = {key: value for key, value in values.items() if key[:2] == (model, method)}
            for outcome, label in _cells(metric, told, model):
                kept = [key for key in mine if _is(told.get((model, key[2])), outcome, label)]
                if kept:
                    found.append(_place(kept, mine, chance, told, metric, outcome, label))
    return found


def _cells(metric: str, told: Mapping[tuple[str, str], Told], model: str) -> Iterator[tuple[str, str]]:
    labels = sorted({each.label for (name, _), each in told.items() if name == model})
    for outcome in OUTCOMES:
        yield outcome, ALL
        if metric == names.ENERGY and len(labels) > 1:
            yield from ((outcome, label) for label in labels)


def _is(told: Told | None, outcome: str, label: str) -> bool:
    if told is None:
        return outcome == ALL and label == ALL
    return (outcome == ALL or told.right == (outcome == "right")) and label in (ALL, told.label)


def _place(
    kept: Sequence[Key],
    values: Mapping[Key, float],
    chance: Mapping[Key, float],
    told: Mapping[tuple[str, str], Told],
    metric: str,
    outcome: str,
    label: str,
) -> Place:
    numbers = np.array([values[key] for key in kept])
    groups = [each.group if (each := told.get((key[0], key[2]))) else key[2] for key in kept]
    low, high = mean_interval(numbers, groups, rng=np.random.default_rng(0), within=range_of(metric))
    expected = [chance[key] for key in kept if key in chance]
    by_chance = float(np.mean(expected)) if len(expected) == len(kept) else None
    model, method, _ = kept[0]
    ends = answer.number(low), answer.number(high)
    return Place(model, method, metric, outcome, label, float(numbers.mean()), *ends, by_chance, len(set(groups)))


def results(places: Sequence[Mapping[str, Any]], sample: str = "trust") -> list[dict[str, Any]]:
    """The summary's places as rows of results.csv; `sample` begins the name of their subset."""
    same = ("model", "method", "value", "low", "high", "n")
    return [
        {**{name: each[name] for name in same}, "metric": f"mean {each['metric']}", "class": each["label"],
         "subset": f"{sample}, {each['outcome']} predictions", "status": "measured"}
        for each in places
    ]  # fmt: skip
