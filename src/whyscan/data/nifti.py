"""NIfTI: one slice of a volume to a Scan, by a chosen plane, and all its slices through one window."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Shaped

from whyscan.data.dicom_window import Asked, Window, windowed
from whyscan.data.nifti_file import read_header, read_values, stem
from whyscan.data.nifti_header import Header
from whyscan.data.nifti_planes import grid_of, plane_of
from whyscan.data.nifti_window import check_window, choose, scaled_values
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadScan, printable
from whyscan.records.grid import Grid
from whyscan.records.place import Place
from whyscan.records.reading import WARNING

SMALLEST = 8

_OBLIQUE = 1.0


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume of a file, its header read and its values not yet.

    Attributes:
        header: of the file.
        plane: how it is cut.
        grid: how its slices lie in the file's array.
        affine: (4, 4): (column, row, slice, 1) -> millimetres, RAS+.
        number: which volume of the file, or None of a file that has one.
        window: what was asked for.
        mask: a second volume on the same grid, whose values above 0 are the tumour.
        held: the values that are in memory: of one volume at a time, also where many volumes share this.
    """

    header: Header
    plane: str
    grid: Grid
    affine: Float64[np.ndarray, "4 4"]
    number: int | None = None
    window: Asked = None
    mask: Volume | None = None
    held: dict[tuple[Path, int | None], Values] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.grid.count

    @property
    def group(self) -> str:
        """What the volume is called: the file's name, its number and the plane."""
        number = "" if self.number is None else f"-volume-{self.number:03d}"
        return f"{printable(stem(Path(self.header.name)))}{number}-{self.plane}"

    def name(self, index: int) -> str:
        """What a slice is called. The number is the one that it is asked for by."""
        return f"{self.group}-{index:03d}"

    def read(
        self, index: int, *, label: str | None = None, patient: str | None = None, source: str | None = None
    ) -> Scan:
        """One slice.

        Raises:
            BadScan: the file ends early, or holds no finite value; the mask does not fit.
            BadInput: a slice that does not exist.
        """
        if not 0 <= index < len(self):
            raise BadInput(
                f"slice {index} of {self.header.name}", f"0 to {len(self) - 1} in the {self.plane} plane",
                "choose one of these",
            )  # fmt: skip
        held = self._values()
        stored = np.ascontiguousarray(self.grid.slice(held.stored, index))
        scaled = scaled_values(stored, self.header)
        there = np.isfinite(scaled)
        shown = np.where(there, windowed(np.where(there, scaled, held.window.centre), held.window), 0.0)
        said = [f"{self.plane} slice {index} of {len(self)}", *held.said]
        if not there.all():
            count = int((~there).sum())
            said.append(f"{WARNING}{count} values of this slice are no numbers (NaN or infinite): shown as black")
        place = Place(
            held.identity, index, len(self), self._affine_of(index), self.plane, "nifti", self.number, self.grid
        )
        region = None if self.mask is None else self.mask.region(index)
        return Scan(
            np.ascontiguousarray(shown, dtype=np.float32)[None], content_hash(stored),
            source=self.name(index) if source is None else printable(source), label=label, patient=patient,
            region=region, reading=tuple(said), place=place,
        )  # fmt: skip

    def region(self, index: int) -> Shaped[np.ndarray, "h w"]:
        """Where a slice's values are above 0."""
        scaled = scaled_values(self.grid.slice(self._values().stored, index), self.header)
        return np.asarray(np.nan_to_num(scaled, nan=0.0) > 0)

    def _affine_of(self, index: int) -> Float64[np.ndarray, "4 4"]:
        found = self.affine.copy()
        found[:3, 3] += index * self.affine[:3, 2]
        return found

    def _values(self) -> Values:
        """The slices of one volume are asked for one after another, and it is read once."""
        key = (self.header.path, self.number)
        if key not in self.held:
            self.held.clear()
            self.held[key] = _looked_at(read_values(self.header, self.number or 0), self)
        return self.held[key]


@dataclass(frozen=True, eq=False)
class Values:
    """A volume's stored values, its hash, its window, and what there is to say about both."""

    stored: Shaped[np.ndarray, "a b c"]
    identity: str
    window: Window
    said: tuple[str, ...]


