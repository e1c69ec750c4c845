"""Catalogue: which scans there are, before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        name: the path relative to the data set's root, with forward slashes: the scan's name in every table.
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
