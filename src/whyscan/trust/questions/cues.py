"""Question 6: which cues would have been enough to tell the classes apart, and does the model use them?

The audit says what a rule that sees only the cue gets right. The edits take the cue away from every scan and count the
predictions that change. A cue that predicts the label and that the model uses is a shortcut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyscan.stats.differences import mean_interval, paired
from whyscan.stats.intervals import Interval, hull, percentile, resample_mean, wilson
from whyscan.trust import answer
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.edits import EDITS
from whyscan.trust.thresholds import CUE, FEWEST, TAIL

NUMBER = 6
QUESTION = "Does the model use shortcut cues that would have been enough?"
FEW = 10


@dataclass(frozen=True, slots=True)
class Change:
    """One edit's effect on one model.

    Attributes:
        model, edit: which.
        share: of the predictions that change, with its interval.
        fall: how much less probable the predicted class becomes.
        accuracy: its change, where labels are known.
        word: whether the model uses what was taken away.
    """

    model: str
    edit: str
    share: Finding
    fall: Finding
    accuracy: Finding | None
    word: Word


def cues(
    table: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]] = (), best: str | None = None
) -> Answer:
    """Of a table of edits: rows with model, edit, content, group, label, predicted, after, probability and
    probability_after (both of the class that was predicted before).

    Args:
        found: the audit's cues, as audit.json has them.
    """
    changes = [_change(table, model, edit) for model, edit in dict.fromkeys((r["model"], r["edit"]) for r in table)]
    if not changes:
        return Answer(NUMBER, QUESTION, "not measured", f"Not measured: no scan was edited. {_audit(found)}".strip())
    models = list(dict.fromkeys(change.model for change in changes))
    model = best if best in models else models[0]
    tested = [each for each in changes if each.model == model and not _control(each.edit)]
    words = [each.word for each in tested]
    verdict: Word = next((word for word in ("yes", "too few to tell", "no") if word in words), "not measured")
    lines = [line for each in changes for line in (each.share, each.fall, each.accuracy) if line is not None]
    parts = tuple((f"{each.model} uses the {each.edit}", each.word) for each in changes if not _control(each.edit))
    controls = [each for each in changes if each.model == model and _control(each.edit)]
    return Answer(
        NUMBER, QUESTION, verdict, _sentence(model, tested, controls, found), (*lines, *_evidence(found)), parts,
        ("An edited scan is one that no model was trained on: part of a change may be that alone. The healthy patch "
         "shows how much.",),
        _figure(changes), short=_short(model, tested),
    )  # fmt: skip


def _control(edit: str) -> bool:
    return edit in EDITS and EDITS[edit].control


def _change(table: Sequence[Mapping[str, Any]], model: str, edit: str) -> Change:
    rows = [row for row in table if row["model"] == model and row["edit"] == edit]
    groups = [str(row["group"]) for row in rows]
    n = len(set(groups))
    changed = np.array([row["predicted"] != row["after"] for row in rows], float)
    rng = np.random.default_rng(0)
    low, high = percentile(resample_mean(changed, groups, rng=rng))
    if min(changed.sum(), (1 - changed).sum()) < FEW:
        low, high = hull(Interval(low, high), wilson(float(changed.mean()), n))
    share = Finding(f"{model}: predictions that change without the {edit}", float(changed.mean()), answer.number(low),
                    answer.number(high), n, share=True)  # fmt: skip
    falls = np.array([row["probability"] - row["probability_after"] for row in rows], float)
    ends = mean_interval(falls, groups, rng=rng)
    fall = Finding(f"{model}: fall of the predicted class's probability without the {edit}", float(falls.mean()),
                   answer.number(ends[0]), answer.number(ends[1]), n, share=True, signed=True)  # fmt: skip
    return Change(model, edit, share, fall, _accuracy(rows, model, edit), _word(low, high, n))


def _accuracy(rows: Sequence[Mapping[str, Any]], model: str, edit: str) -> Finding | None:
    known = [row for row in rows if row.get("label")]
    if not known:
        return None
    before, after = (np.array([row[key] == row["label"] for row in known], float) for key in ("predicted", "after"))
    found = paired(after, before, [str(row["group"]) for row in known])
    return answer.finding(f"{model}: change of accuracy without the {edit}", found, share=True)


def _word(low: float, high: float, n: int) -> Word:
    if n < FEWEST.value or not np.isfinite(low):
        return "too few to tell"
    if low > CUE.value:
        return "yes"
    return "no" if high <= CUE.value else "too few to tell"


def _sentence(
    model: str, tested: Sequence[Change], controls: Sequence[Change], found: Sequence[Mapping[str, Any]]
) -> str:
    told = [_audit(found)] if found else []
    used = sorted((each for each in tested if each.word == "yes"), key=lambda each: -(each.share.value or 0))
    if used:
        what = ", ".join(f"the {each.edit} {_figures(each.share)}" for each in used)
        rests = [each.edit for each in used if (each.share.low or 0) > TAIL.value]
        told.append(f"{model} changes its answer when these are taken away: {what}.")
        if rests:
            told.append(f"It rests on the {' and the '.join(rests)}.")
    elif tested:
        most = max(tested, key=lambda each: each.share.value or 0)
        told.append(
            f"No cue that was taken away surely changes more than {answer.percent(CUE.value)} of {model}'s answers; "
            f"the most is the {most.edit} {_figures(most.share)}."
        )
    for each in controls:
        told.append(f"Hiding {EDITS[each.edit].removes} changes {_figures(each.share)}.")
    return " ".join(told)


def _short(model: str, tested: Sequence[Change]) -> str:
    used = sorted((each for each in tested if each.word == "yes"), key=lambda each: -(each.share.value or 0))
    rests = [f"the {each.edit}" for each in used if (each.share.low or 0) > TAIL.value]
    others = [f"the {each.edit}" for each in used if f"the {each.edit}" not in rests]
    if rests:
        return f"{model} rests on {' and '.join(rests)}{', and uses ' + ' and '.join(others) if others else ''}."
    if others:
        return f"{model} uses {' and '.join(others)}, and rests on no cue."
    if any(each.word == "too few to tell" for each in tested):
        return f"{model} surely uses no cue that was taken away; for some there are too few scans to tell."
    return f"{model} uses none of the cues that were taken away."


def _figures(line: Finding) -> str:
    return f"{answer.percent(line.value)} {answer.between(line.low, line.high, scale=100, digits=0)}"


def _audit(found: Sequence[Mapping[str, Any]]) -> str:
    flagged = [cue for cue in found if cue.get("flag")]
    if not flagged:
        return "The audit found no rule without anatomy that predicts the label." if found else ""
    best = max(flagged, key=lambda cue: cue["accuracy"] - cue["majority"])
    return (
        f"By the audit, '{best['name']}' alone answers '{best['question']}' with {answer.percent(best['accuracy'])} "
        f"({answer.percent(best['majority'])} by always giving the most frequent answer)."
    )


def _evidence(found: Sequence[Mapping[str, Any]]) -> list[Finding]:
    return [
        Finding(f"audit: '{cue['name']}' alone, {cue['question']}, {cue['subset']}", cue["accuracy"], cue["low"],
                cue["high"], cue["n"], share=True, chance=cue["majority"])
        for cue in found
        if cue.get("flag")
    ]  # fmt: skip


def _figure(changes: Sequence[Change]) -> dict[str, Any]:
    entries = [
        answer.dot(each.edit, each.share.value, each.share.low, each.share.high, each.model)
        for each in changes
        if each.share.value is not None and each.share.low is not None and each.share.high is not None
    ]
    return answer.dots(
        "Predictions that change when something is taken away from the scan",
        "share of predictions, with 95 % interval", entries, reference=CUE.value, reference_name="any edit",
        percent=True,
        note="'tumour' and 'healthy patch' are no cues: hiding the tumour should change answers, hiding as much "
        "healthy tissue should not.",
    )  # fmt: skip
