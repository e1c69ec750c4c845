"""Folds: the training part cut up so that every scan of it can be judged by a model that did not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from whyscan.data.split import PARTS, SplitRow, divide
from whyscan.errors import BadData, BadInput

VALIDATION = 0.15
"""The share of what a fold's model may see that it is selected on."""


def fold_count(folds: int) -> int:
    """Raises BadInput where the training part cannot be cut into so many folds, whatever is in it."""
    if not isinstance(folds, int) or isinstance(folds, bool) or folds < 2:
        raise BadInput(f"folds = {folds!r}", "a whole number from 2 up", "ask for 5")
    return folds


def fold_numbers(rows: Sequence[SplitRow], folds: int, *, seed: int) -> dict[str, int]:
    """The fold, from 1 up, of every scan of the training part: its training, validation and holdout rows.

    Groups stay whole and classes are spread evenly. The same rows and seed give the same folds.

    Raises:
        BadInput: fewer than two folds.
        BadData: more folds than groups, or a class that lies in one group, so that a model could not learn it.
    """
    fold_count(folds)
    own = [row for row in rows if row.split in PARTS]
    groups = {row.group for row in own}
    if len(groups) < folds:
        raise BadData(
            f"{folds} folds of {len(groups)} groups of scans", "a group a fold at least", "ask for fewer folds"
        )
    for label in sorted({row.label for row in own}):
        if len({row.group for row in own if row.label == label}) == 1:
            raise BadData(
                f"all scans of {label} are duplicates of each other or of one patient",
                "two groups at least, one to learn from and one to be judged",
                "add scans of other patients, or leave that class out",
            )
    part = divide(*_codes(own), seed, [1 / folds] * folds)
    return {row.path: int(number) + 1 for row, number in zip(own, part, strict=True)}


def fold_rows(rows: Sequence[SplitRow], fold: dict[str, int], number: int, *, seed: int) -> tuple[SplitRow, ...]:
    """The rows as the model of one fold gets them: its own scans are the holdout, the rest is trained and selected on.

    Test and excluded rows stay as they are.
    """
    rest = [row for row in rows if row.path in fold and fold[row.path] != number]
    part = divide(*_codes(rest), seed, (1 - VALIDATION, VALIDATION))
    split = {row.path: PARTS[at] for row, at in zip(rest, part, strict=True)}
    return tuple(
        replace(row, split=split.get(row.path, "holdout"), leaked=False) if row.path in fold else row for row in rows
    )


def _codes(rows: Sequence[SplitRow]) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Groups and labels as numbers."""
    groups, labels = (
        np.unique([getattr(row, name) for row in rows], return_inverse=True)[1].astype(np.int64)
        for name in ("group", "label")
    )
    return groups, labels
