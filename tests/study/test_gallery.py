"""The gallery shows every class and case, by seed, and never what leaked."""

from __future__ import annotations

import numpy as np

from whyscan.records.predictions import Predictions
from whyscan.study.gallery import ALONE, CASES, pick, sentence


def predictions(model: str, right: list[bool], splits: list[str], leaked: list[bool] | None = None) -> Predictions:
    """Alternating labels of two classes; `right` says whether the model hits."""
    n = len(right)
    labels = np.arange(n) % 2
    said = np.where(right, labels, 1 - labels)
    return Predictions(
        model,
        ("a", "b"),
        tuple(f"{i}.png" for i in range(n)),
        labels,
        tuple(map(str, range(n))),
        tuple(splits),
        np.array(leaked or [False] * n),
        np.eye(2)[said],
    )


def test_every_class_and_case_is_there_once() -> None:
    n = 80
    best = predictions("best", [i % 4 < 2 or i % 8 < 4 for i in range(n)], ["holdout"] * n)
    weak = predictions("weak", [i % 16 < 8 for i in range(n)], ["holdout"] * n)
    picks = pick(best, weak, per_case=1, seed=0)
    right = best.probabilities.argmax(1) == best.labels
    weak_right = weak.probabilities.argmax(1) == weak.labels
    for picked in picks:
        assert (bool(right[picked.row]), bool(weak_right[picked.row])) == {
            CASES[0]: (True, True),
            CASES[1]: (True, False),
            CASES[2]: (False, True),
            CASES[3]: (False, False),
        }[picked.case]
    cells = [(int(best.labels[p.row]), p.case) for p in picks]
    assert cells == sorted(set(cells), key=lambda cell: (cell[0], CASES.index(cell[1])))
    assert len(cells) == 8


def test_a_model_alone_is_right_or_wrong() -> None:
    best = predictions("best", [i % 4 < 2 for i in range(40)], ["holdout"] * 40)
    picks = pick(best, None, per_case=2, seed=0)
    right = best.probabilities.argmax(1) == best.labels
    assert [ALONE[0] if right[p.row] else ALONE[1] for p in picks] == [p.case for p in picks]
    assert [(int(best.labels[p.row]), p.case) for p in picks] == [
        (label, case) for label in (0, 1) for case in ("right", "right", "wrong", "wrong")
    ]
    assert "each of: right; wrong." in sentence(2, 0, alone=True, elsewhere=[])
    assert "both right" in sentence(2, 0, alone=False, elsewhere=[])


def test_the_sentence_claims_no_more_than_is_known() -> None:
    assert "Only scans that no model was trained on;" in sentence(1, 0, alone=False, elsewhere=[])
    told = sentence(1, 0, alone=False, elsewhere=["mine", "yours"])
    assert "no model was trained on" not in told
    assert "though mine and yours may have learned from some of them" in told


def test_same_seed_same_scans_other_seed_others() -> None:
    n = 200
    best = predictions("best", [True] * n, ["holdout"] * n)
    draws = [tuple(p.row for p in pick(best, None, per_case=5, seed=seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_leaked_and_training_scans_are_never_shown_and_the_holdout_comes_first() -> None:
    splits = ["train", "train", "test", "test", "validation", "validation", "holdout", "holdout", "test", "test"]
    leaked = [False, False, True, True] + [False] * 6
    best = predictions("best", [True] * 10, splits, leaked)
    assert {p.row for p in pick(best, None, per_case=10, seed=0)} == {4, 5, 6, 7, 8, 9}
    assert {p.row for p in pick(best, None, per_case=1, seed=0)} <= {6, 7, 8, 9}
