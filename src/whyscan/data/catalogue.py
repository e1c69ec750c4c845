"""Catalogue: which scans there are, before any pixel is read."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from whyscan.data.decode import ENDINGS
from whyscan.data.dicom_file import looks_dicom
from whyscan.errors import BadData, printable

T = TypeVar("T")

# A validation folder belongs to the part that may be looked at while training.
OFFICIAL = {
    "train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train",
    "test": "test", "testing": "test",
}  # fmt: skip
_LAYOUT = "a folder for each class with its images in it, with or without train and test folders above them, or a CSV"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        name: the path relative to the data set's root, with forward slashes: the scan's name in every table. A byte
            NN that is not UTF-8 is spelt out as \\udcNN.
        path: the file.
        label: the class it is filed under.
        patient: its patient, or None where the data set does not say.
        official: "train" or "test" where the data set has such folders or such a column, else None.
        mask: a file with the tumour's mask, or None.
    """

    name: str
    path: Path
    label: str
    patient: str | None = None
    official: str | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class Catalogue:
    """The scans of a data set, sorted by name. Pixels are read one at a time, when they are asked for."""

    root: Path
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]


def shuffled(entries: Sequence[Entry], seed: int) -> list[Entry]:
    """In an order drawn by the seed; those of an official test first, because fewer models have seen them."""
    drawn = [entries[i] for i in np.random.default_rng(seed).permutation(len(entries))]
    return sorted(drawn, key=lambda entry: entry.official != "test")


def in_turn(columns: Sequence[Sequence[T]]) -> list[T]:
    """The first of each column, then the second of each that has one, and so on."""
    longest = max(map(len, columns), default=0)
    return [column[i] for i in range(longest) for column in columns if i < len(column)]


def open_catalogue(path: str | Path) -> Catalogue:
    """List the scans of a folder of classes or of a CSV. No image is opened.

    Raises:
        BadData: no images, one class only, a class without images, a test label that training lacks, or a table
            that is damaged, lacks a column or names a file outside its own folder; or a folder that may not be
            opened.
    """
    path = Path(path)
    try:
        root, entries = _listed(path)
    except OSError as error:
        name = Path(str(error.filename or path)).name
        raise BadData(
            f"{name} cannot be listed ({error.strerror or type(error).__name__})", "folders that this user may open",
            "change its permissions, or leave it out",
        ) from error  # fmt: skip
    return Catalogue(root, _classes(path, entries), tuple(sorted(entries, key=lambda entry: entry.name)))


def _listed(path: Path) -> tuple[Path, list[Entry]]:
    if path.is_dir():
        return path, _from_folder(path)
    if path.is_file():
        return path.parent, _from_table(path)
    raise BadData(f"{path} is missing", _LAYOUT, "check the path")


def images_below(folder: Path) -> list[Path]:
    """Image files at any depth, by their endings (DICOM without one by its content), sorted by path; no hidden ones."""
    return sorted(
        file
        for file in folder.rglob("*")
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and (file.is_file() if file.suffix.lower() in ENDINGS else looks_dicom(file))
    )


def _classes(path: Path, entries: Sequence[Entry]) -> tuple[str, ...]:
    classes = sorted({entry.label for entry in entries})
    if len(classes) < 2:
        raise BadData(f"{path.name} has one class only, {classes[0]!r}", "two classes or more", "add the others")
    trained = {entry.label for entry in entries if entry.official != "test"}
    if not trained:
        raise BadData(f"{path.name} has a test part only", "a training part too", "add it, or drop the test folder")
    unknown = [label for label in classes if label not in trained]
    if unknown:
        raise BadData(
            f"the test part of {path.name} has {', '.join(unknown)}, which the training part lacks",
            f"only {', '.join(sorted(trained))}",
            "give both parts the same class names, or leave these scans out",
        )
    return tuple(classes)


def _from_folder(root: Path) -> list[Entry]:
    parts = [folder for folder in _subfolders(root) if folder.name.lower() in OFFICIAL]
    found: list[Entry] = []
    if parts:
        for part in parts:
            found += _from_class_folders(root, part, OFFICIAL[part.name.lower()])
    else:
        found = _from_class_folders(root, root, None)
    return found


