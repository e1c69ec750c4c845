"""Splits: groups stay whole, shares are met, tables survive."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.data.catalogue import Entry
from whyscan.data.duplicates import Duplicates
from whyscan.data.split import PARTS, SplitRow, assign, join_patients, read_splits, write_splits
from whyscan.errors import BadRun


def entries(labels: list[str], patients: list[str | None] | None = None, official: list[str | None] | None = None):  # type: ignore[no-untyped-def]
    return [
        Entry(
            f"{i:03}.png", Path(f"{i}.png"), label, patients[i] if patients else None, official[i] if official else None
        )
        for i, label in enumerate(labels)
    ]


def divide(labels: list[str], groups: list[int], seed: int = 0, **more) -> tuple[SplitRow, ...]:  # type: ignore[no-untyped-def]
    contents = more.pop("contents", [f"c{i}" for i in range(len(labels))])
    content = np.array([i if each else -1 for i, each in enumerate(contents)])
    found = Duplicates(content, np.empty((0, 2), np.int64), np.array(groups))
    return assign(entries(labels, **more), contents, found, seed=seed)


def test_shares_are_met_by_class() -> None:
    rows = divide(["a"] * 100 + ["b"] * 40, list(range(140)))
    assert Counter((row.label, row.split) for row in rows) == {
        ("a", "train"): 70, ("a", "validation"): 15, ("a", "holdout"): 15,
        ("b", "train"): 28, ("b", "validation"): 6, ("b", "holdout"): 6,
    }  # fmt: skip


def test_the_seed_decides() -> None:
    labels, groups = ["a", "b"] * 30, list(range(60))
    assert divide(labels, groups, seed=4) == divide(labels, groups, seed=4)
    assert divide(labels, groups, seed=4) != divide(labels, groups, seed=5)


@given(data=st.data(), seed=st.integers(0, 9))
def test_groups_are_never_parted_and_every_part_has_every_class_where_it_can(data: st.DataObject, seed: int) -> None:
    sizes = data.draw(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), min_size=1, max_size=25))
    labels = [label for label, size in sizes for _ in range(size)]
    groups = [number for number, (_, size) in enumerate(sizes) for _ in range(size)]
    rows = divide(labels, groups, seed)
    assert all(row.split in PARTS and not row.leaked for row in rows)
    of_group = {}
    for row in rows:
        assert of_group.setdefault(row.group, row.split) == row.split
    for label, count in Counter(label for label, _ in sizes).items():
        parts = {row.split for row in rows if row.label == label}
        assert "train" in parts
        assert ("validation" in parts) >= (count >= 2)
        assert ("holdout" in parts) >= (count >= 3)


def test_patients_join_groups() -> None:
    assert join_patients(np.array([0, 1, 1, 2, 3]), ["x", None, "x", "y", "y"]).tolist() == [0, 0, 0, 1, 1]
    assert join_patients(np.array([0, 1, 2]), [None, None, None]).tolist() == [0, 1, 2]
    rows = divide(["a", "b"] * 10, list(range(20)), patients=[f"p{i // 4}" for i in range(20)])
    for i in range(0, 20, 4):
        assert len({(row.group, row.split) for row in rows[i : i + 4]}) == 1


def test_conflicts_inside_the_training_part_and_unreadable_scans_are_excluded() -> None:
    labels = ["a", "b", "a", "b", "a", "b", "a"]
    rows = divide(labels, [0, 0, 1, 2, 3, 4, 5], contents=["1", "2", "3", "4", "5", "6", ""])
    assert [row.split == "excluded" for row in rows] == [True, True, False, False, False, False, True]
    assert rows[-1].content == ""


def test_a_patient_with_several_labels_is_no_conflict() -> None:
    rows = divide(["a", "b", "a", "b"], [0, 1, 2, 3], patients=["p", "p", "q", "q"])
    assert not any(row.split == "excluded" for row in rows)
    assert rows[0].split == rows[1].split and rows[2].split == rows[3].split


def test_the_official_test_stays_and_says_what_leaks() -> None:
    labels = ["a", "a", "b", "b", "a", "b", "b"]
    official = ["train", "test", "train", "test", "test", "test", "test"]
    patients = [None, None, "p", None, None, "p", None]
    rows = divide(
        labels, [0, 0, 1, 2, 2, 3, 4], official=official, patients=patients, contents=["1", "1", "2", "3", "4", "5", ""]
    )
    assert [row.split for row in rows] == ["train", "test", "train", "test", "test", "test", "excluded"]
    assert [row.leaked for row in rows] == [False, True, False, False, False, True, False]


def test_a_test_scan_that_contradicts_training_excludes_nothing() -> None:
    rows = divide(["a", "b", "b"], [0, 0, 1], official=["train", "test", "train"])
    assert [(row.split, row.leaked) for row in rows] == [("train", False), ("test", True), ("train", False)]


def test_table_round_trip(tmp_path: Path) -> None:
    rows = (
        SplitRow('a, "b".png', "glioma", "p,1", "g00001", "test", True, "ff"),
        SplitRow("ü.png", "none", None, "g00002", "excluded", False, ""),
    )
    write_splits(tmp_path / "splits.csv", rows)
    text = (tmp_path / "splits.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "path,label,patient,group,split,leaked,content"
    assert read_splits(tmp_path / "splits.csv") == rows


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na,b\n",
        "path,label,patient,group,split,leaked,content\na,b,,g,nowhere,false,c\n",
        "path,label,patient,group,split,leaked,content\na,b,,g,train,maybe,c\n",
        "path,label,patient,group,split,leaked,content\na,b,,g,train,false\n",
        'path,label,patient,group,split,leaked,content\n"a,b',
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(BadRun, match="damaged"):
        read_splits(tmp_path / "splits.csv")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="missing"):
        read_splits(tmp_path / "splits.csv")
