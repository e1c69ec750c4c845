"""Folds: whole groups, every class in every fold where it can be, and nothing in both sides."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.data.folds import fold_numbers, fold_rows
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadInput


def rows_of(sizes: list[tuple[str, int]], split: str = "train") -> list[SplitRow]:
    """A group for each (label, number of scans)."""
    return [
        SplitRow(f"{split}-{group}-{scan}.png", label, None, f"g{group}", split, False, f"c{split}{group}{scan}")
        for group, (label, size) in enumerate(sizes)
        for scan in range(size)
    ]


SIZES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), min_size=6, max_size=40).filter(
    lambda sizes: all(count > 1 for count in Counter(label for label, _ in sizes).values())
)


@given(sizes=SIZES, folds=st.integers(2, 6), seed=st.integers(0, 5))
def test_groups_stay_whole_and_every_scan_is_judged_once(sizes: list[tuple[str, int]], folds: int, seed: int) -> None:
    rows = rows_of(sizes)
    fold = fold_numbers(rows, folds, seed=seed)
    assert fold.keys() == {row.path for row in rows}
    of_group: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        of_group[row.group].add(fold[row.path])
    assert all(len(numbers) == 1 for numbers in of_group.values())
    judged: Counter[str] = Counter()
    for number in range(1, folds + 1):
        theirs = fold_rows(rows, fold, number, seed=seed)
        held = [row for row in theirs if row.split == "holdout"]
        seen = [row for row in theirs if row.split in ("train", "validation")]
        judged.update(row.path for row in held)
        assert len(held) + len(seen) == len(rows)
        assert not {row.group for row in held} & {row.group for row in seen}
        parts = [{row.group for row in seen if row.split == split} for split in ("train", "validation")]
        assert not parts[0] & parts[1]
        assert {row.label for row in seen if row.split == "train"} == {row.label for row in rows}
    assert judged == Counter(row.path for row in rows)
    groups = Counter(label for label, _ in sizes)
    for label, count in groups.items():
        assert len({fold[row.path] for row in rows if row.label == label}) == folds or count < folds


def test_classes_are_spread_evenly_and_the_seed_decides() -> None:
    rows = rows_of([("a", 1)] * 50 + [("b", 1)] * 20)
    fold = fold_numbers(rows, 5, seed=3)
    assert set(Counter((row.label, fold[row.path]) for row in rows).values()) == {10, 4}
    assert fold == fold_numbers(rows, 5, seed=3) != fold_numbers(rows, 5, seed=4)
    first = fold_rows(rows, fold, 1, seed=3)
    assert Counter(row.split for row in first) == {"train": 48, "validation": 8, "holdout": 14}


def test_test_and_excluded_scans_are_left_alone() -> None:
    own, others = rows_of([("a", 2)] * 8), [*rows_of([("a", 3)] * 2, "test"), *rows_of([("a", 1)], "excluded")]
    fold = fold_numbers([*own, *others], 2, seed=0)
    assert fold.keys() == {row.path for row in own}
    assert fold_rows([*own, *others], fold, 1, seed=0)[len(own) :] == tuple(others)


@pytest.mark.parametrize("folds", [1, 0, -3, True, 2.0])
def test_less_than_two_folds_are_refused(folds: int) -> None:
    with pytest.raises(BadInput):
        fold_numbers(rows_of([("a", 1)] * 8), folds, seed=0)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(BadData, match="5 folds of 3 groups"):
        fold_numbers(rows_of([("a", 1)] * 3), 5, seed=0)
    with pytest.raises(BadData, match="all scans of b"):
        fold_numbers(rows_of([("a", 1)] * 8 + [("b", 9)]), 2, seed=0)
