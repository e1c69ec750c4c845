"""Verdicts: what may be done with one explanation, and with a method on a model. Every limit is in `thresholds`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whyscan.stats.differences import Difference, mean_interval, paired
from whyscan.trust import answer, names, select, thresholds
from whyscan.trust.answer import Finding
from whyscan.trust.every import range_of
from whyscan.trust.table import Row

State = Literal[
    "blank", "constant", "not converged", "unstable", "fails sanity", "off-tissue", "usable", "not measured"
]
Grade = Literal["recommended", "use with care", "fails"]


@dataclass(frozen=True, slots=True)
class Explained:
    """One explanation's verdict.

    Attributes:
        model, method, layer, source, content, group, target: which.
        state: the first thing that is wrong with it, worst first; "usable" where nothing is that was measured.
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


_RULES: tuple[tuple[State, str, Callable[[float], bool]], ...] = (
    ("blank", names.BLANK, lambda value: value >= 1),
    ("constant", names.CONSTANT, lambda value: value >= 1),
    ("fails sanity", names.RANDOMISED, lambda value: abs(value) > thresholds.SANE.value),
    ("fails sanity", names.MISTAUGHT, lambda value: abs(value) > thresholds.TAUGHT.value),
    ("unstable", names.SEEDS, lambda value: value < thresholds.STABLE.value),
    ("unstable", names.FLIPS, lambda value: value < thresholds.FLIPPED.value),
    ("off-tissue", names.tissue("background"), lambda value: value > thresholds.OFF_TISSUE.value),
    ("not converged", names.CONVERGED, lambda value: value < 1),
)
"""Worst first: a blank map is stable and off no tissue, and still says nothing. Last what more evaluations
would mend."""


def explained(rows: Sequence[Row]) -> list[Explained]:
    """A verdict for every explanation of the table, in its order; the null explanations have none."""
    of: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if not names.is_null(row.method):
            key = (row.model, row.method, row.layer, row.source, row.content, row.group, row.target)
            of.setdefault(key, []).append(row)
    return [_explained(key, each) for key, each in of.items()]


def _explained(key: tuple[str, ...], rows: Sequence[Row]) -> Explained:
    wanted = {metric for _, metric, _ in _RULES}
    numbers = {
        row.metric: float(row.value)
        for row in rows
        if row.metric in wanted and row.within == "image" and row.value is not None and np.isfinite(row.value)
    }
    missing = tuple(dict.fromkeys(metric for _, metric, _ in _RULES if metric not in numbers))
    state: State = next(
        (state for state, metric, bad in _RULES if metric in numbers and bad(numbers[metric])),
        "usable" if numbers else "not measured",
    )
    model, method, layer, source, content, group, target = key
    return Explained(model, method, layer, source, content, group, target, state, numbers, missing)


@dataclass(frozen=True, slots=True)
class Judged:
    """A method on a model.

    Attributes:
        model, method: which.
        grade: recommended, use with care, or fails.
        reasons: why it is not "recommended"; empty where it is.
        evidence: the figures.
        states: how many explanations are in each state.
    """

    model: str
    method: str
    grade: Grade
    reasons: tuple[str, ...]
    evidence: tuple[Finding, ...]
    states: Mapping[str, int]


def judged(rows: Sequence[Row]) -> list[Judged]:
    """A verdict for every method on every model, by the layer that it is judged by."""
    own = select.main_rows(rows)
    states: dict[tuple[str, str], dict[str, int]] = {}
    for each in explained(own):
        found = states.setdefault((each.model, each.method), {})
        found[each.state] = found.get(each.state, 0) + 1
    return [_judged(own, model, method, found) for (model, method), found in states.items()]


def _judged(own: Sequence[Row], model: str, method: str, states: Mapping[str, int]) -> Judged:
    mine = [row for row in own if row.model == model]
    fails: list[str] = []
    care: list[str] = []
    evidence: list[Finding] = []
    measured = max(1, sum(states.values()) - states.get("not measured", 0))
    unsettled = states.get("not converged", 0) / measured
    sound = states.get("usable", 0) / measured + unsettled
    if sound < thresholds.BROKEN.value:
        fails.append(f"only {answer.percent(sound)} of its explanations are usable")
    elif sound < thresholds.USABLE.value:
        care.append(f"{answer.percent(1 - sound)} of its explanations are not usable")
    if unsettled > 1 - thresholds.USABLE.value:
        # what was spent is no fault of the method: it costs the recommendation, and is never why it fails
        care.append(f"{answer.percent(unsettled)} of its explanations had not settled within their evaluations")
    for check in (_sanity, _stability, _faithfulness, _localisation):
        line, bad, doubt = check(mine, method)
        evidence += line
        fails += bad
        care += doubt
    grade: Grade = "fails" if fails else "use with care" if care else "recommended"
    return Judged(model, method, grade, (*fails, *care), tuple(evidence), dict(states))


