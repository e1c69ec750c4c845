"""Changing: what each edit does to each model's answers, tested over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whyscan.stats.differences import paired
from whyscan.stats.tests import share_test
from whyscan.trust import answer, judging, wording
from whyscan.trust.answer import Finding, Word
from whyscan.trust.edits import EDITS
from whyscan.trust.thresholds import CUE, FEWEST, LEVEL, TAIL


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


def changed(table: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Every edit of every model; tests are corrected over those that are no controls."""
    of: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in table:
        of.setdefault((str(row["model"]), str(row["edit"])), []).append(row)
    shares = {key: _share(rows, *key) for key, rows in of.items()}
    family = [key for key in of if not control(key[1])]
    used, rested = (_beyond(shares, of, family, limit) for limit in (CUE.value, TAIL.value))
    for key in family:
        if key in used:
            p, corrected = used[key]
            against = f"tested against {wording.percent(CUE.value)}"
            shares[key] = replace(
                shares[key], p=p, corrected=corrected, correction=judging.family(len(used)), reason=against
            )
    accuracy = [_accuracy(rows, *key) for key, rows in of.items()]
    known = iter(judging.corrected([line for line in accuracy if line is not None]))
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
    return dict(zip(keys, zip(p, judging.correct(p), strict=True), strict=True))


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(row["group"]) for row in rows]


def _changed(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([row["predicted"] != row["after"] for row in rows], float)


def _share(rows: Sequence[Mapping[str, Any]], model: str, edit: str) -> Finding:
    name = f"{model}: predictions that change without the {edit}"
    return answer.mean(name, _changed(rows), _groups(rows), within=(0.0, 1.0), share=True)


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


def control(edit: str) -> bool:
    return edit in EDITS and EDITS[edit].control
