"""Place: where a slice lies in its volume and in the patient, without saying who the patient is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.records.grid import Grid


@dataclass(frozen=True, eq=False)
class Place:
    """Where a slice lies.

    Attributes:
        volume: a hash of the volume's own identity (never a patient's name or a UID), the same for all its slices.
        index: its place in the volume, 0 .. count - 1, in the order of the volume.
        count: how many slices the volume has in that direction.
        affine: (4, 4): (column, row, 0, 1) of a pixel's centre as the Scan shows it -> millimetres, RAS+
            (right, anterior, superior are positive; DICOM's own LPS has the first two negated). None where unknown.
        plane: "axial", "coronal" or "sagittal": what the affine is nearest to; "" where unknown.
        source: "dicom" or "nifti".
        frame: the frame or time point, for files that hold several.
        grid: how the slices lie in the file's own array, for files that hold a volume.
    """

    volume: str
    index: int
    count: int
    affine: Float64[np.ndarray, "4 4"] | None = None
    plane: str = ""
    source: str = ""
    frame: int | None = None
    grid: Grid | None = None

    def as_record(self) -> dict[str, Any]:
        """What JSON can hold."""
        record = asdict(self) | {"affine": None if self.affine is None else self.affine.tolist()}
        if self.grid is None:
            del record["grid"]  # absent, so that records without one keep their digest
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Place:
        """The inverse of `as_record`. Raises TypeError or ValueError for what is none."""
        affine = record.get("affine")
        numbers = None if affine is None else np.asarray(affine, np.float64).reshape(4, 4)
        grid = Grid.from_record(record["grid"]) if record.get("grid") else None
        return cls(**dict(record) | {"affine": numbers, "grid": grid})
