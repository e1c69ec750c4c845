"""Question 3: how do the layers differ, from the first to the last, and the best model from the weak one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, mean_interval, paired
from whyscan.stats.tests import holm
from whyscan.trust import answer, select
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.names import AUC, BLANK, DISCRIMINATIVE, ENERGY, is_null, said
from whyscan.trust.table import Row

NUMBER = 3
QUESTION = "Do the layers differ, from shallow to deep, and how?"
PROFILES = (ENERGY, AUC, DISCRIMINATIVE, BLANK)
LEAST = 3
"""With fewer layers there is no profile."""
LIKENESS = "likeness within a class"
SHARES = (ENERGY, BLANK)
DEPTHS = 4
"""Layers of so many depths, evenly spread, are tested against each other: of fifty layers every pair would be 1,225."""


def layers(
    rows: Sequence[Row],
    best: str | None,
    weak: str | None,
    order: Mapping[str, Sequence[str]] | None = None,
    likeness: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """Profiles over depth of where maps lie, whether they tell classes apart and whether they are there at all.

    Args:
        order: each model's layers, shallow to deep; else as they come in the table.
        likeness: how alike the maps of one class's scans are, by model and layer: see `trust.layering`.
    """
    deep = [row for row in rows if row.layer and not is_null(row.method)]
    profiles = {model: _profile(deep, model, (order or {}).get(model), likeness) for model in select.models(deep)}
    profiles = {model: each for model, each in profiles.items() if len(each.names) >= LEAST and each.values}
    if not profiles:
        return Answer(NUMBER, QUESTION, "not measured", "Not measured: no method was asked at three layers or more.")
    first = best if best in profiles else next(iter(profiles))
    shown = [name for name in (first, weak) if name in profiles]
    evidence = [line for model in dict.fromkeys([*shown, *profiles]) for line in profiles[str(model)].evidence()]
    tested = profiles[str(first)].ends(ENERGY) or profiles[str(first)].ends(AUC)
    judged = "too few" if tested is None else answer.judge(tested)
    verdict: Word = "not measured" if tested is None else _VERDICTS[judged]
    sentences = [profiles[str(model)].sentence() for model in dict.fromkeys(shown)]
    evidence += profiles[str(first)].pairs()
    parts = [
        (f"{first}: {said(metric)}, last layer against first", word) for metric, word in profiles[str(first)].words()
    ]
    if len(set(shown)) > 1:
        lines, words, told = _between(profiles[str(first)], profiles[str(weak)])
        evidence, parts = [*evidence, *lines], [*parts, *words]
        sentences += [told] if told else []
    notes = ("Depth 0 is the first layer, 1 the last. A blank map is empty at that layer; its reason is counted.",)
    chart = _figure([profiles[str(model)] for model in dict.fromkeys(shown)])
    return Answer(
        NUMBER, QUESTION, verdict, "\n".join(sentences), tuple(evidence), tuple(parts), notes, chart,
        short=profiles[str(first)].short(judged),
    )  # fmt: skip


_WORDS = {"more": "more", "less": "less", "none": "no difference", "too few": "too few to tell"}
_VERDICTS: dict[str, Word] = {"more": "yes", "less": "yes", "none": "no", "too few": "too few to tell"}


class _Profile:
    """One model's layers.

    Attributes:
        model: its name.
        names: layers, shallow to deep.
        values: by metric and layer, each scan's value.
        groups: each scan's group.
        reasons: why maps are blank, with their number.
        likeness: by layer.
    """

    def __init__(self, model: str, names: Sequence[str], values: Any, groups: Mapping[str, str], reasons: Any):
        self.model, self.names, self.values, self.groups, self.reasons = model, names, values, groups, reasons
        self._means: dict[tuple[str, str], Finding | None] = {}

    def mean(self, metric: str, layer: str) -> Finding | None:
        if (metric, layer) not in self._means:
            self._means[metric, layer] = self._mean(metric, layer)
        return self._means[metric, layer]

    def _mean(self, metric: str, layer: str) -> Finding | None:
        found = self.values.get(metric, {}).get(layer, {})
        if not found:
            return None
        numbers, groups = np.array(list(found.values())), [self.groups.get(scan, scan) for scan in found]
        low, high = mean_interval(numbers, groups, rng=np.random.default_rng(0))
        share = metric in SHARES
        return Finding(f"{self.model}, {layer}: {said(metric)}", float(numbers.mean()), answer.number(low),
                       answer.number(high), len(set(groups)), share=share)  # fmt: skip

    def peak(self, metric: str) -> tuple[str, Finding] | None:
        means = [(layer, mean) for layer in self.names if (mean := self.mean(metric, layer)) is not None]
        return max(means, key=lambda item: item[1].value or 0.0) if means else None

    def ends(self, metric: str) -> Difference | None:
        """The last layer less the first, on the scans that have both. They were not chosen by their figures."""
        by = self.values.get(metric, {})
        first, last = (by.get(self.names[i], {}) for i in (0, -1))
        return _paired(last, first, self.groups) if first.keys() & last.keys() else None

    def pairs(self) -> list[Finding]:
        """Layers of several depths against each other, by energy, or AUC where there is none; Holm over the pairs."""
        metric = ENERGY if self.values.get(ENERGY) else AUC
        by = self.values.get(metric, {})
        chosen = sorted({round(i * (len(self.names) - 1) / (DEPTHS - 1)) for i in range(DEPTHS)})
        lines = []
        for i, j in combinations(chosen, 2):
            first, second = self.names[i], self.names[j]
            if by.get(first, {}).keys() & by.get(second, {}).keys():
                tested = _paired(by[second], by[first], self.groups)
                name = f"{self.model}: {said(metric)}, layer {j + 1} ({second}) less layer {i + 1} ({first})"
                lines.append(answer.finding(name, tested, share=metric in SHARES))
        return _corrected(lines)

    def words(self) -> list[tuple[str, str]]:
        found = [(metric, ends) for metric in (*PROFILES, LIKENESS) if (ends := self.ends(metric)) is not None]
        return [(metric, _WORDS[answer.judge(ends)]) for metric, ends in found]

    def evidence(self) -> list[Finding]:
        found = [
            answer.finding(f"{self.model}: {said(metric)}, last layer less first", ends, share=metric in SHARES)
            for metric in (*PROFILES, LIKENESS)
            if (ends := self.ends(metric)) is not None
        ]
        for metric in (*PROFILES, LIKENESS):
            peak = self.peak(metric)
            if peak is not None and (peak[1].value or 0) > 0:
                found.append(_renamed(peak[1], f"{self.model}: highest {said(metric)}, at {peak[0]}"))
        return found

    def short(self, judged: str) -> str:
        told = {
            "more": "looks at the tumour more than",
            "less": "looks at the tumour less than",
            "none": "looks at the tumour no differently from",
            "too few": "cannot be told from, with so few scans,",
        }[judged]
        blank = [value for of in self.values.get(BLANK, {}).values() for value in of.values()]
        more = f" {answer.percent(float(np.mean(blank)))} of all layer maps are blank." if blank else ""
        return f"The last layer of {self.model} {told} the first.{more}"

    def sentence(self) -> str:
        lines = []
        for metric in (ENERGY, AUC):
            ends, peak = self.ends(metric), self.peak(metric)
            if ends is None or peak is None:
                continue
            share = metric == ENERGY
            top = answer.percent(peak[1].value) if share else f"{peak[1].value:.2f}"
            change = answer.points(ends) if share else answer.plainly(ends)
            lines.append(
                f"the {said(metric)} is highest at {self._depth(peak[0])} ({top}); last layer less first {change}"
            )
            break
        apart = self.peak(DISCRIMINATIVE)
        if apart is not None:
            lines.append(f"maps tell classes apart most at {self._depth(apart[0])} ({apart[1].value:.2f} of 1)")
        lines.append(self._blank())
        text = "; ".join(line for line in lines if line)
        return f"In {self.model} ({len(self.names)} layers), {text or 'nothing could be measured'}."

    def _depth(self, layer: str) -> str:
        return f"{layer} (layer {self.names.index(layer) + 1} of {len(self.names)})"

    def _blank(self) -> str:
        found = self.values.get(BLANK, {})
        total = sum(len(of) for of in found.values())
        if not total:
            return ""
        blank = round(sum(sum(of.values()) for of in found.values()))
        if not blank:
            return f"none of {total} layer maps is blank"
        why = ", ".join(f"{count} × {reason}" for reason, count in self.reasons.items() if reason)
        return f"{blank} of {total} layer maps are blank" + (f" ({why})" if why else "")


def _paired(a: Mapping[str, float], b: Mapping[str, float], groups: Mapping[str, str]) -> Difference:
    """`a` less `b` on the scans that both have."""
    scans = sorted(a.keys() & b.keys())
    first, second = (np.array([of[scan] for scan in scans]) for of in (a, b))
    return paired(first, second, [groups.get(scan, scan) for scan in scans])


def _corrected(lines: Sequence[Finding]) -> list[Finding]:
    """With Holm's correction over those that have a p-value."""
    tested = [line for line in lines if line.p is not None]
    p = {id(line): float(q) for line, q in zip(tested, holm([float(line.p or 0) for line in tested]), strict=True)}
    return [replace(line, corrected=p[id(line)], correction="Holm") if id(line) in p else line for line in lines]


