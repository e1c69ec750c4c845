"""Versus: method against method on the same scans of one model, paired, and corrected for the number of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, judging, names, select
from whyscan.trust.answer import Finding
from whyscan.trust.every import range_of
from whyscan.trust.table import Row

ASKED: Mapping[str, str] = {
    names.SENSITIVITY_N: "Which method is more faithful to the model?",
    names.ENERGY: "Which method lies in the tumour more?",
}
"""One metric of each kind: the one that a verdict on faithfulness is drawn from, and the one that models are compared
by."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every pair of methods by one metric.

    Attributes:
        metric, model: by which, and on which.
        question, sentence: what is asked, and the answer.
        evidence: a line a pair.
        figure: a matrix for `render.charts`.
    """

    metric: str
    model: str
    question: str
    sentence: str
    evidence: tuple[Finding, ...]
    figure: Mapping[str, Any]


def versus(rows: Sequence[Row], model: str | None) -> list[Comparison]:
    """A comparison for each metric of `ASKED` that two methods have: its findings, and a matrix of them.

    Holm's correction is made over the pairs of one metric.
    """
    own = [row for row in select.main_rows(rows) if row.model == model]
    groups = {row.content: row.group for row in own}
    found = []
    for metric, question in ASKED.items():
        values = select.real(select.values(own, metric))
        methods = select.methods(values)
        of = {name: {scan: v for (_, method, scan), v in values.items() if method == name} for name in methods}
        pairs = [(a, b) for a, b in combinations(methods, 2) if of[a].keys() & of[b].keys()]
        if pairs:
            tested = {pair: _test(of[pair[0]], of[pair[1]], groups, metric) for pair in pairs}
            found.append(_comparison(str(model), metric, question, methods, tested))
    return found


Pair = tuple[str, str]


def _test(a: Mapping[str, float], b: Mapping[str, float], groups: Mapping[str, str], metric: str) -> Difference:
    scans = sorted(a.keys() & b.keys())
    first, second = (np.array([of[scan] for scan in scans]) for of in (a, b))
    return paired(first, second, [groups[scan] for scan in scans], within=range_of(metric))


def _comparison(
    model: str,
    metric: str,
    question: str,
    methods: Sequence[str],
    tested: Mapping[Pair, Difference],
) -> Comparison:
    share = metric == names.ENERGY
    lines = judging.corrected([_line(pair, each, share=share) for pair, each in tested.items()])
    words = {
        pair: judging.judge(each, line.corrected) for (pair, each), line in zip(tested.items(), lines, strict=True)
    }
    figure = _figure(model, metric, methods, tested, words, share=share)
    return Comparison(metric, model, question, _sentence(model, methods, words, len(tested)), tuple(lines), figure)


def _line(pair: Pair, found: Difference, *, share: bool) -> Finding:
    return answer.finding(f"{names.title(pair[0])} less {names.title(pair[1])}", found, share=share)


def _sentence(model: str, methods: Sequence[str], words: Mapping[Pair, str], pairs: int) -> str:
    """Who beats most, and how much of the field can be told apart at all."""
    sure = [pair for pair, word in words.items() if word in ("more", "less")]
    wins = {name: sum(_beats(words, name, other) for other in methods if other != name) for name in methods}
    told = f"On {model} {len(sure)} of {pairs} pairs of methods differ surely (Holm's correction over all pairs)"
    few = sum(word == "too few" for word in words.values())
    if few:
        told += f"; for {few} there are too few scans to tell"
    if not sure:
        return f"{told}."
    most = max(wins.values())
    first = " and ".join(names.title(name) for name, count in wins.items() if count == most)
    return f"{told}. Ahead of most others: {first} ({most} of {len(methods) - 1})."


def _beats(words: Mapping[Pair, str], a: str, b: str) -> bool:
    return words.get((a, b)) == "more" or words.get((b, a)) == "less"


def _figure(
    model: str,
    metric: str,
    methods: Sequence[str],
    tested: Mapping[Pair, Difference],
    words: Mapping[Pair, str],
    *,
    share: bool,
) -> dict[str, Any]:
    scale = 100 if share else 1
    cells: list[list[float | None]] = [[None] * len(methods) for _ in methods]
    sure = [[False] * len(methods) for _ in methods]
    for (a, b), each in tested.items():
        i, j = methods.index(a), methods.index(b)
        if np.isfinite(each.value):
            cells[i][j], cells[j][i] = scale * each.value, -scale * each.value
        sure[i][j] = sure[j][i] = words[a, b] in ("more", "less")
    unit = "points" if share else "correlation"
    return {
        "kind": "matrix", "title": f"{names.said(metric)}: row less column, {model}".capitalize(),
        "names": [names.title(name) for name in methods], "values": cells,
        "sure": sure, "digits": 1 if share else 2, "unit": f"difference in {unit}",
        "note": "Bold: surely different after Holm's correction. The others could be chance, or are too few to tell.",
    }  # fmt: skip
