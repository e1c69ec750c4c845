"""Planes of a NIfTI volume: which of the file's axes a slice's columns and rows run along. Nothing is resampled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from whyscan.data.nifti_header import Header
from whyscan.errors import BadInput, BadScan
from whyscan.records.grid import Grid

PLANES = ("axial", "coronal", "sagittal")

# For each plane the RAS+ directions of columns, rows and slices: as DICOM shows them, the left on the right.
_SHOWN = {"axial": (-1, -2, 3), "coronal": (-1, -3, 2), "sagittal": (-2, -3, 1)}


def plane_of(header: Header, asked: str | None) -> str:
    """The plane that is asked for, or axial; of a file that is one slice, its own.

    Raises:
        BadInput: no plane.
    """
    if asked is not None:
        if asked not in PLANES:
            raise BadInput(f"the plane {asked!r}", f"one of {', '.join(PLANES)}", "use one of these names")
        return asked
    thin = [axis for axis, side in enumerate(header.shape) if side == 1]
    if len(thin) == 1:
        through = int(_turned(header)[thin[0], 0])
        return next(name for name, shown in _SHOWN.items() if shown[2] == through + 1)
    return "axial"


def grid_of(header: Header, plane: str) -> Grid:
    """How a plane's slices lie in the file's array: along the axes that are nearest to it.

    Raises:
        BadScan: two of the file's axes are nearest to the same direction.
    """
    turned, axes = _turned(header), []
    for shown in _SHOWN[plane]:
        mine = int(np.flatnonzero(turned[:, 0] == abs(shown) - 1)[0])
        axes.append((mine + 1) * int(turned[mine, 1]) * (1 if shown > 0 else -1))
    return Grid(header.shape, (axes[0], axes[1], axes[2]))


def _turned(header: Header) -> Float64[np.ndarray, "3 2"]:
    """For each of the file's axes the nearest RAS+ axis and its sign."""
    from nibabel.orientations import io_orientation

    with np.errstate(all="ignore"):
        found = np.asarray(io_orientation(header.affine), np.float64)  # type: ignore[no-untyped-call]
    if not np.isfinite(found).all() or sorted(found[:, 0]) != [0, 1, 2]:
        raise BadScan(
            f"{header.name} has axes of which two lead the same way", "three that lead in different ones",
            "export the volume again",
        )  # fmt: skip
    return found