Check = tuple[list[Finding], list[str], list[str]]
"""Evidence, reasons to fail, reasons for care."""


def _level(mine: Sequence[Row], metric: str, method: str) -> Finding | None:
    found = {scan: value for (_, name, scan), value in select.values(mine, metric).items() if name == method}
    if not found:
        return None
    groups = {row.content: row.group for row in mine}
    numbers, of = np.array(list(found.values())), [groups[scan] for scan in found]
    low, high = mean_interval(numbers, of, rng=np.random.default_rng(0), within=range_of(metric))
    return Finding(metric, float(numbers.mean()), answer.number(low), answer.number(high), len(set(of)))


def _sanity(mine: Sequence[Row], method: str) -> Check:
    """The map of a model that knows nothing must be another one; taught shuffled labels only where that is cheap."""
    lines, fails, care = [], [], []
    for metric, limit, other in (
        (names.RANDOMISED, thresholds.SANE, "a random model"),
        (names.MISTAUGHT, thresholds.TAUGHT, "the model taught shuffled labels"),
    ):
        line = _level(mine, metric, method)
        if line is None or line.value is None:
            if metric == names.RANDOMISED:
                care.append("sanity was not measured")
            continue
        lines.append(line)
        high = line.value if line.high is None else line.high
        if line.value > limit.value:
            fails.append(f"fails sanity: its map of {other} is as alike as {line.value:.2f}")
        elif high > limit.value:
            care.append(f"sanity is not sure: likeness with {other} {line.value:.2f}, up to {high:.2f}")
    return lines, fails, care


def _stability(mine: Sequence[Row], method: str) -> Check:
    lines, care = [], []
    for metric, end in ((names.SEEDS, thresholds.STABLE.value), (names.FLIPS, thresholds.FLIPPED.value)):
        line = _level(mine, metric, method)
        if line is None or line.value is None:
            if metric == names.FLIPS:
                care.append("stability under flips was not measured")
            continue  # a method without chance in it has no seeds
        lines.append(line)
        low = line.value if line.low is None else line.low
        if low < end:
            care.append(f"{metric} {answer.minus(f'{line.value:.2f}')}, and {end} is asked of its low end")
    return lines, [], care


def _faithfulness(mine: Sequence[Row], method: str) -> Check:
    """Hiding what the map calls important must lower the score more than the same cells' weight on a random map says.

    By sensitivity-n: on the phantom benchmark, where the reason is known, it tells the truth from a random map; the
    commoner deletion AUC hardly does.
    """
    return _beside(mine, method, names.SENSITIVITY_N, "null: random", said="faithfulness")


def _localisation(mine: Sequence[Row], method: str) -> Check:
    """The map must lie in the tumour more than a bump in the middle of the image does."""
    return _beside(mine, method, names.ENERGY, "null: centre", said="localisation")


def _beside(mine: Sequence[Row], method: str, metric: str, null: str, *, said: str) -> Check:
    """More of the metric than the null has is better."""
    found = select.values(mine, metric)
    ours, theirs = ({scan: v for (_, name, scan), v in found.items() if name == each} for each in (method, null))
    if not theirs:  # without the null method the metric's own level of chance, where it was measured
        null = f"{metric} chance"
        by_chance = select.values(mine, null)
        theirs = {scan: v for (_, name, scan), v in by_chance.items() if name == method}
    scans = [scan for scan in ours if scan in theirs]
    if not scans:
        return [], [], [f"{said} was not measured beside {names.title(null)}"]
    groups = {row.content: row.group for row in mine}
    sides = (np.array([of[scan] for scan in scans]) for of in (ours, theirs))
    a, b = sides
    tested: Difference = paired(a, b, [groups[scan] for scan in scans], within=range_of(metric))
    line = answer.finding(f"{metric}, less that of '{null}'", tested)
    word = answer.judge(tested)
    if word == "more":
        return [line], [], []
    sure = word == "less" or answer.surely_small(tested)
    if sure:
        than = "worse than" if word == "less" else "no better than"
        told = answer.points(tested) if metric == names.ENERGY else answer.plainly(tested)
        reason = f"{said} is {than} {names.title(null)} ({told})"
        # looking past the tumour may be the model's doing; being unfaithful is the method's
        return ([line], [reason], []) if said == "faithfulness" else ([line], [], [reason])
    return [line], [], [f"{said}: too few to tell from {names.title(null)} ({answer.enough(tested)})"]
