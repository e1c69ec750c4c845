"""Profile: one model's layers, from the first to the last: where their maps lie, and whether they are there at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, select
from whyscan.trust.answer import Finding
from whyscan.trust.every import range_of
from whyscan.trust.names import AUC, BLANK, DISCRIMINATIVE, ENERGY, said
from whyscan.trust.table import Row

PROFILES = (ENERGY, AUC, DISCRIMINATIVE, BLANK)
LIKENESS = "likeness within a class"
ALL = (*PROFILES, LIKENESS)
SHARES = (ENERGY, BLANK)
DEPTHS = 4
"""Layers of so many depths, evenly spread, are tested against each other: of fifty layers every pair would be 1,225."""
WORDS = {"more": "more", "less": "less", "none": "no difference", "too few": "too few to tell"}


class Profile:
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
        name = f"{self.model}, {layer}: {said(metric)}"
        return answer.mean(name, numbers, groups, within=range_of(metric), share=metric in SHARES)

    def peak(self, metric: str) -> tuple[str, Finding] | None:
        means = [(layer, mean) for layer in self.names if (mean := self.mean(metric, layer)) is not None]
        return max(means, key=lambda item: item[1].value or 0.0) if means else None

    def ends(self, metric: str) -> Difference | None:
        """The last layer less the first, on the scans that have both. They were not chosen by their figures."""
        by = self.values.get(metric, {})
        first, last = (by.get(self.names[i], {}) for i in (0, -1))
        return paired_on(last, first, self.groups, metric) if first.keys() & last.keys() else None

    def pairs(self) -> list[Finding]:
        """Layers of several depths against each other, by energy, or AUC where there is none; Holm over the pairs."""
        metric = ENERGY if self.values.get(ENERGY) else AUC
        by = self.values.get(metric, {})
        chosen = sorted({round(i * (len(self.names) - 1) / (DEPTHS - 1)) for i in range(DEPTHS)})
        lines = []
        for i, j in combinations(chosen, 2):
            first, second = self.names[i], self.names[j]
            if by.get(first, {}).keys() & by.get(second, {}).keys():
                tested = paired_on(by[second], by[first], self.groups, metric)
                name = f"{self.model}: {said(metric)}, layer {j + 1} ({second}) less layer {i + 1} ({first})"
                lines.append(answer.finding(name, tested, share=metric in SHARES))
        return answer.corrected(lines)

    def last_less_first(self) -> list[tuple[str, Difference, Finding]]:
        """By every metric; Holm over the metrics."""
        tested = [(metric, ends) for metric in ALL if (ends := self.ends(metric)) is not None]
        lines = answer.corrected(
            [
                answer.finding(f"{self.model}: {said(metric)}, last layer less first", ends, share=metric in SHARES)
                for metric, ends in tested
            ]
        )
        return [(metric, ends, line) for (metric, ends), line in zip(tested, lines, strict=True)]

    def judged(self) -> dict[str, answer.Judged]:
        """By metric, what may be said of the last layer beside the first: by the corrected p-values."""
        return {metric: answer.judge(ends, line.corrected) for metric, ends, line in self.last_less_first()}

    def evidence(self) -> list[Finding]:
        found = [line for _, _, line in self.last_less_first()]
        for metric in ALL:
            peak = self.peak(metric)
            if peak is not None and (peak[1].value or 0) > 0:
                found.append(_renamed(peak[1], f"{self.model}: highest {said(metric)}, at {peak[0]}"))
        return found

    def short(self, judged: str) -> str:
        blank = [value for of in self.values.get(BLANK, {}).values() for value in of.values()]
        more = f" {answer.percent(float(np.mean(blank)))} of all layer maps are blank." if blank else ""
        if judged == "too few":
            return f"There are too few scans to tell the last layer of {self.model} from the first.{more}"
        told = {
            "more": "looks at the tumour more than",
            "less": "looks at the tumour less than",
            "none": "looks at the tumour no differently from",
        }[judged]
        return f"The last layer of {self.model} {told} the first.{more}"

    def sentence(self) -> str:
        lines = []
        p = {metric: line.corrected for metric, _, line in self.last_less_first()}
        for metric in (ENERGY, AUC):
            ends, peak = self.ends(metric), self.peak(metric)
            if ends is None or peak is None:
                continue
            share = metric == ENERGY
            top = answer.percent(peak[1].value, 1) if share else fixed(peak[1].value or 0.0, 2)
            change = answer.difference(ends, p[metric], share=share)
            lines.append(
                f"the {said(metric)} is highest at {self._depth(peak[0])} ({top}); last layer less first {change}"
            )
            break
        apart = self.peak(DISCRIMINATIVE)
        if apart is not None:
            lines.append(
                f"maps tell classes apart most at {self._depth(apart[0])} ({apart[1].value:.2f}; 0 would be the same "
                "map for every class, 1 unrelated ones)"
            )
        lines.append(self._likeness())
        lines.append(self._blank())
        text = "; ".join(line for line in lines if line)
        return f"In {self.model} ({len(self.names)} layers), {text or 'nothing could be measured'}."

    def _depth(self, layer: str) -> str:
        return f"{layer} (layer {self.names.index(layer) + 1} of {len(self.names)})"

    def _likeness(self) -> str:
        first, last = (self.mean(LIKENESS, self.names[i]) for i in (0, -1))
        if first is None or last is None:
            return ""
        ends = (fixed(end.value or 0.0, 2) for end in (first, last))
        alike = " at the first layer and ".join(ends) + " at the last"
        return f"maps of different scans of one class are alike by {alike} (1 is one picture for the whole class)"

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


def paired_on(a: Mapping[str, float], b: Mapping[str, float], groups: Mapping[str, str], metric: str) -> Difference:
    """`a` less `b`, of a metric, on the scans that both have."""
    scans = sorted(a.keys() & b.keys())
    first, second = (np.array([of[scan] for scan in scans]) for of in (a, b))
    ends = (-1.0, 1.0) if metric == LIKENESS else range_of(metric)
    return paired(first, second, [groups.get(scan, scan) for scan in scans], within=ends)


def _renamed(found: Finding, name: str) -> Finding:
    return Finding(name, found.value, found.low, found.high, found.n, share=found.share,
                   reason="the highest of several layers flatters itself")  # fmt: skip


def profile(
    deep: Sequence[Row], model: str, order: Sequence[str] | None, likeness: Sequence[Mapping[str, Any]]
) -> Profile:
    """Of a model's rows of the method that was asked at most layers.

    Args:
        order: the layers, shallow to deep; else as they come.
        likeness: see `trust.layering`.
    """
    mine = [row for row in deep if row.model == model]
    count = {method: len({row.layer for row in mine if row.method == method}) for method in {r.method for r in mine}}
    method = max(sorted(count), key=lambda name: count[name])
    mine = [row for row in mine if row.method == method]
    present = list(dict.fromkeys(row.layer for row in mine))
    names = [name for name in order if name in present] if order else present
    # the method's own layer was asked of more scans than the others, and layers are compared on the same ones
    asked = [{row.content for row in mine if row.layer == name} for name in names]
    everywhere = set.intersection(*asked) if asked else set()
    mine = [row for row in mine if row.content in everywhere]
    by: dict[str, dict[str, dict[str, float]]] = {}
    for metric in PROFILES:
        for layer in names:
            found = select.values((row for row in mine if row.layer == layer), metric)
            if found:
                by.setdefault(metric, {})[layer] = {scan: value for (_, _, scan), value in found.items()}
    for each in likeness:
        if each["model"] == model and each["layer"] in names and each["value"] is not None:
            by.setdefault(LIKENESS, {}).setdefault(str(each["layer"]), {})[str(each["content"])] = float(each["value"])
    # of its own layer a method has two rows: one for itself, and one among all layers
    why = {(row.layer, row.content): row.reason for row in mine if row.metric == BLANK and row.value == 1.0}
    reasons = Counter(reason for reason in why.values() if reason)
    return Profile(model, names, by, {row.content: row.group for row in mine}, reasons)
