"""Profile: one model's layers, from the first to the last: where their maps lie, and whether they are there at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from whyscan.explain.blank import BELOW_EPS, BELOW_FLOAT, DEAD, NEGATIVE, SATURATED
from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, judging, select, wording
from whyscan.trust.answer import Finding
from whyscan.trust.every import range_of
from whyscan.trust.names import AUC, BLANK, DISCRIMINATIVE, ENERGY, SHARES, said, the, title
from whyscan.trust.table import Row

PROFILES = (ENERGY, AUC, DISCRIMINATIVE, BLANK)
LIKENESS = "likeness within a class"
ALL = (*PROFILES, LIKENESS)
DEPTHS = {0.0: "of the first layer", 1 / 3: "a third down", 2 / 3: "two thirds down", 1.0: "of the last layer"}
"""Where layers are tested against each other, and models: of fifty layers every pair would be 1,225."""
WHY = {
    NEGATIVE: "because every place speaks against the class, of which Grad-CAM shows nothing",
    DEAD: "because the layer is silent on the scan",
    BELOW_FLOAT: "because the gradient is below what floats can tell from 0",
    BELOW_EPS: "because the map is below the recipe's eps",
    SATURATED: "because softmax is saturated",
}
"""What a diagnosis of a blank map means."""


class Profile:
    """One model's layers.

    Attributes:
        model, method: its name, and the method that was asked at every layer.
        names: layers, shallow to deep.
        values: by metric and layer, each scan's value.
        groups: each scan's group.
        reasons: why maps are blank, with their number.
        likeness: by layer.
    """

    def __init__(
        self, model: str, method: str, names: Sequence[str], values: Any, groups: Mapping[str, str], reasons: Any
    ):
        self.model, self.method, self.names, self.values = model, method, names, values
        self.groups, self.reasons = groups, reasons
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

    def at(self, depth: float) -> str:
        """The layer at a depth from 0, the first, to 1, the last."""
        return self.names[round(depth * (len(self.names) - 1))]

    def ends(self, metric: str) -> Difference | None:
        """The last layer less the first, on the scans that have both. They were not chosen by their figures."""
        by = self.values.get(metric, {})
        first, last = (by.get(self.names[i], {}) for i in (0, -1))
        return paired_on(last, first, self.groups, metric) if first.keys() & last.keys() else None

    def pairs(self) -> list[Finding]:
        """Layers of several depths against each other, by energy, or AUC where there is none; Holm over the pairs."""
        metric = ENERGY if self.values.get(ENERGY) else AUC
        by = self.values.get(metric, {})
        lines = []
        for first, second in combinations(dict.fromkeys(map(self.at, DEPTHS)), 2):
            if by.get(first, {}).keys() & by.get(second, {}).keys():
                tested = paired_on(by[second], by[first], self.groups, metric)
                layers = " less ".join(f"{self.names.index(each) + 1} ({each})" for each in (second, first))
                name = f"{self.model}, depths compared: {said(metric)}, layer {layers}"
                lines.append(answer.finding(name, tested, share=metric in SHARES))
        return judging.corrected(lines)

    @cached_property
    def last_less_first(self) -> list[tuple[str, Difference, Finding]]:
        """By every metric; Holm over the metrics."""
        tested = [(metric, ends) for metric in ALL if (ends := self.ends(metric)) is not None]
        lines = judging.corrected(
            [
                answer.finding(f"{self.model}: {said(metric)}, last layer less first", ends, share=metric in SHARES)
                for metric, ends in tested
            ]
        )
        return [(metric, ends, line) for (metric, ends), line in zip(tested, lines, strict=True)]

    def judged(self) -> dict[str, judging.Judged]:
        """By metric, what may be said of the last layer beside the first: by the corrected p-values."""
        return {metric: judging.judge(ends, line.corrected) for metric, ends, line in self.last_less_first}

    def evidence(self) -> list[Finding]:
        found = [line for _, _, line in self.last_less_first]
        for metric in ALL:
            for where, layer in (("first layer", self.names[0]), ("last layer", self.names[-1])):
                if (mean := self.mean(metric, layer)) is not None:
                    found.append(replace(mean, name=f"{self.model}: {said(metric)}, {where}"))
            peak = self.peak(metric)
            if peak is not None and (peak[1].value or 0) > 0:
                name = f"{self.model}: highest {said(metric)}, at {peak[0]}"
                found.append(replace(peak[1], name=name, reason="the highest of several layers flatters itself"))
        return found

    def short(self) -> str:
        """What surely changes from the first layer to the last, what does not, and how many maps are blank."""
        blank = [value for of in self.values.get(BLANK, {}).values() for value in of.values()]
        more = f" {wording.percent(float(np.mean(blank)))} of all layer maps are blank." if blank else ""
        tested = self.last_less_first
        judged = self.judged()
        sure = [
            f"{said(metric)} ({wording.size(ends, share=metric in SHARES)})"
            for metric, ends, _ in tested
            if judged[metric] in ("more", "less")
        ]
        same = [said(metric) for metric, word in judged.items() if word == "none"]
        if not sure and not same:
            return f"There are too few scans to tell the last layer of {self.model} from the first.{more}"
        if not sure:
            return f"The last layer of {self.model} surely differs from the first in nothing that was measured.{more}"
        but = f", and by less than half the usual spread, if at all, in {wording.listed(same)}" if same else ""
        return f"The last layer of {self.model} differs from the first in {wording.listed(sure)}{but}.{more}"

    def sentence(self) -> str:
        scans = len(set(self.groups.values()))
        lines = [line for metric in (ENERGY, AUC, DISCRIMINATIVE) if (line := self._course(metric))]
        lines += [line for line in (self._likeness(), self._blank()) if line]
        head = f"In {self.model} ({len(self.names)} layers; {title(self.method)}; {wording.groups(scans)})"
        return f"{head}, {'; '.join(lines) or 'nothing could be measured'}."

    def _course(self, metric: str) -> str:
        """From the first layer to the last, and where it is highest."""
        ends, peak = self.ends(metric), self.peak(metric)
        first, last = (self.mean(metric, self.names[i]) for i in (0, -1))
        if ends is None or peak is None or first is None or last is None:
            return ""
        p = next(line.corrected for name, _, line in self.last_less_first if name == metric)
        change = wording.difference(ends, p, share=metric in SHARES)
        scale = (
            " (0 is the same map for every class, 1 unrelated ones, 2 opposite ones)"
            if metric == DISCRIMINATIVE
            else ""
        )
        n = f", {wording.groups(ends.n)}" if ends.n < len(set(self.groups.values())) else ""
        return (
            f"{the(metric)}{scale} goes from {wording.figure(first, 1)} at the first layer to "
            f"{wording.figure(last, 1)} at the last ({change}{n}) and is highest at {self._depth(peak[0])} with "
            f"{wording.figure(peak[1], 1)}"
        )

    def _depth(self, layer: str) -> str:
        return f"{layer} (layer {self.names.index(layer) + 1} of {len(self.names)})"

    def _likeness(self) -> str:
        first, last = (self.mean(LIKENESS, self.names[i]) for i in (0, -1))
        if first is None or last is None:
            return ""
        alike = f"{wording.figure(first)} at the first layer and {wording.figure(last)} at the last"
        return f"maps of different scans of one class are alike by {alike} (1 is one picture for the whole class)"

    def _blank(self) -> str:
        found = self.values.get(BLANK, {})
        total = sum(len(of) for of in found.values())
        if not total:
            return ""
        blank = round(sum(sum(of.values()) for of in found.values()))
        if not blank:
            return f"none of {total} layer maps is blank"
        known = {WHY.get(reason, reason): count for reason, count in self.reasons.items() if reason}
        why = next(iter(known), "") if len(known) < 2 else ", ".join(f"{n} {reason}" for reason, n in known.items())
        peak = self.peak(BLANK)
        most = f", most often at {self._depth(peak[0])}: {wording.figure(peak[1])} there" if peak else ""
        reasons = f"; {'all ' if len(known) == 1 else ''}{why}" if why else ""
        return f"{blank} of {total} layer maps are blank{most}{reasons}"


def paired_on(a: Mapping[str, float], b: Mapping[str, float], groups: Mapping[str, str], metric: str) -> Difference:
    """`a` less `b`, of a metric, on the scans that both have."""
    scans = sorted(a.keys() & b.keys())
    first, second = (np.array([of[scan] for scan in scans]) for of in (a, b))
    ends = (-1.0, 1.0) if metric == LIKENESS else range_of(metric)
    return paired(first, second, [groups.get(scan, scan) for scan in scans], within=ends)


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
    return Profile(model, method, names, by, {row.content: row.group for row in mine}, reasons)
