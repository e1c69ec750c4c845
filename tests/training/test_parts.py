"""Parts: a model's own record tells whether this run's held-back scans are new to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from whyscan.data.split import SplitRow
from whyscan.training.parts import trained_here

ROWS = [
    SplitRow(f"{split}-{i}.png", label, None, f"g{i}", split, False, f"{split}{i}")
    for split in ("train", "validation", "holdout")
    for i, label in enumerate(("a", "b"))
]


def about(classes: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    # sha256 of "train0 0\ntrain1 1\n--\nvalidation0 0\nvalidation1 1\n--\n", by coreutils
    made = "38893c7f6c322fb6bd0d14d435eccb2511603e591d3f1361705576f09ded582f"
    return {"training": {"data": made, "classes": list(classes)}}


def test_the_same_parts_are_known_again() -> None:
    assert trained_here(about(), ROWS) is True
    moved = [replace(row, path=f"elsewhere/{row.path}", group="other") for row in ROWS]
    assert trained_here(about(), moved) is True
    assert trained_here(about(), ROWS[:-1]) is True  # the holdout is not asked


def test_other_parts_labels_or_classes_are_other_data() -> None:
    swapped = [
        replace(row, split={"validation": "holdout", "holdout": "validation"}.get(row.split, row.split)) for row in ROWS
    ]
    assert trained_here(about(), swapped) is False
    assert trained_here(about(), [replace(ROWS[0], label="b"), *ROWS[1:]]) is False
    assert trained_here(about(), [replace(ROWS[0], label="c"), *ROWS[1:]]) is False
    assert trained_here(about(("b", "a")), ROWS) is False


def test_a_model_without_a_record_is_unknown() -> None:
    assert trained_here({}, ROWS) is None
    assert trained_here({"training": None}, ROWS) is None
    assert trained_here({"training": {"epochs": 3, "classes": ["a", "b"]}}, ROWS) is None
