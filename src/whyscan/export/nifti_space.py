"""The space that heat maps are written in: which slices make one volume, and where its array lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.records.attribution import Attribution
from whyscan.records.grid import Grid
from whyscan.records.place import Place

NO_GEOMETRY = "a PNG, JPEG or other image has no geometry: it lies nowhere in a patient"

LARGEST = 1 << 29
_UNEVEN = 0.05  # of the step between slices
_APART = 0.01  # mm


@dataclass(frozen=True, eq=False)
class Space:
    """The array that the maps of some slices go into.

    Attributes:
        volume: its hash.
        plane: how it was cut.
        source: "dicom" or "nifti".
        frame: which volume of a file of several, or None.
        grid: how the slices lie in the array.
        affine: (4, 4): the array's indices -> millimetres, RAS+.
    """

    volume: str
    plane: str
    source: str
    frame: int | None
    grid: Grid
    affine: Float64[np.ndarray, "4 4"]


def why_nowhere(attribution: Attribution) -> str:
    """Why an attribution has no place in a volume; "" where it has one."""
    place = attribution.place
    if place is None:
        return NO_GEOMETRY
    if place.affine is None:
        return "the file does not say where the slice lies"
    if not 0 <= place.index < place.count:
        return "the slice's number is not one of its volume's"
    if place.grid is not None and (place.grid.size, place.grid.count) != (attribution.geometry.scan, place.count):
        return "the scan was not explained on the grid of its source"
    return ""


def volumes(attributions: Sequence[Attribution]) -> list[list[Attribution]]:
    """Attributions of one volume together: the same source, cut the same way. All of them have a place."""
    groups: dict[Any, list[Attribution]] = {}
    for attribution in attributions:
        groups.setdefault(_key(attribution), []).append(attribution)
    return list(groups.values())


def _key(attribution: Attribution) -> Any:
    place = _placed(attribution)
    assert place.affine is not None
    frame = place.frame if place.source == "nifti" else None  # of DICOM, the frames of a file are slices
    alone = tuple(np.round(place.affine[:3, 3], 3)) if place.count == 1 else None
    directions = (np.round(place.affine[:3, :2], 3) + 0.0).tobytes()
    return place.volume, place.source, frame, place.plane, place.count, attribution.geometry.scan, directions, alone


def space_of(attributions: Sequence[Attribution]) -> Space | str:
    """Where the array of one volume lies, or why it cannot be said.

    The source's own array where the source has one (NIfTI); else columns, rows and slices, as shown (DICOM).
    """
    first = _placed(attributions[0])
    assert first.affine is not None
    height, width = attributions[0].geometry.scan
    grid = first.grid or Grid((width, height, first.count), (1, 2, 3))
    if math.prod(grid.shape) > LARGEST:
        return f"it would have {' x '.join(map(str, grid.shape))} voxels, more than {LARGEST >> 20} million"
    start = first.affine.copy()
    if first.grid is not None:
        start[:3, 3] -= first.index * first.affine[:3, 2]
    else:
        fitted = _fitted({place.index: place for place in map(_placed, attributions)}, start)
        if isinstance(fitted, str):
            return fitted
        start = fitted
    affine = start @ np.linalg.inv(grid.to_array())
    return Space(first.volume, first.plane, first.source, first.frame if first.grid else None, grid, affine)


def _fitted(places: dict[int, Place], start: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"] | str:
    """The slices' positions as start + index x step, by least squares: of a tilted gantry the step is no normal."""
    numbers = np.array(sorted(places), np.float64)
    positions = np.array([_position(places[int(number)]) for number in numbers])
    if len(numbers) == 1:
        start[:3, 3] = positions[0] - numbers[0] * start[:3, 2]
        return start
    terms = np.stack([np.ones(len(numbers)), numbers], axis=1)
    (origin, step), *_ = np.linalg.lstsq(terms, positions, rcond=None)
    off = float(np.linalg.norm(terms @ np.stack([origin, step]) - positions, axis=1).max())
    if off > max(_UNEVEN * float(np.linalg.norm(step)), _APART):
        return f"its slices are not evenly spaced: one lies {off:.3g} mm off a regular grid"
    start[:3, 2], start[:3, 3] = step, origin
    return start


def _placed(attribution: Attribution) -> Place:
    assert attribution.place is not None
    return attribution.place


def _position(place: Place) -> Float64[np.ndarray, " 3"]:
    assert place.affine is not None
    return np.asarray(place.affine[:3, 3])
