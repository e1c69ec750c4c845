"""Question 6: which cues would have been enough to tell the classes apart, and does the model use them?

The audit says what a rule that sees only the cue gets right. The edits take the cue away from every scan and count the
predictions that change. A cue that predicts the label and that the model uses is a shortcut. Edits rest on the scans of
the trust run, where wrong answers are frequent on purpose, so shares are of these scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whyscan.stats.differences import mean_interval, paired
from whyscan.stats.tests import share_test
from whyscan.trust import answer
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.edits import EDITS
from whyscan.trust.thresholds import CUE, FEWEST, LEVEL, TAIL

NUMBER = 6
QUESTION = "Does the model use shortcut cues that would have been enough?"
SUBSETS = ("test-clean", "holdout", "validation", "test", "test-leaked")
"""Which of the audit's subsets speaks for a cue: one that no copy of a training scan flatters, where there is one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One edit's effect on one model.

    Attributes:
        model, edit: which.
        share: of the predictions that change, with its interval and the test of whether that is more than any edit
            changes, corrected over all edits and models.
        fall: how much less probable the predicted class becomes.
        accuracy: its change, where labels are known.
        word, rests: whether the model uses what was taken away, and whether it rests on it.
    """

    model: str
    edit: str
    share: Finding
    fall: Finding
    accuracy: Finding | None
    word: Word
    rests: Word


def cues(
    table: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]] = (), best: str | None = None
) -> Answer:
    """Of a table of edits: rows with model, edit, content, group, label, predicted, after, probability and
    probability_after (both of the class that was predicted before).

    Args:
        found: the audit's cues, as audit.json has them.
    """
    changes = _changes(table)
    if not changes:
        audit = _audit(found, (), "")
        return Answer(NUMBER, QUESTION, "not measured", f"Not measured: no scan was edited. {audit}".strip())
    models = list(dict.fromkeys(change.model for change in changes))
    model = best if best in models else models[0]
    mine = [each for each in changes if each.model == model]
    tested = [each for each in mine if not _control(each.edit)]
    words = [each.word for each in tested]
    verdict: Word = next((word for word in ("yes", "too few to tell", "no") if word in words), "not measured")
    lines = [line for each in changes for line in (each.share, each.fall, each.accuracy) if line is not None]
    parts = [(f"{each.model} uses the {each.edit}", each.word) for each in changes if not _control(each.edit)]
    parts += [(f"{each.model} rests on the {each.edit}", each.rests) for each in changes if _uses(each)]
    parts += [
        (f"{model} uses '{cue['name']}', which the audit found to predict the label", _together(takers))
        for cue in _strongest(found)
        if (takers := _takers(cue, tested))
    ]
    sentence = " ".join(each for each in (_sentence(model, tested, found), _controls(mine)) if each)
    return Answer(
        NUMBER, QUESTION, verdict, f"{sentence}\n{_sample(table, model)}", (*lines, *_evidence(found, tested)),
        tuple(parts),
        ("An edited scan is one that no model was trained on: part of a change may be that alone. How much is known "
         "only for the tumour's edit, beside a healthy patch of the tumour's area; no edit of the area of the skull, "
         "the border or the background was made for comparison.",
         "Whether a model uses a cue is tested for all edits and models together (Holm), and so are changes of "
         "accuracy."),
        _figure(changes), short=_short(model, tested),
    )  # fmt: skip


def _control(edit: str) -> bool:
    return edit in EDITS and EDITS[edit].control


def _uses(change: Change) -> bool:
    return change.word == "yes" and not _control(change.edit)


def _changes(table: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Every edit of every model; tests are corrected over those that are no controls."""
    of: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in table:
        of.setdefault((str(row["model"]), str(row["edit"])), []).append(row)
    shares = {key: _share(rows, *key) for key, rows in of.items()}
    family = [key for key in of if not _control(key[1])]
    used, rested = (_beyond(shares, of, family, limit) for limit in (CUE.value, TAIL.value))
    for key in family:
        if key in used:
            p, corrected = used[key]
            against = f"tested against {answer.percent(CUE.value)}"
            shares[key] = replace(shares[key], p=p, corrected=corrected, correction="Holm", reason=against)
    accuracy = [_accuracy(rows, *key) for key, rows in of.items()]
    known = iter(answer.corrected([line for line in accuracy if line is not None]))
    return [
        Change(
            *key, shares[key], _fall(rows, *key), None if line is None else next(known),
            _word(shares[key], CUE.value, used.get(key)), _word(shares[key], TAIL.value, rested.get(key)),
        )
        for (key, rows), line in zip(of.items(), accuracy, strict=True)
    ]  # fmt: skip


