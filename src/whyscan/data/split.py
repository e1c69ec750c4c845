"""Splits: who may be trained on, selected on and judged on. Scans of one group are never parted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One scan.

    Attributes:
        path: its name in the catalogue.
        label, patient: as in the catalogue.
        group: its duplicate group, or its patient where known; the unit that is split and resampled.
        split: "train", "validation", "holdout", "test", or "excluded" (unreadable scans and label conflicts).
        leaked: a test scan that is a duplicate of one in the training part.
        content: the scan's content hash; "" if it could not be read.
    """

    path: str
    label: str
    patient: str | None
    group: str
    split: str
    leaked: bool
    content: str
