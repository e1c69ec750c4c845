"""Audited: which rules without anatomy predict the label, by the audit, and which edits take their cue away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.trust import wording
from whyscan.trust.answer import Finding, Word
from whyscan.trust.changing import Change
from whyscan.trust.edits import EDITS

SUBSETS = ("test-clean", "holdout", "validation", "test", "test-leaked")
"""Which of the audit's subsets speaks for a cue: one that no copy of a training scan flatters, where there is one."""


def strongest(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
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


def takers(cue: Mapping[str, Any], tested: Sequence[Change]) -> list[Change]:
    """The edits that take an audited cue away."""
    return [each for each in tested if each.edit in EDITS and cue["name"] in EDITS[each.edit].cues]


def together(edits: Sequence[Change]) -> Word:
    """Whether a model uses what several edits take away: one that changes its answers is enough."""
    words = {each.word for each in edits}
    return "yes" if "yes" in words else "too few to tell" if "too few to tell" in words else "no"


def _alone(cue: Mapping[str, Any]) -> str:
    ends = wording.between(cue["low"], cue["high"], scale=100, digits=0)
    return (
        f"'{cue['name']}' alone answers '{cue['question']}' with {wording.percent(cue['accuracy'])} {ends} on "
        f"{cue['subset']} ({wording.percent(cue['majority'])} by always giving the most frequent answer)"
    )


def sentence(found: Sequence[Mapping[str, Any]], tested: Sequence[Change], model: str) -> str:
    """The strongest cue that an edit takes away, and whether the model uses it; and what no edit takes away."""
    flagged = strongest(found)
    if not flagged:
        return "The audit found no rule without anatomy that predicts the label." if found else ""
    taken = [cue for cue in flagged if takers(cue, tested)]
    told = []
    if taken:
        edits = takers(taken[0], tested)
        names = " and ".join(f"'{each.edit}'" for each in edits)
        says = {
            "yes": f"{model} uses it", "no": f"{model} does not use it",
        }.get(together(edits), f"there are too few scans to tell whether {model} uses it")  # fmt: skip
        told.append(f"By the audit, {_alone(taken[0])}; taken away by {names}, {says}.")
    left = [cue for cue in flagged if not takers(cue, tested)]
    if left:
        lead = "No edit was made that takes away what else the audit found:" if tested else "By the audit,"
        more = f", and {len(left) - 1} more" if len(left) > 1 else ""
        told.append(f"{lead} {_alone(left[0])}{more}.")
    return " ".join(told)


def evidence(found: Sequence[Mapping[str, Any]], tested: Sequence[Change]) -> list[Finding]:
    """Every flagged rule on every subset, with the edits that take its cue away."""
    lines = []
    for cue in found:
        if cue.get("flag"):
            edits = takers(cue, tested)
            uses = ", ".join(f"'{each.edit}' takes it away: {each.word}" for each in edits)
            name = f"audit: '{cue['name']}' alone, {cue['question']}, {cue['subset']}"
            lines.append(
                Finding(name, cue["accuracy"], cue["low"], cue["high"], cue["n"], share=True, chance=cue["majority"],
                        reason=f"used? {uses}" if edits else "no edit takes it away")
            )  # fmt: skip
    return lines