def _from_class_folders(root: Path, part: Path, official: str | None) -> list[Entry]:
    folders = [folder for folder in _subfolders(part) if part != root or folder.name.lower() != "masks"]
    filled = {folder: images_below(folder) for folder in folders}
    if not any(filled.values()):
        loose = sum(1 for file in part.iterdir() if file.suffix.lower() in ENDINGS or looks_dicom(file))
        came = f"{part.name} holds {loose} images and no class folders" if loose else f"{part.name} holds no images"
        raise BadData(came, _LAYOUT, "sort the images into one folder per class")
    for folder, files in filled.items():
        if not files:
            raise BadData(
                f"the class folder {folder.relative_to(root).as_posix()} holds no images",
                f"files ending in {', '.join(sorted(ENDINGS))}",
                "add them, or remove the folder",
            )
    return [
        Entry(
            printable(file.relative_to(root).as_posix()), file, printable(folder.name), official=official,
            mask=_mask_beside(root, file),
        )
        for folder, files in filled.items()
        for file in files
    ]  # fmt: skip


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _mask_beside(root: Path, file: Path) -> Path | None:
    mask = root / "masks" / file.relative_to(root).with_suffix(".png")
    return mask if mask.is_file() else None


def _from_table(table: Path) -> list[Entry]:
    root = table.parent
    entries = [_entry(table, line, row) for line, row in _rows(table)]
    if not any(entry.path.is_file() for entry in entries):
        raise BadData(
            f"{table.name} names no image that exists", "paths relative to the folder of the table",
            "move the table to the folder that its paths start from",
        )  # fmt: skip
    lines: dict[str, int] = {}
    for number, entry in enumerate(entries, start=2):
        first = lines.setdefault(entry.name, number)
        if first != number:
            raise _bad_row(table, number, f"{entry.name} again, after row {first}", "each scan once", "delete one")
    official = {entry.official for entry in entries}
    if None in official and len(official) > 1:
        raise BadData(
            f"some rows of {table.name} have a split and some have none", "a split in every row or in none",
            "write train or test into every row",
        )  # fmt: skip
    if any(entry.mask is None for entry in entries):
        return [
            Entry(e.name, e.path, e.label, e.patient, e.official, e.mask or _mask_beside(root, e.path)) for e in entries
        ]
    return entries


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the table with their numbers, the header being row 1."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or ()
            missing = [name for name in ("path", "label") if name not in columns]
            if missing:
                raise BadData(
                    f"{table.name} has no column {' and no column '.join(missing)}",
                    "the columns path and label, and where known patient, split and mask",
                    "add them to the first line",
                )
            for number, row in enumerate(reader, start=2):
                yield number, {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{table.name} is damaged ({error})", "a CSV in UTF-8", "export the table again") from error


def _entry(table: Path, number: int, row: dict[str, str]) -> Entry:
    for column in ("path", "label"):
        if not row[column]:
            raise _bad_row(table, number, f"no {column}", f"a {column} in every row", "fill it in, or delete the row")
    split = row.get("split", "").lower()
    if split and split not in OFFICIAL:
        raise _bad_row(table, number, f"the split {split!r}", f"one of {', '.join(OFFICIAL)}", "rename it")
    path = _inside(table, number, row["path"])
    return Entry(
        path.relative_to(table.parent).as_posix(),
        path,
        row["label"],
        row.get("patient") or None,
        OFFICIAL.get(split),
        _inside(table, number, row["mask"]) if row.get("mask") else None,
    )


def _inside(table: Path, number: int, written: str) -> Path:
    root = Path(
        os.path.normpath(Path.cwd() / table.parent)
    )  # "../x" is below "." for pathlib, so the check needs a whole path
    path = Path(os.path.normpath(root / written.replace("\\", "/")))
    if "\0" in written or not path.is_relative_to(root) or path == root:
        raise _bad_row(
            table, number, f"the path {written!r}, which leads out of {root.name}",
            "paths inside the folder of the table", "copy the files there",
        )  # fmt: skip
    return table.parent / path.relative_to(root)


def _bad_row(table: Path, number: int, came: str, expected: str, mend: str) -> BadData:
    return BadData(f"row {number} of {table.name} has {came}", expected, mend)
