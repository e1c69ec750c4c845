"""Verdicts: what may be done with a method on a model. Every limit is in `thresholds`.

Each check has three ends: passed where the whole 95 % interval lies on the good side of the limit, failed where all of
it lies on the other, and between the two, or with too few groups of scans, "use with care".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from whyscan.render.numerals import minus
from whyscan.stats.differences import Difference, paired
from whyscan.stats.intervals import proportion, resample_mean
from whyscan.trust import answer, judging, names, select, states, thresholds, wording
from whyscan.trust.answer import Finding
from whyscan.trust.every import range_of
from whyscan.trust.states import Explained, Rule, explained
from whyscan.trust.table import Row

UNSETTLED = "not settled within their evaluations"
Grade = Literal["recommended", "use with care", "fails"]
Side = Literal["good", "bad", "unsure", "few"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A method on a model.

    Attributes:
        model, method: which.
        grade: recommended, use with care, or fails.
        reasons: why it is not "recommended"; empty where it is.
        evidence: the figures.
        states: how many explanations are in each state.
        shares: in words, how many are usable and how many have each fault, of those that were asked.
        open: whether nothing is known against it, but too little was measured to recommend it.
    """

    model: str
    method: str
    grade: Grade
    reasons: tuple[str, ...]
    evidence: tuple[Finding, ...]
    states: Mapping[str, int]
    shares: tuple[str, ...]
    open: bool = False


def judged(rows: Sequence[Row]) -> list[Judged]:
    """A verdict for every method on every model, by the layer that it is judged by."""
    own = select.main_rows(rows)
    by: dict[tuple[str, str], list[Explained]] = {}
    for each in explained(own):
        by.setdefault((each.model, each.method), []).append(each)
    of: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in own:
        of[row.model, row.method].append(row)
    return [
        _judged([row for name in (method, _RANDOM, *_DRAWN) for row in of[model, name]], model, method, found)
        for (model, method), found in by.items()
    ]


def _judged(mine: Sequence[Row], model: str, method: str, found: Sequence[Explained]) -> Judged:
    """By the rows of the method and of the null explanations that it has to be better than."""
    checks = [_present(found), *(check(mine, method, found) for check in (_sanity, _stability))]
    checks += [beside(mine, method) for beside in (_faithfulness, _localisation)]
    fails = [reason for each in checks for reason in each.fails]
    care = [reason for each in checks for reason in each.care]
    doubts = [reason for each in checks for reason in each.doubts]
    evidence = [line for each in checks for line in each.evidence]
    grade: Grade = "fails" if fails else "use with care" if care or doubts else "recommended"
    count: dict[str, int] = {}
    for each in found:
        count[each.state] = count.get(each.state, 0) + 1
    reasons = (*fails, *care, *doubts)
    nothing_known = bool(doubts) and not fails and not care
    return Judged(model, method, grade, reasons, tuple(evidence), count, states.shares(found), nothing_known)


_RANDOM, _CENTRE = names.NULL + "random", names.NULL + "centre"
_DRAWN = tuple(names.NULL + name for name in names.NULLS if name != "random")


@dataclass(slots=True)
class Check:
    """What one check found: evidence, reasons to fail, reasons for care, and what could not be told."""

    evidence: list[Finding] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    care: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def _present(found: Sequence[Explained]) -> Check:
    """Nearly all maps must be pictures of a patient, and settled.

    Too few evaluations cost the recommendation, and are never why a method fails: what was spent is no fault of it.
    """
    check = Check()
    most = 1 - thresholds.USABLE.value
    for what, rules in (
        ("blank, constant or off-tissue", states.PRESENT),
        (UNSETTLED, (states.CONVERGED,)),
    ):
        answers = [(each.group, [each.broken(rule) for rule in rules]) for each in found]
        asked = [(group, any(one)) for group, one in answers if any(each is not None for each in one)]
        if not asked:
            continue
        share, line = f"{sum(hit for _, hit in asked)} of {len(asked)}", _share(what, asked)
        check.evidence.append(line)
        side = _side(line, most, "above")
        if rules == states.PRESENT and _side(line, thresholds.BROKEN.value, "above") == "bad":
            check.fails.append(f"{share} explanations are {what}")
        elif side == "bad":
            check.care.append(f"{share} explanations are {what}")
        elif side != "good" and (line.value or 0) > most:
            check.doubts.append(f"{share} explanations are {what}: {_apart(wording.percent(most))}")
        elif side != "good":
            check.doubts.append(f"too few to tell whether at most {wording.percent(most)} are {what} ({share})")
    return check


def _share(what: str, hits: Sequence[tuple[str, bool]]) -> Finding:
    values, groups = np.array([hit for _, hit in hits], np.float64), [group for group, _ in hits]
    low, high = proportion(values, groups, resample_mean(values, groups, rng=np.random.default_rng(0)))
    return Finding(what, float(values.mean()), low, high, len(set(groups)), share=True)


def _side(line: Finding, limit: float, bad: Literal["above", "below"]) -> Side:
    """On which side of the limit the whole interval lies; at the limit is good.

    Figures that are the same on every scan have no spread to make an interval of (another seed changes nothing where
    nothing is drawn). That so many groups all lie on one side of the limit is then what is sure, by the sign test.
    """
    low, high = (line.value, line.value) if line.reason == _SAME else (line.low, line.high)
    if low is None or high is None or (line.n or 0) < thresholds.FEWEST.value:
        return "few"
    all_, any_ = (low > limit, high > limit) if bad == "above" else (high < limit, low < limit)
    return "bad" if all_ else "unsure" if any_ else "good"


def _apart(limit: str) -> str:
    return f"cannot be told apart from the limit of {limit}"