def _between(best: _Profile, weak: _Profile) -> tuple[list[Finding], list[tuple[str, str]], str]:
    """The best model's last layer against the weak one's, on the same scans, by every metric; Holm over the metrics."""
    tested = {
        metric: _paired(ours, theirs, best.groups)
        for metric in (*PROFILES, LIKENESS)
        if (ours := best.values.get(metric, {}).get(best.names[-1], {}))
        and (theirs := weak.values.get(metric, {}).get(weak.names[-1], {}))
        and ours.keys() & theirs.keys()
    }
    lines = _corrected(
        [
            answer.finding(
                f"{said(metric)} of the last layer, {best.model} less {weak.model}", each, share=metric in SHARES
            )
            for metric, each in tested.items()
        ]
    )
    judged = {
        metric: answer.judge(each, line.corrected) for (metric, each), line in zip(tested.items(), lines, strict=True)
    }
    words = [
        (f"{said(metric)} of the last layer, {best.model} against {weak.model}", _WORDS[w])
        for metric, w in judged.items()
    ]
    sure = [metric for metric, word in judged.items() if word in ("more", "less")]
    if not tested:
        return [], [], ""
    if not sure:
        return lines, words, f"The last layers of {best.model} and {weak.model} surely differ in none of these."
    told = ", ".join(
        f"the {said(metric)} ({answer.points(tested[metric]) if metric in SHARES else answer.plainly(tested[metric])})"
        for metric in sure
    )
    return lines, words, f"The last layers of {best.model} and {weak.model} differ in {told}."