def open_volume(
    path: str | Path,
    *,
    plane: str | None = None,
    volume: int | None = None,
    window: Asked = None,
    mask: str | Path | None = None,
) -> Volume:
    """One volume of a file; its values are read when a slice is asked for.

    Args:
        path: .nii, .nii.gz, or either file of a .hdr/.img pair.
        plane: "axial", "coronal" or "sagittal", each nearest to one of the file's axes: nothing is resampled. Axial
            by default; the plane of a file that is one slice.
        volume: which, from 0, of a file that has several.
        window: which values lie between black and white: (low to high as centre, width), 0 for the file's own (cal_min
            to cal_max), "full" (minimum to maximum) or "percentile", the default (0.5th to 99.5th of the volume).
        mask: a NIfTI file on the same grid, above 0 where the tumour is.

    Raises:
        BadScan: no NIfTI file that can be read; several volumes and none chosen; slices too small; a mask that does
            not fit.
        BadInput: a plane, volume or window that does not exist.
    """
    header = read_header(Path(path))
    number = _number(header, volume)
    chosen = plane_of(header, plane)
    grid = grid_of(header, chosen)
    height, width = grid.size
    if min(height, width) < SMALLEST:
        raise BadScan(
            f"a {chosen} slice of {header.name} is {width} x {height} voxels", f"at least {SMALLEST} x {SMALLEST}",
            "choose another plane",
        )  # fmt: skip
    check_window(window, header)
    found = Volume(header, chosen, grid, header.affine @ grid.to_array(), number, window)
    if mask is None:
        return found
    return Volume(header, chosen, grid, found.affine, number, window, _mask(Path(mask), found))


def read_nifti(
    path: str | Path,
    *,
    plane: str | None = None,
    slice: int | None = None,
    volume: int | None = None,
    window: Asked = None,
    label: str | None = None,
    patient: str | None = None,
    mask: str | Path | None = None,
    source: str | None = None,
) -> Scan:
    """Read one slice; `open_volume` has the arguments.

    Args:
        slice: which, from 0: the index in nibabel's `as_closest_canonical`, so upwards, from back to front, or from
            left to right.
        label, patient: what is known about it.
        source: the name it goes by; by default made of the file's name, the plane and the number.

    Raises:
        BadScan: as `open_volume`; several slices and none chosen.
        BadInput: a plane, slice, volume or window that does not exist.
    """
    opened = open_volume(path, plane=plane, volume=volume, window=window, mask=mask)
    if slice is None and len(opened) > 1:
        raise BadScan(
            f"{Path(path).name} holds {len(opened)} {opened.plane} slices", "one: it is chosen, never guessed",
            f"pass slice={len(opened) // 2} (or another), or read all of them with read_scans",
        )  # fmt: skip
    return opened.read(slice or 0, label=label, patient=patient, source=source)


def _number(header: Header, asked: int | None) -> int | None:
    if asked is None:
        if header.volumes > 1:
            raise BadScan(
                f"{header.name} holds {header.volumes} volumes", "one: it is chosen, never guessed",
                "pass volume=0 (or another; --volume 0)",
            )  # fmt: skip
        return None
    if not 0 <= asked < header.volumes:
        raise BadInput(f"volume {asked} of {header.name}", f"0 to {header.volumes - 1}", "choose one of these")
    return asked if header.volumes > 1 else None


def _mask(path: Path, of: Volume) -> Volume:
    header = read_header(path)
    same = header.shape == of.header.shape and np.allclose(header.affine, of.header.affine, atol=0.05)
    if not same or header.volumes > 1:
        raise BadScan(
            f"the mask {path.name} does not lie on the grid of {of.header.name}",
            "one volume of the same size and place",
            "export the mask on the scan's own grid, or leave it out",
        )
    return Volume(header, of.plane, of.grid, of.affine, None, "full")


def _looked_at(stored: Shaped[np.ndarray, "a b c"], volume: Volume) -> Values:
    header, said = volume.header, list(volume.header.notes)
    unknown = sum(int((~np.isfinite(stored[..., k])).sum()) for k in range(stored.shape[2]))
    if unknown == stored.size:
        raise BadScan(f"{header.name} holds no finite value", "a volume of numbers", "export the volume again")
    window, why = choose(stored, header, volume.window)
    said.append(f"window {window} ({why})")
    if (header.slope, header.inter) != (1.0, 0.0):
        said.append(f"rescaled: {header.slope:g} x value {header.inter:+g}")
    if unknown:
        said.append(f"{WARNING}{unknown} of the volume's {stored.size} values are no numbers (NaN or infinite)")
    if volume.number is not None:
        said.append(f"volume {volume.number} of {header.volumes}")
    said += _shape_notes(volume)
    identity = hashlib.sha256(f"{stored.shape}{stored.dtype.str}{header.slope}{header.inter}".encode())
    identity.update(header.affine.tobytes())
    identity.update(np.ravel(stored, order="K").data)
    return Values(stored, identity.hexdigest()[:12], window, tuple(said))


def _shape_notes(volume: Volume) -> list[str]:
    notes = []
    columns, rows = (float(side) for side in np.linalg.norm(volume.affine[:3, :2], axis=0))
    if abs(rows / columns - 1) > 0.005:
        notes.append(
            f"voxels are {columns:.3g} mm wide and {rows:.3g} mm high: their grid is kept, so shapes look stretched"
        )
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    tilt = math.degrees(math.acos(min(1.0, float(np.abs(axes).max(axis=0).min()))))
    if tilt > _OBLIQUE:
        notes.append(f"the grid is oblique by up to {tilt:.0f} degrees: it is kept, so the plane is the nearest one")
    return notes
