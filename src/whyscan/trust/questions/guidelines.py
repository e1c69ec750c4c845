"""Question 7: the five guidelines for clinical explainable AI, as a scorecard.

Jin, Li, Fatehi and Hamarneh, "Guidelines and evaluation of clinical explainable AI in medical image analysis",
Medical Image Analysis 84 (2023). What a person has to judge is "missing" until a person has attested it: nothing that
was measured turns it into a tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from whyscan.trust import names, select
from whyscan.trust.answer import Answer, Word
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


_PEOPLE = {
    "G1": ("Understandability", "Do its users understand the form of the explanation without training?",
           "show it to its clinical users and record what they take it to mean"),
    "G2": ("Clinical relevance", "Does it explain as clinicians argue, for the decision that they have to take?",
           "ask clinicians whether it answers what they ask"),
    "G4 people": ("Informative plausibility", "Does judging the explanation's plausibility help users to catch errors?",
                  "have readers judge predictions with and without the explanation"),
}  # fmt: skip

_GRADES = {"recommended": "recommended", "use with care": "to be used with care", "fails": "failing"}


def scorecard(
    rows: Sequence[Row], methods: Sequence[Judged], errors: Answer, attested: Mapping[str, str] | None = None
) -> tuple[Entry, ...]:
    """The entries.

    Args:
        methods: the verdicts of methods on models.
        errors: the answer to question 2.
        attested: what people have attested, by "G1", "G2" and "G4 people": who, when, what.
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
    """In words. The word is "yes" only where every entry is measured or attested."""
    open_ = [entry for entry in entries if entry.status == "missing"]
    verdict: Word = "no" if open_ else "yes"
    told = [f"{sum(e.status == 'measured' for e in entries)} of {len(entries)} entries are measured, "
            f"{sum(e.status == 'attested' for e in entries)} attested by people, {len(open_)} missing."]  # fmt: skip
    if open_:
        told.append(f"Missing: {', '.join(f'{entry.guideline.lower()} ({entry.key})' for entry in open_)}.")
    told.append("That an entry is measured does not say that the figure is good: read it.")
    rows = [[e.key, e.guideline, e.asks, e.status, e.text] for e in entries]
    card = {"kind": "card", "title": "Scorecard", "columns": ["", "Guideline", "Asks", "Status", "What there is"],
            "rows": rows, "note": "Jin et al., Medical Image Analysis 84 (2023). People's judgements are attested by "
            "people, never by the program."}  # fmt: skip
    parts = tuple((f"{e.key} {e.guideline}", e.status) for e in entries)
    short = (
        "Every entry is measured or attested." if not open_ else f"{len(open_)} of {len(entries)} entries are missing: "
    )
    short += f"people must attest {' and '.join(dict.fromkeys(e.guideline.lower() for e in open_))}." if open_ else ""
    return Answer(NUMBER, QUESTION, verdict, " ".join(told), (), parts, (), card, short=short)


def _person(key: str, said: Mapping[str, str]) -> Entry:
    name, asks, todo = _PEOPLE[key]
    if said.get(key, "").strip():
        return Entry(key, name, asks, "attested", said[key].strip())
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


def _plausible(errors: Answer) -> Entry:
    asks = "Is a plausible explanation a sign that the prediction is right?"
    words = [word for what, word in errors.parts if "predicts errors" in what]
    if not words or words[0] in ("not measured", "too few to tell"):
        reason = words[0] if words else "not measured"
        return Entry("G4", "Informative plausibility", asks, "missing", f"By figures: {reason} (question 2).")
    text = "explanations add to confidence" if words[0] == "yes" else "explanations add nothing sure to confidence"
    return Entry(
        "G4", "Informative plausibility", asks, "measured", f"By figures, {text} in finding errors (question 2)."
    )


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
