"""Question 6: which cues would have been enough to tell the classes apart, and does the model use them?

The audit says what a rule that sees only the cue gets right. The edits take the cue away from every scan and count the
predictions that change. A cue that predicts the label and that the model uses is a shortcut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, audited, dotted, wording
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.changing import Change, changed, control
from whyscan.trust.edits import EDITS
from whyscan.trust.thresholds import CUE, FEWEST, TAIL

NUMBER = 6
QUESTION = "Does the model use shortcut cues that would have been enough?"


def cues(
    table: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]] = (),
    best: str | None = None,
    *,
    alike: bool = False,
) -> Answer:
    """Of a table of edits: rows with model, edit, content, group, label, predicted, after, probability and
    probability_after (both of the class that was predicted before).

    Args:
        found: the audit's cues, as audit.json has them.
        alike: whether the edited scans were drawn from all alike, or chosen by class and for being answered wrongly.
    """
    changes = changed(table)
    if not changes:
        audit = audited.sentence(found, (), "")
        return Answer(NUMBER, QUESTION, "not measured", f"Not measured: no scan was edited. {audit}".strip())
    models = list(dict.fromkeys(change.model for change in changes))
    model = best if best in models else models[0]
    mine = [each for each in changes if each.model == model]
    tested = [each for each in mine if not control(each.edit)]
    words = [each.word for each in tested]
    verdict: Word = next((word for word in ("yes", "too few to tell", "no") if word in words), "not measured")
    lines = [line for each in changes for line in (each.share, each.fall, each.accuracy) if line is not None]
    beside = {name: each for name in models if (each := _tumour_less_patch(table, name)) is not None}
    lines += [
        answer.finding(f"{name}: predictions that change without the tumour, less without the healthy patch", each,
                       share=True)
        for name, each in beside.items()
    ]  # fmt: skip
    parts = [(f"{each.model} uses the {each.edit}", each.word) for each in changes if not control(each.edit)]
    parts += [(f"{each.model} rests on the {each.edit}", each.rests) for each in changes if _uses(each)]
    parts += [
        (f"{model} uses '{cue['name']}', which the audit found to predict the label", audited.together(edits))
        for cue in audited.strongest(found)
        if (edits := audited.takers(cue, tested))
    ]
    sentence = " ".join(each for each in (_sentence(model, tested, found), _controls(mine, beside.get(model))) if each)
    return Answer(
        NUMBER, QUESTION, verdict, f"{sentence}\n{_sample(table, model, alike)}",
        (*lines, *audited.evidence(found, tested)), tuple(parts),
        ("An edited scan is one that no model was trained on: part of a change may be that alone. How much is known "
         "only for the tumour's edit, beside a healthy patch of the tumour's area; no edit of the area of the skull, "
         "the border or the background was made for comparison.",
         f"It uses a cue where surely more than {wording.percent(CUE.value)} of its answers change without it, and "
         f"rests on one where surely more than {wording.percent(TAIL.value)} do.",
         "Yes is said after the correction, no where the whole interval lies below the limit.",
         "Whether a model uses a cue is tested for all edits and models together (Holm), and so are changes of "
         "accuracy."),
        _figure(changes), short=_short(model, tested, mine),
    )  # fmt: skip


def _uses(change: Change) -> bool:
    return change.word == "yes" and not control(change.edit)


def _sentence(model: str, tested: Sequence[Change], found: Sequence[Mapping[str, Any]]) -> str:
    told = [audited.sentence(found, tested, model)] if found else []
    used = _by_share(each for each in tested if each.word == "yes")
    few = _by_share(each for each in tested if each.word == "too few to tell")
    none = [each for each in tested if each.word == "no"]
    if used:
        told.append(f"{model} changes its answer when these are taken away: {_list(used)}.")
        for word, says in (("yes", "It rests on {}."), ("too few to tell", "Whether it rests on {} cannot be told.")):
            if rests := [each for each in used if each.rests == word]:
                told.append(says.format(" and ".join(f"the {each.edit}" for each in rests)))
        without = [each for each in used if not any(audited.takers(cue, [each]) for cue in audited.strongest(found))]
        if without and found:
            names = " or ".join(f"the {each.edit}" for each in without)
            told.append(f"Whether {names} alone would have been enough was not measured by the audit.")
    if none:
        told.append(
            f"It does not use (surely at most {wording.percent(CUE.value)} of its answers change): {_list(none)}."
        )
    if few:
        told.append(f"{'For the others there' if used or none else 'There'} are too few scans to tell: {_list(few)}.")
    return " ".join(told)


def _by_share(changes: Any) -> list[Change]:
    return sorted(changes, key=lambda each: -(each.share.value or 0))


def _list(changes: Sequence[Change]) -> str:
    return ", ".join(f"the {each.edit} {_figures(each.share)}" for each in changes)


def _tumour_less_patch(table: Sequence[Mapping[str, Any]], model: str) -> Difference | None:
    """How much oftener the answer changes without the tumour than without as much healthy tissue, on the same scans."""
    of: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in table:
        if row["model"] == model and control(str(row["edit"])):
            of.setdefault(str(row["content"]), {})[str(row["edit"])] = row
    both = [each for each in of.values() if {"tumour", "healthy patch"} <= each.keys()]
    if not both:
        return None
    tumour, patch = (
        np.array([float(each[name]["after"] != each[name]["predicted"]) for each in both])
        for name in ("tumour", "healthy patch")
    )
    return paired(tumour, patch, [str(each["tumour"]["group"]) for each in both], within=(0.0, 1.0))


def _controls(mine: Sequence[Change], beside: Difference | None) -> str:
    """What hiding the tumour does, and as much healthy tissue; and where that was not possible, that it was not."""
    by = {each.edit: each for each in mine}
    told = [
        f"Hiding {EDITS[name].removes} changes {_figures(by[name].share)}." for name in EDITS
        if control(name) and name in by
    ]  # fmt: skip
    if beside is not None:
        told.append(
            f"On the scans where both could be done, the tumour less the patch: {wording.points(beside)} "
            f"({wording.groups(beside.n)})."
        )
    if "tumour" in by and "healthy patch" not in by:
        told.append(
            "On no scan could a healthy patch of its area be hidden, so it is not known how much of that is due to "
            "hiding anything at all."
        )
    return " ".join(told)


def _sample(table: Sequence[Mapping[str, Any]], model: str, alike: bool) -> str:
    """Whose shares these are."""
    told = {str(row["content"]): row["label"] == row["predicted"] for row in table
            if row["model"] == model and row.get("label")}  # fmt: skip
    scans = len({str(row["content"]) for row in table if row["model"] == model})
    wrong = f", {sum(not right for right in told.values())} of which {model} gets wrong unedited" if told else ""
    if alike:
        return f"The edits were made on {scans} scans{wrong}, drawn from all alike: shares of them are the data's."
    return (
        f"These are shares of the {scans} scans that were edited{wrong}, not of all scans: they were chosen by class, "
        "and half of a class, where there are so many, for being answered wrongly: answers that change more easily."
    )


def _short(model: str, tested: Sequence[Change], mine: Sequence[Change]) -> str:
    used = _by_share(each for each in tested if each.word == "yes")
    few = sum(each.word == "too few to tell" for each in tested)
    others = f"for {few} {'other cue' if few == 1 else 'other cues'} there are too few scans to tell"
    if used:
        rests = [_without(each) for each in used if each.rests == "yes"]
        uses = [_without(each) for each in used if each.rests != "yes"]
        told = [f"rests on {wording.listed(rests)}"] if rests else []
        told += [f"uses {wording.listed(uses)}"] if uses else []
        tumour = next((each for each in mine if each.edit == "tumour"), None)
        beside = f" Hiding the tumour changes {wording.figure(tumour.share)} of its answers." if tumour else ""
        end = f"; {others}" if few else ""
        bare = " No edit of that size was made for comparison." if rests else ""
        return f"{model} {', and '.join(told)}{end}.{bare}{beside}"
    if few == len(tested):
        return f"There are too few scans to tell whether {model} uses any of the cues that were taken away."
    if few:
        return (
            f"No cue that was taken away is surely used by {model}; for {few} of {len(tested)} there are too few scans."
        )
    return f"{model} uses none of the cues that were taken away."


def _without(each: Change) -> str:
    return f"the {each.edit} ({wording.figure(each.share)} of its answers change without)"


def _figures(line: Finding) -> str:
    return f"{wording.figure(line)} (n = {line.n})"


def _figure(changes: Sequence[Change]) -> dict[str, Any]:
    n: dict[str, list[int]] = {}
    for each in changes:
        n.setdefault(each.edit, []).append(each.share.n or 0)
    entries = [
        dotted.dot(f"{each.edit} (n = {_span(n[each.edit])})", each.share.value, each.share.low, each.share.high,
                   each.model, sure=_told(each))
        for each in changes
        if each.share.value is not None and each.share.low is not None and each.share.high is not None
    ]  # fmt: skip
    return dotted.dots(
        "Predictions that change when something is taken away from the scan",
        "share of predictions, with 95 % interval", entries, reference=CUE.value, reference_name="any edit",
        percent=True,
        note="n counts independent groups of scans; hollow where there are too few to tell. 'tumour' and 'healthy "
        "patch' are no cues: hiding the tumour should change answers, hiding as much healthy tissue should not. That "
        "patch has the tumour's area, and is no measure for edits that change more of the picture.",
    )  # fmt: skip


def _told(change: Change) -> bool:
    """Whether there are scans enough to say something."""
    return (change.share.n or 0) >= FEWEST.value if control(change.edit) else change.word != "too few to tell"


def _span(counts: Sequence[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
