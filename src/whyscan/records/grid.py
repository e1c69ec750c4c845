"""Grid: how the slices of a volume lie in the array that the volume is stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped


@dataclass(frozen=True, slots=True)
class Grid:
    """A volume's own array, and the way its slices were cut out of it.

    Attributes:
        shape: of the array.
        axes: which of the array's axes a slice's columns, its rows, and the slices themselves run along: 1, 2 or 3,
            negative where they run against it. (-1, -2, 3) are the axial slices of an array that is stored RAS+.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]

    def __post_init__(self) -> None:
        if sorted(abs(axis) for axis in self.axes) != [1, 2, 3] or min(self.shape) < 1:
            raise ValueError(f"no grid: shape {self.shape}, axes {self.axes}")

    @property
    def count(self) -> int:
        """How many slices there are."""
        return self.shape[abs(self.axes[2]) - 1]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a slice."""
        return self.shape[abs(self.axes[1]) - 1], self.shape[abs(self.axes[0]) - 1]

    def slice(self, array: Shaped[np.ndarray, "a b c"], index: int) -> Shaped[np.ndarray, "h w"]:
        """One slice as it is shown: a view, so that writing to it writes to the array."""
        columns, rows, through = (abs(axis) - 1 for axis in self.axes)
        turned = np.transpose(array, (rows, columns, through))
        order = tuple(slice(None, None, -1 if axis < 0 else 1) for axis in (self.axes[1], self.axes[0], self.axes[2]))
        return np.asarray(turned[order][:, :, index])

    def to_array(self) -> Float64[np.ndarray, "4 4"]:
        """(column, row, slice, 1) -> the array's own indices."""
        found = np.zeros((4, 4))
        found[3, 3] = 1
        for mine, axis in enumerate(self.axes):
            theirs = abs(axis) - 1
            found[theirs, mine] = 1 if axis > 0 else -1
            found[theirs, 3] = 0 if axis > 0 else self.shape[theirs] - 1
        return found

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Grid:
        """The inverse of `dataclasses.asdict`. Raises TypeError, KeyError or ValueError for what is none."""
        a, b, c = (int(side) for side in record["shape"])
        column, row, through = (int(axis) for axis in record["axes"])
        return cls((a, b, c), (column, row, through))
