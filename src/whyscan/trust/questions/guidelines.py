"""Question 7: the five guidelines for clinical explainable AI, as a scorecard.

Jin, Li, Fatehi and Hamarneh, "Guidelines and evaluation of clinical explainable AI in medical image analysis",
Medical Image Analysis 84 (2023). What a person has to judge is "missing" until a person has attested it: nothing that
was measured turns it into a tick. "Not applicable" is a person's word too: a figure that could not be taken, for want
of masks or of errors, is missing, because the guideline asks for it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from whyscan.trust import names, select, wording
from whyscan.trust.answer import Answer, Word
from whyscan.trust.attested import Statement
from whyscan.trust.table import Row
from whyscan.trust.thresholds import SLOW
from whyscan.trust.verdict import Judged

NUMBER = 7
QUESTION = "Is there evidence for each of the five guidelines for clinical explainable AI?"
Status = Literal["measured", "attested", "missing", "not applicable"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the scorecard.

    Attributes:
        key, guideline: "G1" and its name.
        asks: what is asked.
        status: measured, attested, missing or not applicable.
        text: the figures, or who attested what, or what has to be done.
    """

    key: str
    guideline: str
    asks: str
    status: Status
    text: str


PEOPLE = {
    "G1": ("Understandability", "Do its users understand the form of the explanation without training?",
           "show it to its clinical users and record what they take it to mean"),
    "G2": ("Clinical relevance", "Does it explain as clinicians argue, for the decision that they have to take?",
           "ask clinicians whether it answers what they ask"),
    "G4 people": ("Informative plausibility", "Does judging the explanation's plausibility help users to catch errors?",
                  "have readers judge predictions with and without the explanation"),
}  # fmt: skip
"""By key: the guideline, what is asked, and what people have to do: no figure answers these."""

_GRADES = {"recommended": "recommended", "use with care": "to be used with care", "fails": "failing"}


def scorecard(
    rows: Sequence[Row], methods: Sequence[Judged], errors: Answer, attested: Mapping[str, Statement] | None = None
) -> tuple[Entry, ...]:
    """The entries.

    Args:
        methods: the verdicts of methods on models.
        errors: the answer to question 2.
        attested: what people state, by "G1", "G2" and "G4 people".
    """
    said = attested or {}
    return (
        _person("G1", said),
        _person("G2", said),
        _truthful(methods),
        _plausible(errors),
        _person("G4 people", said),
        _efficient(rows),
    )


def guidelines(entries: Sequence[Entry]) -> Answer:
    """In words. The word is "yes" only where no entry is missing."""
    count = {status: sum(e.status == status for e in entries) for status in ("measured", "attested", "not applicable")}
    open_ = [entry for entry in entries if entry.status == "missing"]
    verdict: Word = "no" if open_ else "yes"
    told = [f"{count['measured']} of {len(entries)} entries are measured, {count['attested']} attested by people, "
            f"{len(open_)} missing."]  # fmt: skip
    if count["not applicable"]:
        told.append(f"Of {count['not applicable']} a person states that it does not apply.")
    if open_:
        told.append(f"Missing: {', '.join(f'{entry.guideline.lower()} ({entry.key})' for entry in open_)}.")
    told.append("That an entry is measured does not say that the figure is good: read it.")
    rows = [[e.key, e.guideline, e.asks, e.status, e.text] for e in entries]
    card = {"kind": "card", "title": "Scorecard", "columns": ["", "Guideline", "Asks", "Status", "What there is"],
            "rows": rows, "note": "Jin et al., Medical Image Analysis 84 (2023). People's judgements are attested by "
            "people, never by the program."}  # fmt: skip
    parts = tuple((f"{e.key} {e.guideline}", e.status) for e in entries)
    return Answer(NUMBER, QUESTION, verdict, " ".join(told), (), parts, (), card, short=_short(entries, open_))


def _short(entries: Sequence[Entry], open_: Sequence[Entry]) -> str:
    """Who has to do something: people, or whoever measures."""
    if not open_:
        return "No entry is missing: each is measured, or a person speaks for it."
    todo = []
    for whose, some in (
        ("people must attest {}", [e for e in open_ if e.key in PEOPLE]),
        ("of {} there are no figures", [e for e in open_ if e.key not in PEOPLE]),
    ):
        if some:
            *first, last = (e.guideline.lower() for e in some)
            todo.append(whose.format(f"{', '.join(first)} and {last}" if first else last))
    return f"{len(open_)} of {len(entries)} entries (the fourth guideline has two) are missing: {'; '.join(todo)}."


def _person(key: str, said: Mapping[str, Statement]) -> Entry:
    name, asks, todo = PEOPLE[key]
    if key in said:
        return Entry(key, name, asks, said[key].status, said[key].text)
    return Entry(key, name, asks, "missing", f"A person must: {todo}.")


def _truthful(methods: Sequence[Judged]) -> Entry:
    asks = "Does it say truly how the model decides?"
    wanted = (names.SENSITIVITY_N, names.RANDOMISED)
    measured = [each for each in methods if any(any(w in line.name for w in wanted) for line in each.evidence)]
    if not measured:
        return Entry("G3", "Truthfulness", asks, "missing", "Neither faithfulness nor sanity was measured.")
    count = {grade: sum(each.grade == grade for each in measured) for grade in _GRADES}
    text = ", ".join(f"{n} {_GRADES[grade]}" for grade, n in count.items() if n)
    return Entry("G3", "Truthfulness", asks, "measured", f"Of {len(measured)} pairs of a method and a model: {text}.")


_ALONE, _ADDED = "AUROC for an error, metrics with a mask alone", "AUROC for an error, added by metrics with a mask"
"""Plausible is what agrees with the tumour: so the figures that need its mask count, and no others."""


def _plausible(errors: Answer) -> Entry:
    head = (
        "G4",
        "Informative plausibility",
        "Is an explanation that agrees with the tumour a sign of a right prediction?",
    )
    lines = {line.name: line for line in errors.evidence}
    told = []
    for model in dict.fromkeys(what.rsplit(": ", 1)[0] for what, _ in errors.parts):
        alone, added = (lines.get(f"{model}: {each}") for each in (_ALONE, _ADDED))
        if alone is not None and added is not None and added.value is not None:
            sure = added.low is not None and added.low > 0
            told.append(
                f"{model}: agreement with the tumour finds its errors with an AUROC of {wording.figure(alone)}, and "
                f"adds {wording.figure(added)} to its confidence{'' if sure else ', which could be chance'}"
            )
    if told:
        return Entry(*head, "measured", f"{'; '.join(told)} (question 2).")
    if not errors.parts:
        why = "no scan has a label"
    elif not any("AUROC for an error" in name for name in lines):
        why = "too few wrong or too few right predictions"
    else:
        why = "the tumour is known on too few scans"
    return Entry(*head, "missing", f"Not measured: {why} (question 2).")


def _efficient(rows: Sequence[Row]) -> Entry:
    asks = "Is it there while the user waits?"
    found = select.real(select.values(rows, names.SECONDS))
    if not found:
        return Entry("G5", "Computational efficiency", asks, "missing", "No time was taken.")
    by = {name: median(v for (_, m, _), v in found.items() if m == name) for name in select.methods(found)}
    slow = [name for name, seconds in by.items() if seconds > SLOW.value]
    text = ", ".join(f"{names.title(name)} {seconds:.2g} s" for name, seconds in by.items())
    over = f"; over {SLOW.value:.0f} s: {', '.join(names.title(name) for name in slow)}" if slow else ""
    return Entry("G5", "Computational efficiency", asks, "measured", f"Median on this machine: {text}{over}.")