def _renamed(found: Finding, name: str) -> Finding:
    return Finding(name, found.value, found.low, found.high, found.n, share=found.share,
                   reason="the highest of several layers flatters itself")  # fmt: skip


def _profile(
    deep: Sequence[Row], model: str, order: Sequence[str] | None, likeness: Sequence[Mapping[str, Any]]
) -> _Profile:
    mine = [row for row in deep if row.model == model]
    count = {method: len({row.layer for row in mine if row.method == method}) for method in {r.method for r in mine}}
    method = max(sorted(count), key=lambda name: count[name])
    mine = [row for row in mine if row.method == method]
    present = list(dict.fromkeys(row.layer for row in mine))
    names = [name for name in order if name in present] if order else present
    by: dict[str, dict[str, dict[str, float]]] = {}
    for metric in PROFILES:
        for layer in names:
            found = select.values((row for row in mine if row.layer == layer), metric)
            if found:
                by.setdefault(metric, {})[layer] = {scan: value for (_, _, scan), value in found.items()}
    for each in likeness:
        if each["model"] == model and each["layer"] in names and each["value"] is not None:
            by.setdefault(LIKENESS, {}).setdefault(str(each["layer"]), {})[str(each["content"])] = float(each["value"])
    reasons: dict[str, int] = {}
    for row in mine:
        if row.metric == BLANK and row.value == 1.0 and row.reason:
            reasons[row.reason] = reasons.get(row.reason, 0) + 1
    return _Profile(model, names, by, {row.content: row.group for row in mine}, reasons)


def _figure(profiles: Sequence[_Profile]) -> dict[str, Any]:
    panels = []
    for metric in (*PROFILES, LIKENESS):
        series = []
        for profile in profiles:
            means = [(i, mean) for i, layer in enumerate(profile.names) if (mean := profile.mean(metric, layer))]
            if means:
                depth = [i / (len(profile.names) - 1) for i, _ in means]
                ends = [(m.value if m.low is None else m.low, m.value if m.high is None else m.high) for _, m in means]
                series.append({"name": profile.model, "x": depth, "y": [mean.value for _, mean in means],
                               "low": [low for low, _ in ends], "high": [high for _, high in ends]})  # fmt: skip
        if series:
            panels.append({"title": said(metric), "series": series, "percent": metric in SHARES})
    return {
        "kind": "profiles", "title": "Every layer, from the first to the last", "x": "depth (0 first, 1 last layer)",
        "panels": panels, "note": "Grad-CAM of every layer. Bands are 95 % intervals over groups of scans.",
    }  # fmt: skip
