"""Summary: everything that is made of the table of a trust run, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from whyscan.explain.recommended import misses
from whyscan.trust import names, select, thresholds
from whyscan.trust.aggregate import aggregate, legend
from whyscan.trust.answer import plain
from whyscan.trust.located import located
from whyscan.trust.questions.agreement import agreement
from whyscan.trust.questions.cues import cues
from whyscan.trust.questions.errors import errors
from whyscan.trust.questions.flips import flips
from whyscan.trust.questions.guidelines import guidelines, scorecard
from whyscan.trust.questions.layers import layers
from whyscan.trust.questions.looks import looks
from whyscan.trust.states import explained
from whyscan.trust.table import Row
from whyscan.trust.verdict import Judged, judged
from whyscan.trust.versus import versus
from whyscan.trust.wide import wide

GRADES = ("recommended", "use with care", "fails")
_HEADS = {"recommended": "Recommended", "use with care": "To be used with care", "fails": "Failing"}


def summarise(rows: Sequence[Row], extras: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of trust/summary.json.

    Args:
        rows: the long table.
        extras: all optional. best, weak: names of models. layers: each model's layers, shallow to deep. flips,
            agreement, edits, likeness: tables as the questions 4, 5, 6 and 3 want them. cues: the audit's. attested:
            what people state, by the scorecard's keys. settings, sampling: kept as they are, for the reader. wide_rows,
            wide_edits, wide_sampling: the same of scans drawn from all alike.
    """
    more = extras or {}
    best, weak = more.get("best"), more.get("weak")
    present = select.models(rows)
    best = best if best in present else next(iter(present), None)
    methods = judged(rows)
    wrong = errors(rows, best)
    card = scorecard(rows, methods, wrong, more.get("attested"))
    answers = (
        looks(rows, best, weak),
        wrong,
        layers(rows, best, weak, more.get("layers"), more.get("likeness") or ()),
        flips(more.get("flips") or ()),
        agreement(rows, more.get("agreement") or (), best),
        cues(
            more.get("wide_edits") or more.get("edits") or (),
            more.get("cues") or (),
            best,
            alike=bool(more.get("wide_edits")),
        ),
        guidelines(card),
    )
    grade, headline = _headline(methods, best)
    means = aggregate(rows)
    wide_rows = more.get("wide_rows") or ()
    document = {
        "headline": headline,
        "grade": grade,
        "best": best,
        "weak": weak,
        "scans": len({row.content for row in rows if row.content}),
        "groups": len({row.group for row in rows if row.group}),
        "models": present,
        "methods": [
            asdict(each) | {"title": names.title(each.method), "misses": misses(each.method)} for each in methods
        ],
        "nulls": sorted({names.title(row.method) for row in rows if names.is_null(row.method)}),
        "titles": {row.method: names.title(row.method) for row in rows},
        "failed": _failed(rows),
        "explanations": [asdict(each) for each in explained(select.main_rows(rows))],
        "comparisons": [asdict(each) for each in versus(rows, best)],
        "localisation": [asdict(each) for each in located(rows)],
        "metrics": [asdict(each) for each in means],
        "legend": legend(means),
        "questions": [each.row() for each in answers],
        "scorecard": [asdict(each) for each in card],
        "thresholds": {name: asdict(each) for name, each in thresholds.THRESHOLDS.items()},
        "settings": more.get("settings"),
        "sampling": more.get("sampling"),
        "wide": wide(wide_rows, best, weak, more.get("wide_sampling")) if wide_rows else None,
    }
    return dict(plain(document))


def _headline(methods: Sequence[Judged], best: str | None) -> tuple[str, str]:
    """The best model's methods in one sentence, before any picture."""
    mine = [each for each in methods if each.model == best]
    if not mine:
        return "not measured", "No explanation was judged: do not rely on any picture below."
    by = {grade: [names.title(each.method) for each in mine if each.grade == grade] for grade in GRADES}
    told = [f"{_HEADS[grade]}: {', '.join(found)}." for grade, found in by.items() if found]
    if not by["recommended"]:
        lead = f"No method of explanation can be recommended for {best}"
        grade = "use with care" if by["use with care"] else "fails"
    else:
        lead, grade = f"Of {len(mine)} methods, {len(by['recommended'])} can be recommended for {best}", "recommended"
    return grade, f"{lead}. {' '.join(told)}"


def _failed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What was tried and went wrong, by model, method, metric and reason."""
    count: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        if row.status == "failed":
            key = (row.model, row.method, row.metric, row.reason)
            count[key] = count.get(key, 0) + 1
    return [
        {"model": model, "method": method, "metric": metric, "reason": reason, "count": n}
        for (model, method, metric, reason), n in count.items()
    ]