Key = tuple[str, str]
"""(model, edit)"""


def _beyond(
    shares: Mapping[Key, Finding], of: Mapping[Key, Sequence[Mapping[str, Any]]], family: Sequence[Key], limit: float
) -> dict[Key, tuple[float, float]]:
    """The p-value of a share that is the limit, as it is and corrected, of all that have an interval."""
    keys = [key for key in family if shares[key].low is not None]
    p = [share_test(_changed(of[key]) > 0, _groups(of[key]), limit) for key in keys]
    return dict(zip(keys, zip(p, answer.correct(p), strict=True), strict=True))


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(row["group"]) for row in rows]


def _changed(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([row["predicted"] != row["after"] for row in rows], float)


def _share(rows: Sequence[Mapping[str, Any]], model: str, edit: str) -> Finding:
    changed, groups = _changed(rows), _groups(rows)
    low, high = mean_interval(changed, groups, rng=np.random.default_rng(0), within=(0.0, 1.0))
    return Finding(f"{model}: predictions that change without the {edit}", float(changed.mean()), answer.number(low),
                   answer.number(high), len(set(groups)), share=True)  # fmt: skip


def _fall(rows: Sequence[Mapping[str, Any]], model: str, edit: str) -> Finding:
    before, after = (np.array([row[key] for row in rows], float) for key in ("probability", "probability_after"))
    fall = paired(before, after, _groups(rows), within=(0.0, 1.0))
    name = f"{model}: fall of the predicted class's probability without the {edit}"
    return Finding(name, fall.value, answer.number(fall.low), answer.number(fall.high), fall.n, share=True, signed=True)


def _accuracy(rows: Sequence[Mapping[str, Any]], model: str, edit: str) -> Finding | None:
    known = [row for row in rows if row.get("label")]
    if not known:
        return None
    before, after = (np.array([row[key] == row["label"] for row in known], float) for key in ("predicted", "after"))
    found = paired(after, before, _groups(known), within=(0.0, 1.0))
    return answer.finding(f"{model}: change of accuracy without the {edit}", found, share=True)


def _word(share: Finding, limit: float, tested: tuple[float, float] | None) -> Word:
    """Whether a share is surely above a limit: by the corrected p-value and the interval; or surely not."""
    if (share.n or 0) < FEWEST.value or share.low is None or share.high is None:
        return "too few to tell"
    if share.low > limit and (tested is None or tested[1] < LEVEL.value):
        return "yes"
    return "no" if share.high <= limit else "too few to tell"


def _sentence(model: str, tested: Sequence[Change], found: Sequence[Mapping[str, Any]]) -> str:
    told = [_audit(found, tested, model)] if found else []
    used = _by_share(each for each in tested if each.word == "yes")
    few = _by_share(each for each in tested if each.word == "too few to tell")
    none = [each for each in tested if each.word == "no"]
    if used:
        told.append(f"{model} changes its answer when these are taken away: {_list(used)}.")
        for word, says in (("yes", "It rests on {}."), ("too few to tell", "Whether it rests on {} cannot be told.")):
            if rests := [each for each in used if each.rests == word]:
                told.append(says.format(" and ".join(f"the {each.edit}" for each in rests)))
        without = [each for each in used if not any(_takers(cue, [each]) for cue in _strongest(found))]
        if without and found:
            names = " or ".join(f"the {each.edit}" for each in without)
            told.append(f"Whether {names} alone would have been enough was not measured by the audit.")
    if none:
        told.append(
            f"It does not use (surely at most {answer.percent(CUE.value)} of its answers change): {_list(none)}."
        )
    if few:
        told.append(f"{'For the others there' if used or none else 'There'} are too few scans to tell: {_list(few)}.")
    return " ".join(told)


def _by_share(changes: Any) -> list[Change]:
    return sorted(changes, key=lambda each: -(each.share.value or 0))


def _list(changes: Sequence[Change]) -> str:
    return ", ".join(f"the {each.edit} {_figures(each.share)}" for each in changes)


def _controls(mine: Sequence[Change]) -> str:
    """What hiding the tumour does, and as much healthy tissue; and where that was not possible, that it was not."""
    by = {each.edit: each for each in mine}
    told = [
        f"Hiding {EDITS[name].removes} changes {_figures(by[name].share)}." for name in EDITS
        if _control(name) and name in by
    ]  # fmt: skip
    if "tumour" in by and "healthy patch" not in by:
        told.append(
            "On no scan could a healthy patch of its area be hidden, so it is not known how much of that is due to "
            "hiding anything at all."
        )
    return " ".join(told)


def _sample(table: Sequence[Mapping[str, Any]], model: str) -> str:
    """Whose shares these are."""
    told = {str(row["content"]): row["label"] == row["predicted"] for row in table
            if row["model"] == model and row.get("label")}  # fmt: skip
    scans = len({str(row["content"]) for row in table if row["model"] == model})
    wrong = f", {sum(not right for right in told.values())} of which {model} gets wrong unedited" if told else ""
    return (
        f"These are shares of the {scans} scans that were edited{wrong}, not of all scans: they were chosen by class, "
        "and up to half of a class for being answered wrongly, which are answers that change more easily."
    )


def _short(model: str, tested: Sequence[Change]) -> str:
    used = _by_share(each for each in tested if each.word == "yes")
    few = sum(each.word == "too few to tell" for each in tested)
    others = f"for {few} {'other cue' if few == 1 else 'other cues'} there are too few scans to tell"
    if used:
        rests = [f"the {each.edit}" for each in used if each.rests == "yes"]
        uses = [f"the {each.edit}" for each in used if each.rests != "yes"]
        told = [f"rests on {' and '.join(rests)}"] if rests else []
        told += [f"uses {' and '.join(uses)}"] if uses else []
        return f"{model} {', and '.join(told)}{f'; {others}' if few else ''}."
    if few == len(tested):
        return f"There are too few scans to tell whether {model} uses any of the cues that were taken away."
    if few:
        return (
            f"No cue that was taken away is surely used by {model}; for {few} of {len(tested)} there are too few scans."
        )
    return f"{model} uses none of the cues that were taken away."


def _figures(line: Finding) -> str:
    return f"{answer.percent(line.value)} {answer.between(line.low, line.high, scale=100, digits=0)} (n = {line.n})"


def _strongest(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of the cues that the audit flagged each with its most telling question, on the subset that speaks for it; the
    most telling first: by how many of the mistakes of always giving the most frequent answer it saves."""

    def rank(cue: Mapping[str, Any]) -> int:
        return SUBSETS.index(cue["subset"]) if cue["subset"] in SUBSETS else len(SUBSETS)

    def saved(cue: Mapping[str, Any]) -> float:
        return float(cue["accuracy"] - cue["majority"]) / max(1 - float(cue["majority"]), 1e-9)

    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for cue in sorted((cue for cue in found if cue.get("flag")), key=rank):
        best.setdefault((cue["name"], cue["question"]), cue)
    by: dict[str, Mapping[str, Any]] = {}
    for cue in sorted(best.values(), key=saved, reverse=True):
        by.setdefault(str(cue["name"]), cue)
    return list(by.values())


def _takers(cue: Mapping[str, Any], tested: Sequence[Change]) -> list[Change]:
    """The edits that take an audited cue away."""
    return [each for each in tested if each.edit in EDITS and cue["name"] in EDITS[each.edit].cues]


def _together(takers: Sequence[Change]) -> Word:
    words = {each.word for each in takers}
    return "yes" if "yes" in words else "too few to tell" if "too few to tell" in words else "no"


def _alone(cue: Mapping[str, Any]) -> str:
    ends = answer.between(cue["low"], cue["high"], scale=100, digits=0)
    return (
        f"'{cue['name']}' alone answers '{cue['question']}' with {answer.percent(cue['accuracy'])} {ends} on "
        f"{cue['subset']} ({answer.percent(cue['majority'])} by always giving the most frequent answer)"
    )


def _audit(found: Sequence[Mapping[str, Any]], tested: Sequence[Change], model: str) -> str:
    """The strongest cue that an edit takes away, and whether the model uses it; and what no edit takes away."""
    flagged = _strongest(found)
    if not flagged:
        return "The audit found no rule without anatomy that predicts the label." if found else ""
    taken = [cue for cue in flagged if _takers(cue, tested)]
    told = []
    if taken:
        takers = _takers(taken[0], tested)
        edits = " and ".join(f"'{each.edit}'" for each in takers)
        says = {
            "yes": f"{model} uses it", "no": f"{model} does not use it",
        }.get(_together(takers), f"there are too few scans to tell whether {model} uses it")  # fmt: skip
        told.append(f"By the audit, {_alone(taken[0])}; taken away by {edits}, {says}.")
    left = [cue for cue in flagged if not _takers(cue, tested)]
    if left:
        lead = "No edit was made that takes away" if tested else "By the audit,"
        names = ", ".join(_alone(cue) for cue in left[:1])
        more = f", and {len(left) - 1} more" if len(left) > 1 else ""
        told.append(f"{lead} what else the audit found: {names}{more}." if tested else f"{lead} {names}{more}.")
    return " ".join(told)


def _evidence(found: Sequence[Mapping[str, Any]], tested: Sequence[Change]) -> list[Finding]:
    lines = []
    for cue in found:
        if cue.get("flag"):
            takers = _takers(cue, tested)
            uses = ", ".join(f"'{each.edit}' takes it away: {each.word}" for each in takers)
            name = f"audit: '{cue['name']}' alone, {cue['question']}, {cue['subset']}"
            lines.append(
                Finding(name, cue["accuracy"], cue["low"], cue["high"], cue["n"], share=True, chance=cue["majority"],
                        reason=f"used? {uses}" if takers else "no edit takes it away")
            )  # fmt: skip
    return lines


def _figure(changes: Sequence[Change]) -> dict[str, Any]:
    n: dict[str, list[int]] = {}
    for each in changes:
        n.setdefault(each.edit, []).append(each.share.n or 0)
    entries = [
        answer.dot(f"{each.edit} (n = {_span(n[each.edit])})", each.share.value, each.share.low, each.share.high,
                   each.model, sure=None if _control(each.edit) else each.word != "too few to tell")
        for each in changes
        if each.share.value is not None and each.share.low is not None and each.share.high is not None
    ]  # fmt: skip
    return answer.dots(
        "Predictions that change when something is taken away from the scan",
        "share of predictions, with 95 % interval", entries, reference=CUE.value, reference_name="any edit",
        percent=True,
        note="n counts independent groups of scans; 'too few to tell' is hollow. 'tumour' and 'healthy patch' are no "
        "cues: hiding the tumour should change answers, hiding as much healthy tissue should not. That patch has the "
        "tumour's area, and is no measure for edits that change more of the picture.",
    )  # fmt: skip


def _span(counts: Sequence[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
