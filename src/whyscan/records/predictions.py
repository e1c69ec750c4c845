"""Predictions: what one model said about every scan of a catalogue, as a table that outlives the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.errors import BadRun
from whyscan.records import files

_COLUMNS = ("path", "label", "group", "split", "leaked")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Rows are scans, in the order of splits.csv.

    Attributes:
        model: the classifier's name.
        classes: the names of the k columns of `probabilities`.
        paths: each scan's name in the run.
        labels: (n,) index of the true class.
        groups: each scan's duplicate group or patient; scans of one group are not independent.
        splits: "train", "validation", "holdout" or "test".
        leaked: whether a test scan is a duplicate of one in the training part.
        probabilities: (n, k).
    """

    model: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: Int64[np.ndarray, " n"]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    leaked: Bool[np.ndarray, " n"]
    probabilities: Float64[np.ndarray, "n k"]

    def subset(self, name: str) -> Bool[np.ndarray, " n"]:
        """Which rows belong to "validation", "holdout", "test", "test-leaked" or "test-clean"."""
        split, _, part = name.partition("-")
        rows = np.array([each == split for each in self.splits], bool)
        if part:
            rows &= self.leaked == (part == "leaked")
        return rows

    def save(self, path: Path) -> None:
        rows = (
            {
                "path": self.paths[i],
                "label": self.classes[self.labels[i]],
                "group": self.groups[i],
                "split": self.splits[i],
                "leaked": str(bool(self.leaked[i])).lower(),
                **{f"p:{name}": repr(float(p)) for name, p in zip(self.classes, self.probabilities[i], strict=True)},
            }
            for i in range(len(self.paths))
        )
        files.write_rows(path, rows, [*_COLUMNS, *(f"p:{name}" for name in self.classes)])

    @classmethod
    def load(cls, path: Path, model: str) -> Predictions:
        """Raises BadRun where the table is missing or damaged."""
        rows = files.read_rows(path)
        try:
            classes = tuple(column[2:] for column in rows[0] if column.startswith("p:"))
            if torn := [number for number, row in enumerate(rows, start=2) if None in row.values()]:
                raise ValueError(f"row {torn[0]} is short")
            return cls(
                model,
                classes,
                tuple(row["path"] for row in rows),
                np.array([classes.index(row["label"]) for row in rows], np.int64),
                tuple(row["group"] for row in rows),
                tuple(row["split"] for row in rows),
                np.array([row["leaked"] == "true" for row in rows], bool),
                np.array([[float(row[f"p:{name}"]) for name in classes] for row in rows], np.float64),
            )
        except (IndexError, KeyError, ValueError, TypeError) as error:
            raise BadRun(
                f"{path} is damaged ({error})", "a table of predictions", "evaluate the model again"
            ) from error
