"""Aggregate: every metric of every method on every model, over the scans: one mean a row, with its interval.

It judges nothing. It is the table to look up what a verdict leaves out, and the null explanations are rows of it too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from whyscan.records.evidence import Evidence
from whyscan.stats.differences import mean_interval
from whyscan.trust import answer, names, select
from whyscan.trust.every import CHANCES, EVERY, Meaning, chance_of, meaning, range_of
from whyscan.trust.table import Row

PLACES = ("image", "head")
"""What a row is of that says that a method made no explanation at all."""


@dataclass(frozen=True, slots=True)
class Mean:
    """One figure.

    Attributes:
        model, method, layer: whose explanations: those of the layer that the method is judged by, "" where it has none.
        metric, family, unit, better: which figure, and how to read it; see `every.meaning`.
        within: "image", or "head" where only the head's pixels count.
        value, low, high: the mean over scans and its 95 % interval by group; None where it was not measured, or there
            are fewer than two groups.
        scans, groups: how many it rests on.
        chance: the mean on the same scans of what a map without any preference gets; None where that is not known.
        nulls: the means on the same scans of the explanations that know nothing of the model, by "random", "edges" and
            so on; of a null explanation none.
        status, reason: as in Evidence. Where only some scans were measured the reason says why not the others.
    """

    model: str
    method: str
    layer: str
    metric: str
    family: str
    within: str
    value: float | None
    low: float | None
    high: float | None
    scans: int
    groups: int
    chance: float | None
    unit: str
    better: str
    nulls: Mapping[str, float] = field(default_factory=dict)
    status: str = "measured"
    reason: str = ""


Key = tuple[str, str]
"""(model, method)."""
Gone = Mapping[str, Evidence]
"""By scan, why there is no figure."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One metric within one place, by model and method: the value of each scan, its level of chance, and what is not
    measured and why; and on which scans of a model any method was asked.
    """

    metric: str
    within: str
    told: Meaning
    values: Mapping[Key, Mapping[str, float]]
    chance: Mapping[Key, Mapping[str, float]]
    gone: Mapping[Key, Gone]
    scans: Mapping[str, set[str]]


def aggregate(rows: Sequence[Row]) -> list[Mean]:
    """By metric, place, model and method, in the order of the table of metrics.

    A metric that was asked of one method has a row for every method of every model: what was not measured has a reason.
    """
    layers = select.main_layers(rows)
    groups = {row.content: row.group for row in rows}
    refused = _gone(row for row in rows if row.metric == names.REFUSED)
    found: list[Mean] = []
    for asked in _asked(select.main_rows(rows)):
        for key, layer in layers.items():
            if not (names.is_null(key[1]) and asked.told.family == "cost"):  # nobody waits for a null explanation
                found.append(_mean(asked, key, layer, groups, refused.get(key, {})))
    return found


def _asked(own: Iterable[Row]) -> Iterator[_Asked]:
    by: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in own:
        by[row.metric, row.within].append(row)
    for metric in (*EVERY, names.SECONDS):
        told = meaning(metric)
        for within in PLACES:
            rows = by.get((metric, within))
            if not rows or told is None or metric in CHANCES:
                continue
            values, expected = _by_method(rows, metric, within), chance_of(metric, within)
            if isinstance(expected, str):
                chance = _by_method(by.get((expected, within), ()), expected, within)
            else:
                chance = {} if expected is None else {key: dict.fromkeys(of, expected) for key, of in values.items()}
            scans: dict[str, set[str]] = defaultdict(set)
            for row in rows:
                scans[row.model].add(row.content)
            yield _Asked(metric, within, told, values, chance, _gone(rows), scans)


def _by_method(rows: Sequence[Row], metric: str, within: str) -> dict[Key, dict[str, float]]:
    found: dict[Key, dict[str, float]] = defaultdict(dict)
    for (model, method, scan), value in select.values(rows, metric, within=within).items():
        found[model, method][scan] = value
    return found


def _gone(rows: Iterable[Row]) -> dict[Key, dict[str, Evidence]]:
    found: dict[Key, dict[str, Evidence]] = defaultdict(dict)
    for row in rows:
        if row.value is None or not np.isfinite(row.value):
            make = Evidence.failed if row.status == "failed" else Evidence.skipped
            found[row.model, row.method][row.content] = make(row.reason or "it is not a number")
    return found


def _mean(asked: _Asked, key: Key, layer: str, groups: Mapping[str, str], refused: Gone) -> Mean:
    values = asked.values.get(key, {})
    why = {**refused, **asked.gone.get(key, {})}
    missed = Counter(why[scan] for scan in sorted(asked.scans[key[0]] - values.keys()) if scan in why)
    worst, times = missed.most_common(1)[0] if missed else (None, 0)
    if not values:
        empty = worst or Evidence.skipped(f"not asked of {'the layer it is judged by' if layer else 'this method'}")
        return _row(asked, key, layer, empty, 0, 0, None, {})
    scans = list(values)
    numbers, kept = np.array([values[scan] for scan in scans]), [groups[scan] for scan in scans]
    low, high = mean_interval(numbers, kept, rng=np.random.default_rng(0), within=range_of(asked.metric))
    reason = "" if worst is None else f"not measured on {times} more: {worst.reason}"
    found = Evidence(float(numbers.mean()), answer.number(low), answer.number(high), reason=reason)
    beside = {} if names.is_null(key[1]) else {
        name: level
        for name in names.NULLS
        if (level := _level(asked.values.get((key[0], names.NULL + name), {}), scans)) is not None
    }  # fmt: skip
    chance = _level(asked.chance.get(key, {}), scans)
    return _row(asked, key, layer, found, len(scans), len(set(kept)), chance, beside)


def _level(of: Mapping[str, float], scans: Sequence[str]) -> float | None:
    """The mean on just these scans; None where one of them has no value: another sample would not compare."""
    return float(np.mean([of[scan] for scan in scans])) if all(scan in of for scan in scans) else None


def _row(
    asked: _Asked, key: Key, layer: str, found: Evidence, scans: int, groups: int,
    chance: float | None, nulls: Mapping[str, float],
) -> Mean:  # fmt: skip
    told = asked.told
    return Mean(
        *key, layer, asked.metric, told.family, asked.within, found.value, found.low, found.high, scans, groups, chance,
        told.unit, told.better, nulls, found.status, found.reason,
    )  # fmt: skip


def legend(means: Iterable[Mean]) -> dict[str, dict[str, Any]]:
    """How the metrics that occur are called, what they are, and how to read them."""
    told = {each.metric: meaning(each.metric) for each in means}
    return {name: {"label": names.label(name), **asdict(each)} for name, each in told.items() if each is not None}


def results(means: Sequence[Mapping[str, Any]], but: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The summary's means as rows of results.csv; without those that `but`, rows of it too, says already."""
    same = ("model", "method", "layer", "value", "low", "high", "status", "reason")
    there = {_what(row) for row in but}
    found = [
        {**{name: each[name] for name in same}, "metric": f"mean {each['metric']}", "class": "all", "n": each["groups"],
         "subset": f"trust, all predictions{', inside the head' if each['within'] == 'head' else ''}"}
        for each in means
    ]  # fmt: skip
    return [row for row in found if _what(row) not in there]


def _what(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "method", "subset", "class", "metric"))
