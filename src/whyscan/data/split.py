"""Splits: who may be trained on, selected on and judged on. Scans of one group are never parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.data.catalogue import Entry
from whyscan.data.duplicates import Duplicates
from whyscan.errors import BadRun
from whyscan.records import files

PARTS = ("train", "validation", "holdout")
SHARES = (0.70, 0.15, 0.15)
SPLITS = (*PARTS, "test", "excluded")
_COLUMNS = ("path", "label", "patient", "group", "split", "leaked", "content")


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One scan.

    Attributes:
        path: its name in the catalogue.
        label, patient: as in the catalogue.
        group: its duplicate group, or its patient where known; the unit that is split and resampled.
        split: "train", "validation", "holdout", "test", or "excluded" (unreadable scans and label conflicts).
        leaked: a test scan that shares its group with one of the training part.
        content: the scan's content hash; "" if it could not be read.
    """

    path: str
    label: str
    patient: str | None
    group: str
    split: str
    leaked: bool
    content: str


def assign(
    entries: Sequence[Entry],
    contents: Sequence[str],
    duplicates: Duplicates,
    *,
    seed: int,
    shares: tuple[float, float, float] = SHARES,
) -> tuple[SplitRow, ...]:
    """Give every scan its part.

    An official test stays test, each scan flagged if it leaks. The rest is split by group, stratified by class.
    Groups whose labels disagree within the training part, and scans that could not be read, are excluded.

    Args:
        entries: the catalogue's rows.
        contents: (n,) content hashes, "" where a scan could not be read.
        duplicates: who is whose duplicate.
        seed: the split is a function of it and of the entries alone.
        shares: what train, validation and holdout should get of each class.
    """
    group = join_patients(duplicates.group, [entry.patient for entry in entries])
    readable = np.array([bool(content) for content in contents], bool)
    test = np.array([entry.official == "test" for entry in entries], bool)
    labels = np.unique([entry.label for entry in entries], return_inverse=True)[1].astype(np.int64)
    training = ~test & readable
    conflict = training & np.isin(duplicates.group, disagreeing(duplicates.group, labels, training))
    split = np.full(len(entries), "excluded", dtype=object)
    split[test & readable] = "test"
    usable = training & ~conflict
    split[usable] = np.array(PARTS, dtype=object)[divide(group[usable], labels[usable], seed, shares)]
    leaked = test & readable & np.isin(group, group[training])
    return tuple(
        SplitRow(
            entry.name, entry.label, entry.patient, f"g{group[i] + 1:05d}", str(split[i]), bool(leaked[i]), contents[i]
        )
        for i, entry in enumerate(entries)
    )


def join_patients(group: Int64[np.ndarray, " n"], patients: Sequence[str | None]) -> Int64[np.ndarray, " n"]:
    """Groups joined wherever a patient has scans in several, numbered by first appearance."""
    parent: dict[int, int] = {int(number): int(number) for number in group}

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    first: dict[str, int] = {}
    for number, patient in zip(group.tolist(), patients, strict=True):
        if patient is not None:
            one, other = sorted((root(number), root(first.setdefault(patient, number))))
            parent[other] = one
    fresh: dict[int, int] = {}
    return np.array([fresh.setdefault(root(number), len(fresh)) for number in group.tolist()], np.int64)


def disagreeing(
    group: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], among: Bool[np.ndarray, " n"]
) -> Int64[np.ndarray, " m"]:
    """The groups that hold several labels among the chosen scans."""
    pairs = np.unique(np.stack([group[among], labels[among]], axis=1), axis=0)
    numbers, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.asarray(numbers[counts > 1], np.int64)


def divide(
    group: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], seed: int, shares: Sequence[float]
) -> Int64[np.ndarray, " n"]:
    """The part, counted from 0, of each scan. Groups stay whole.

    Each class first gives one of its smallest groups to every part but the first, as far as it has groups (the part
    numbered p gets one where there are p + 1); then the groups, the largest first, go where they bring the counts
    nearest to the shares.
    """
    numbers, inverse = np.unique(group, return_inverse=True)
    counts = np.zeros((len(numbers), int(labels.max(initial=0)) + 1))
    np.add.at(counts, (inverse, labels), 1)
    order = np.random.default_rng(seed).permutation(len(numbers))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    part = np.full(len(numbers), -1, np.int64)
    for label in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        members = [number for number in order[::-1] if counts[number, label] > 0]
        for wanted in range(1, len(shares)):
            free = [number for number in members if part[number] < 0]
            if len(members) > wanted and len(free) > 1 and not (part[members] == wanted).any():
                part[free[0]] = wanted
    goal = np.asarray(shares)[:, None] * counts.sum(axis=0)
    have = np.stack([counts[part == number].sum(axis=0) for number in range(len(shares))])
    for number in order:
        if part[number] < 0:
            part[number] = int(np.argmin(_cost(counts[number], have, goal)))
            have[part[number]] += counts[number]
    return np.asarray(part[inverse], np.int64)


def _cost(
    added: Float64[np.ndarray, " c"], have: Float64[np.ndarray, "p c"], goal: Float64[np.ndarray, "p c"]
) -> Float64[np.ndarray, " p"]:
    """How much the squared distance to the goal, in units of the goal, grows if `added` goes to each part."""
    change = (2 * added * (have - goal) + added**2) / np.maximum(goal, 1e-9)
    return np.asarray(change.sum(axis=1), np.float64)


def write_splits(path: Path, rows: Sequence[SplitRow]) -> None:
    """One row a scan. Raises BadRun where the file cannot be written."""
    table = ({**{name: getattr(row, name) for name in _COLUMNS}, "leaked": str(row.leaked).lower()} for row in rows)
    files.write_rows(path, table, _COLUMNS)


def read_splits(path: Path) -> tuple[SplitRow, ...]:
    """Raises BadRun where the table is missing or damaged."""
    rows = files.read_rows(path)
    try:
        return tuple(_row(row) for row in rows)
    except (KeyError, ValueError, TypeError) as error:
        raise BadRun(f"{path} is damaged ({error})", "a table of splits", "run the audit again") from error


def _row(row: dict[str, str]) -> SplitRow:
    if row["split"] not in SPLITS or row["leaked"] not in ("true", "false") or None in row.values():
        raise ValueError(f"row of {row['path']}")
    return SplitRow(
        row["path"], row["label"], row["patient"] or None, row["group"], row["split"], row["leaked"] == "true",
        row["content"],
    )  # fmt: skip
