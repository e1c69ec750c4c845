"""Parts: whether a model was trained on just this run's training and validation scans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """What is asked of a row of splits.csv."""

    @property
    def label(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def content(self) -> str: ...


def digest(parts: Iterable[Iterable[tuple[str, int]]]) -> str:
    """A hash of the parts that a model learned from and was selected on: each scan's content and label, in order."""
    data = hashlib.sha256()
    for part in parts:
        for content, label in part:
            data.update(f"{content} {label}\n".encode())
        data.update(b"--\n")
    return data.hexdigest()


def trained_here(about: Mapping[str, Any], rows: Sequence[Row]) -> bool | None:
    """Whether a model was trained on these rows' training and validation parts, and on nothing else.

    Args:
        about: its model.json.
        rows: of the run's splits.csv.

    Returns:
        None where the model does not say what it was trained on.
    """
    training = about.get("training") or {}
    classes = list(training.get("classes") or about.get("classes") or ())
    every = [*(training.get("from") or {}).get("data", ()), training.get("data")]  # it may have learned before
    if not all(every) or not classes:
        return None
    parts = [[row for row in rows if row.split == split] for split in ("train", "validation")]
    if not {row.label for part in parts for row in part} <= set(classes):
        return False
    ours = digest([(row.content, classes.index(row.label)) for row in part] for part in parts)
    return all(theirs == ours for theirs in every)
