"""Wide: what the swift methods say about scans that were drawn from all alike, so that shares are those of the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from whyscan.trust import names, select, wording
from whyscan.trust.answer import Answer, finding
from whyscan.trust.located import located
from whyscan.trust.questions.errors import errors
from whyscan.trust.questions.looks import difference, looks
from whyscan.trust.table import Row

CHOSEN, ALIKE = "scans chosen for comparisons", "scans drawn from all alike"


def answers(
    rows: Sequence[Row], chosen: Sequence[Row], best: str | None, weak: str | None, failing: Collection[str] = ()
) -> dict[int, Answer]:
    """The first two questions, by number: the ones that need nothing but maps and predictions.

    Args:
        rows, chosen: the tables of scans drawn from all alike, and of those chosen for comparisons.
        failing: see `looks`.
    """
    first = looks(rows, best, weak, failing)
    methods = {row.method for row in rows}
    swift = difference([row for row in chosen if row.method in methods], best, weak)
    if first.verdict != "not measured" and swift is not None:
        # two samples and two sets of methods: this tells what is due to which
        size = wording.size(swift, share=True)
        line = finding(f"difference by the same methods on the {CHOSEN}, {wording.groups(swift.n)}", swift, share=True)
        first = replace(
            first,
            sentence=f"{first.sentence} By these methods the difference is {size} on the {CHOSEN}.",
            short=f"{first.short} By these methods the difference is {size} on the chosen ones.",
            evidence=(*first.evidence, line),
        )
    return {each.number: each for each in (first, errors(rows, best))}


def wide(rows: Sequence[Row], answered: Sequence[Answer], sampling: str | None) -> dict[str, Any]:
    """Where the maps lie, and the answers."""
    return {
        "sampling": sampling,
        "scans": len({row.content for row in rows}),
        "groups": len({row.group for row in rows}),
        "known tumours": len({row.content for row in rows if row.metric == names.ENERGY and row.value is not None}),
        "methods": [
            each for each in select.methods((row.model, row.method, "") for row in rows) if not names.is_null(each)
        ],
        "localisation": [asdict(each) for each in located(rows)],
        "questions": [each.row() for each in answered],
    }


def both(chosen: Answer, answered: Mapping[int, Answer]) -> Answer:
    """The answer of the scans chosen for comparisons, which says in the same breath what scans drawn alike answer.

    The chosen ones have more wrong predictions than the data, on purpose: what they say need not hold of the data, and
    who reads only the first page must see where it does not.
    """
    alike = answered.get(chosen.number)
    if alike is None or "not measured" in (chosen.verdict, alike.verdict):
        return chosen
    if alike.short == chosen.short:
        return replace(chosen, short=f"{chosen.short} The same on {ALIKE}.")
    apart = alike.verdict != chosen.verdict
    badges = (("drawn alike", alike.verdict), ("chosen scans", chosen.verdict)) if apart else chosen.badges
    return replace(
        chosen,
        short=f"On {ALIKE}, by the swift methods: {_within(alike)} On {CHOSEN}: {_within(chosen)}",
        badges=badges,
    )


def _within(told: Answer) -> str:
    """After a colon: only a model's name keeps its case."""
    first, _, rest = told.short.partition(" ")
    return f"{first.lower() if first in ('Maps', 'There', 'Whether') else first} {rest}"
