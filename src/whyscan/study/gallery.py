"""Which scans a study explains: drawn by seed from the scans nobody trained on, right and wrong, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyscan.records.predictions import Predictions

CASES = ("both right", "only the best right", "only the weak right", "both wrong")
ALONE = ("right", "wrong")
"""The cases of a study of one model."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One scan of the gallery: its row in the predictions, and why it is there."""

    row: int
    case: str


def pick(best: Predictions, weak: Predictions | None, *, per_case: int, seed: int) -> list[Pick]:
    """Draw scans by true class and by which of the two models is right.

    The clean part of the official test and the holdout come before validation, which the models were selected on;
    leaked test scans are never shown. Cells with too few scans give what they have.

    Returns:
        Picks ordered by class, then by case.
    """
    random = np.random.default_rng(seed)
    right = best.probabilities.argmax(1) == best.labels
    cases: Sequence[str] = ALONE if weak is None else CASES
    case = np.where(right, 0, len(cases) - 1)
    if weak is not None:
        weak_right = weak.probabilities.argmax(1) == weak.labels
        case = np.where(right, np.where(weak_right, 0, 1), np.where(weak_right, 2, 3))
    splits = np.array(best.splits)
    tiers: Sequence[np.ndarray] = (
        (splits == "holdout") | ((splits == "test") & ~best.leaked),
        splits == "validation",
    )
    picks = []
    for label in range(len(best.classes)):
        for number, name in enumerate(cases):
            rows = np.concatenate(
                [random.permutation(np.flatnonzero(tier & (best.labels == label) & (case == number))) for tier in tiers]
            )
            picks += [Pick(int(row), name) for row in rows[:per_case]]
    return picks


def sentence(per_case: int, seed: int, *, alone: bool, elsewhere: Sequence[str]) -> str:
    """How the gallery was drawn, for its reader.

    Args:
        alone: there is one model only.
        elsewhere: the models of which it is not known that they learned from this run's training scans only.
    """
    new = "Only scans that no model was trained on"
    if elsewhere:
        who = " and ".join(elsewhere)
        new = f"Only scans outside of this run's training part, though {who} may have learned from some of them"
    return (
        f"Drawn at random with seed {seed}: for every class up to {per_case} scan(s) for each of: "
        f"{'; '.join(ALONE if alone else CASES)}. {new}; leaked test scans are left out."
    )
