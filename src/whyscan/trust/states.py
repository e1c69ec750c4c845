"""States: what is wrong with one explanation, of what it was asked. Every limit is in `thresholds`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whyscan.trust import names, thresholds
from whyscan.trust.table import Row

State = Literal[
    "blank", "constant", "fails sanity", "unstable", "off-tissue", "not converged", "usable",
    "usable as far as asked", "not measured",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which an explanation is no good: a metric beyond its limit.

    Attributes:
        state: what it is then.
        metric: by its name in the table.
        side, limit: on which side of which number it is no good.
        unsigned: whether the metric's sign is left out. A map that comes out turned round on a model that knows
            nothing, faint where it was strong on every scan, is drawn by the scan as much as one that comes out the
            same; and signs that differ from scan to scan must not cancel in a mean.
        asked: whether an explanation has to be asked it to be called usable without more words.
    """

    state: State
    metric: str
    side: Literal["above", "below"]
    limit: float
    unsigned: bool = False
    asked: bool = True

    def figure(self, value: float) -> float:
        """What is compared with the limit."""
        return abs(value) if self.unsigned else value

    def beyond(self, figure: float) -> bool:
        return figure > self.limit if self.side == "above" else figure < self.limit


SANE = Rule("fails sanity", names.RANDOMISED, "above", thresholds.SANE.value, unsigned=True)
TAUGHT = Rule("fails sanity", names.MISTAUGHT, "above", thresholds.TAUGHT.value, unsigned=True, asked=False)
SEEDS = Rule("unstable", names.SEEDS, "below", thresholds.STABLE.value)
FLIPS = Rule("unstable", names.FLIPS, "below", thresholds.FLIPPED.value)
TURNS = Rule("unstable", names.TURNS, "below", thresholds.FLIPPED.value)
CONVERGED = Rule("not converged", names.CONVERGED, "below", 1, asked=False)
PRESENT = (
    Rule("blank", names.BLANK, "above", 0),
    Rule("constant", names.CONSTANT, "above", 0),
    Rule("off-tissue", names.tissue("background"), "above", thresholds.OFF_TISSUE.value),
)
"""Those that every explanation is asked: whether there is a picture of a patient at all."""
RULES = (*PRESENT[:2], SANE, TAUGHT, SEEDS, FLIPS, TURNS, PRESENT[2], CONVERGED)
"""Worst first: a blank map is stable and off no tissue, and still says nothing. Last what more evaluations would
mend. Shuffled labels are asked where that is cheap, convergence of what is estimated by sampling: neither is missed."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One explanation's verdict.

    Attributes:
        model, method, layer, source, content, group, target: which.
        state: the first thing that is wrong with it, worst first. Where nothing is, "usable" if it was asked about
            everything, and "usable as far as asked" if not.
        numbers: the figures that were looked at, by metric.
        unmeasured: which were not.
    """

    model: str
    method: str
    layer: str
    source: str
    content: str
    group: str
    target: str
    state: State
    numbers: Mapping[str, float]
    unmeasured: tuple[str, ...]

    def broken(self, rule: Rule) -> bool | None:
        """Whether the rule finds fault with it; None where it was not asked."""
        value = self.numbers.get(rule.metric)
        return None if value is None else rule.beyond(rule.figure(value))

    @property
    def whole(self) -> bool:
        """Whether it was asked all that "usable" rests on."""
        return all(rule.metric in self.numbers for rule in RULES if rule.asked)


def explained(rows: Sequence[Row]) -> list[Explained]:
    """A verdict for every explanation of the table, in its order; the null explanations have none."""
    of: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if not names.is_null(row.method):
            key = (row.model, row.method, row.layer, row.source, row.content, row.group, row.target)
            of.setdefault(key, []).append(row)
    return [_explained(key, each) for key, each in of.items()]


def _explained(key: tuple[str, ...], rows: Sequence[Row]) -> Explained:
    wanted = {rule.metric for rule in RULES}
    numbers = {
        row.metric: float(row.value)
        for row in rows
        if row.metric in wanted and row.within == "image" and row.value is not None and np.isfinite(row.value)
    }
    missing = tuple(rule.metric for rule in RULES if rule.metric not in numbers)
    model, method, layer, source, content, group, target = key
    found = Explained(model, method, layer, source, content, group, target, "not measured", numbers, missing)
    fault = next((rule.state for rule in RULES if found.broken(rule)), None)
    state: State = fault or ("usable" if found.whole else "usable as far as asked" if numbers else "not measured")
    return Explained(model, method, layer, source, content, group, target, state, numbers, missing)


def shares(found: Sequence[Explained]) -> tuple[str, ...]:
    """In words how many explanations are usable, and how many have each fault: always of those that were asked."""
    whole = [each for each in found if each.whole]
    rest = [each for each in found if not each.whole]
    told = []
    if whole:
        told.append(f"every check: {sum(each.state == 'usable' for each in whole)} of {len(whole)} passed")
    if rest:
        fine = sum(each.state == "usable as far as asked" for each in rest)
        told.append(f"quick checks only: {fine} of {len(rest)} passed")
    for state in dict.fromkeys(rule.state for rule in RULES):
        answers = [[each.broken(rule) for rule in RULES if rule.state == state] for each in found]
        asked = [each for each in answers if any(one is not None for one in each)]
        if bad := sum(any(each) for each in asked):
            told.append(f"{state}: {bad} of {len(asked)} asked")
    return tuple(told)