def _level(mine: Sequence[Row], rule: Rule, method: str) -> Finding | None:
    """The mean of what a rule looks at, as it looks at it."""
    found = {
        scan: rule.figure(value)
        for (_, name, scan), value in select.values(mine, rule.metric).items()
        if name == method
    }
    if not found:
        return None
    groups = {row.content: row.group for row in mine}
    numbers, of = np.array(list(found.values())), [groups[scan] for scan in found]
    least, most = range_of(rule.metric)
    within = (0, most) if rule.unsigned else (least, most)
    name = f"{rule.metric}, of either sign" if rule.unsigned else rule.metric
    if len(numbers) > 1 and np.isclose(numbers, numbers.mean()).all():
        return Finding(name, float(numbers.mean()), n=len(set(of)), reason=_SAME)
    return answer.mean(name, numbers, of, within=within)


_SAME = "the same on every scan"


def _held(
    kind: str, rules: Sequence[tuple[Rule, str]], mine: Sequence[Row], method: str, found: Sequence[Explained]
) -> Check:
    """The mean of each rule's figure against its limit; where it holds, still not too many single maps beyond it."""
    check = Check()
    fewest: list[int] = []
    missing: list[str] = []
    for rule, what in rules:
        line = _level(mine, rule, method)
        if line is None or line.value is None:
            missing += [what] if rule.asked else []
            continue
        check.evidence.append(line)
        side = _side(line, rule.limit, rule.side)
        told = f"{what} {minus(f'{line.value:.2f}')} {line.reason or wording.between(line.low, line.high)}"
        answers = [each for one in found if (each := one.broken(rule)) is not None]
        if side == "few":
            fewest.append(line.n or 0)
        elif side == "bad":
            surely = f"{rule.state}: {told}, all {rule.side} the limit of {rule.limit}"
            # another seed is another map where too little was spent: as with what has not settled
            (check.care if rule == states.SEEDS else check.fails).append(surely)
        elif side == "unsure":
            check.doubts.append(f"{kind}: {told} {_apart(str(rule.limit))}")
        elif len(answers) - sum(answers) < thresholds.USABLE.value * len(answers):
            check.care.append(f"{rule.state}: {sum(answers)} of {len(answers)} explanations asked, by {what}")
    if fewest:
        check.doubts.append(
            f"{kind}: too few to tell ({wording.groups(min(fewest))}; a verdict needs {thresholds.FEWEST.value:.0f})"
        )
    check.doubts += [f"{what} was not measured" for what in (missing if check.evidence else [kind])]
    return check


def _sanity(mine: Sequence[Row], method: str, found: Sequence[Explained]) -> Check:
    """The map of a model that knows nothing must be another one; taught shuffled labels only where that is cheap."""
    others = ((states.SANE, "a random model"), (states.TAUGHT, "the model taught shuffled labels"))
    return _held("sanity", [(rule, f"likeness with the map of {other}") for rule, other in others], mine, method, found)


def _stability(mine: Sequence[Row], method: str, found: Sequence[Explained]) -> Check:
    rules = (states.SEEDS, states.FLIPS, states.TURNS)
    return _held("stability", [(rule, names.said(rule.metric)) for rule in rules], mine, method, found)


def _faithfulness(mine: Sequence[Row], method: str) -> Check:
    """Hiding what the map calls important must lower the score more than the same cells' weight on a random map says.

    By sensitivity-n: on the phantom benchmark, where the reason is known, it tells the truth from a random map; the
    commoner deletion AUC hardly does. Nor should an edge detector, or whatever else knows the scan alone, do as well.
    """
    check = _beside(mine, method, names.SENSITIVITY_N, _RANDOM, said="faithfulness")
    # what knows the scan and not the model may be faithful by luck: no better than that is no reason to show a map
    found = select.values(mine, names.SENSITIVITY_N)
    means = {
        null: float(np.mean(values))
        for null in _DRAWN
        if (values := [value for (_, name, _), value in found.items() if name == null])
    }
    if means and not check.fails:
        best = max(means, key=lambda null: means[null])
        more = _beside(mine, method, names.SENSITIVITY_N, best, said="faithfulness")
        name = f"{names.SENSITIVITY_N}, less that of the best map of the scan alone"
        check.evidence += [replace(line, name=name, reason=names.title(best)) for line in more.evidence]
        check.care += [*more.fails, *more.care]
        check.doubts += more.doubts
    return check


def _localisation(mine: Sequence[Row], method: str) -> Check:
    """The map must lie in the tumour more than a bump in the middle of the image does."""
    return _beside(mine, method, names.ENERGY, _CENTRE, said="localisation")


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
        return Check(doubts=[f"{said} was not measured beside {names.title(null)}"])
    groups = {row.content: row.group for row in mine}
    sides = (np.array([of[scan] for scan in scans]) for of in (ours, theirs))
    a, b = sides
    tested: Difference = paired(a, b, [groups[scan] for scan in scans], within=range_of(metric))
    line = answer.finding(f"{metric}, less that of '{null}'", tested)
    word = judging.judge(tested)
    if word == "more":
        return Check([line])
    sure = word == "less" or judging.surely_small(tested)
    if sure:
        than = "worse than" if word == "less" else "no better than"
        told = wording.points(tested) if metric == names.ENERGY else wording.plainly(tested)
        reason = f"{said} is {than} {names.title(null)} ({told})"
        # looking past the tumour may be the model's doing; being unfaithful is the method's
        return Check([line], [reason]) if said == "faithfulness" else Check([line], care=[reason])
    return Check([line], doubts=[f"{said}: too few to tell from {names.title(null)} ({wording.enough(tested)})"])
