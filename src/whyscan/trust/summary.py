"""Summary: everything that is made of the table of a trust run, as one JSON document."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from whyscan.explain.recommended import misses
from whyscan.trust import names, select, thresholds, wide, wording
from whyscan.trust.aggregate import aggregate, legend
from whyscan.trust.answer import Answer, plain
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
from whyscan.trust.verdict import UNSETTLED, Judged, judged
from whyscan.trust.versus import versus

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
    wide_rows = more.get("wide_rows") or ()
    failing = {each.method for each in methods if each.grade == "fails" and each.model in (best, weak)}
    alike = wide.answers(wide_rows, rows, best, weak, failing) if wide_rows else {}
    wrong = errors(rows, best)
    card = scorecard(rows, methods, wrong, more.get("attested"))
    answers = (
        wide.both(looks(rows, best, weak, failing), alike),
        wide.both(wrong, alike),
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
        "questions": [_resting(each, methods, (best, weak)).row() for each in answers],
        "scorecard": [asdict(each) for each in card],
        "thresholds": {name: asdict(each) for name, each in thresholds.THRESHOLDS.items()},
        "settings": more.get("settings"),
        "sampling": more.get("sampling"),
        "wide": wide.wide(wide_rows, list(alike.values()), more.get("wide_sampling")) if wide_rows else None,
    }
    return dict(plain(document))


def _resting(answered: Answer, methods: Sequence[Judged], shown: Collection[str | None]) -> Answer:
    """The answer, with a note where it rests on methods that fail, or on maps that have not settled."""
    rests = [each for each in methods if each.model in shown and each.method in answered.methods]
    if answered.verdict == "not measured":
        return answered
    notes = []
    if failing := list(dict.fromkeys(names.title(each.method) for each in rests if each.grade == "fails")):
        notes.append(f"This rests on {wording.listed(failing)} too, which by their verdict fail on a model: what their "
                     "maps show may be the scan and not the model.")  # fmt: skip
    open_ = {
        f"{names.title(each.method)} on {each.model} ({wording.percent(line.value)})": None
        for each in rests
        for line in each.evidence
        if line.name == UNSETTLED and (line.value or 0) > 1 - thresholds.USABLE.value
    }
    if open_:
        notes.append(f"Of these methods' maps many had not settled within their evaluations: {', '.join(open_)}.")
    return replace(answered, notes=(*answered.notes, *notes))


def _headline(methods: Sequence[Judged], best: str | None) -> tuple[str, str]:
    """The best model's methods in one sentence, before any picture."""
    mine = [each for each in methods if each.model == best]
    if not mine:
        return "not measured", "No explanation was judged: do not rely on any picture below."
    by = {grade: [names.title(each.method) for each in mine if each.grade == grade] for grade in GRADES}
    told = [f"{_HEADS[grade]}: {', '.join(found)}." for grade, found in by.items() if found]
    unknown = [names.title(each.method) for each in mine if each.open]
    if unknown:
        held = f"{wording.listed(unknown)} {'has' if len(unknown) == 1 else 'have'} nothing"
        told.append(
            f"Of these {held} against {'it' if len(unknown) == 1 else 'them'} but that too little was measured."
        )
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
