"""Stacks: the slices of a folder's DICOM files, put together by series and plane and sorted by where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.data import dicom_facts as facts
from whyscan.data.dicom import volume_of
from whyscan.data.dicom_file import is_dicom, modality, parsed, reading, short_hash
from whyscan.data.dicom_pixels import check_frame
from whyscan.data.dicom_window import Window
from whyscan.errors import BadScan

_DICOMDIR = "1.2.840.10008.1.3.10"
_PARALLEL = 0.999
_APART = 0.01


@dataclass(frozen=True, eq=False)
class Slice:
    """One image of a file, without its pixels.

    Attributes:
        path, frame: the file, and the frame of one that holds several.
        series: a hash of the series.
        modality: small letters.
        size: (width, height).
        affine: (4, 4), RAS+, or None where unknown.
        height: millimetres along the normal of its plane, or None.
        order: number and name, for slices without geometry.
        window: its first window.
        uid: a hash of the image itself: copies of a file have the same.
    """

    path: Path
    frame: int | None
    series: str
    modality: str
    size: tuple[int, int]
    affine: Float64[np.ndarray, "4 4"] | None
    height: float | None
    order: tuple[float, str, int]
    window: Window | None
    uid: str

    def parallel(self, other: Slice) -> bool:
        """Whether both belong to one stack: the same series, size and plane."""
        if (self.series, self.size) != (other.series, other.size) or (self.affine is None) != (other.affine is None):
            return False
        if self.affine is None or other.affine is None:
            return True
        mine, theirs = (m[:3, :2] / np.linalg.norm(m[:3, :2], axis=0) for m in (self.affine, other.affine))
        return bool(((mine * theirs).sum(axis=0) > _PARALLEL).all())


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices of one series, sorted.

    Attributes:
        slices: in the order of their heights; without geometry by instance number.
        volume: its hash: the series', or where a series has several planes, one of its own.
        notes: what is odd about it.
    """

    slices: tuple[Slice, ...]
    volume: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        width, height = self.slices[0].size
        seen = facts.plane(self.slices[0].affine)
        return f"{self.modality}, {len(self.slices)} slices of {width} x {height}{', ' + seen if seen else ''}"

    @property
    def modality(self) -> str:
        return self.slices[0].modality

    def affine(self, index: int) -> Float64[np.ndarray, "4 4"] | None:
        """A slice's own affine, its third column the step that the stack really has."""
        found = self.slices[index].affine
        steps = _steps(self.slices)
        if found is None or not len(steps):
            return found
        length = float(np.linalg.norm(found[:3, 2]))
        return np.column_stack([found[:, :2], found[:, 2] * (float(np.median(steps)) / length), found[:, 3]])

    def check(self) -> None:
        """Raises BadScan where two slices lie at one place: echoes or time points, which nobody has chosen from."""
        same = int((_steps(self.slices) < _APART).sum())
        if same:
            raise BadScan(
                f"{same} of {len(self.slices)} slices of the series lie where another one lies (echoes or time points)",
                "one image at each place", "put the files of one echo or time point into a folder of their own",
            )  # fmt: skip


def stacks(root: Path, frame: int | None) -> tuple[list[Stack], int]:
    """All stacks below `root`, by modality and number of the series, and how many DICOM objects are no images.

    Raises:
        BadScan: a damaged header, a frame that has to be chosen, or a file outside of `root`.
    """
    slices: list[Slice] = []
    others = 0
    for path in image_files(root):
        found = _slices(path, frame)
        slices += found
        others += not found
    return _stacked(slices), others


def _stacked(slices: Sequence[Slice]) -> list[Stack]:
    groups: list[list[Slice]] = []
    for one in sorted(slices, key=lambda each: (each.modality, each.series, each.order)):
        home = next((group for group in groups if group[0].parallel(one)), None)
        groups.append([one]) if home is None else home.append(one)
    several = {group[0].series for group in groups if sum(g[0].series == group[0].series for g in groups) > 1}
    made = []
    for number, group in enumerate(groups):
        series = group[0].series
        made.append(_sorted(group, short_hash(f"{series}/{number}") if series in several else series))
    return made


def _sorted(group: Sequence[Slice], volume: str) -> Stack:
    unique = list({each.uid: each for each in reversed(group)}.values())[::-1]
    notes = []
    if len(unique) < len(group):
        notes.append(f"{len(group) - len(unique)} files that are copies of others were left out")
    if any(each.height is None for each in unique):
        unique.sort(key=lambda each: each.order)
        if len(unique) > 1:
            notes.append("the files do not say where the slices lie: ordered by their instance numbers")
        return Stack(tuple(unique), volume, tuple(notes))
    unique.sort(key=lambda each: (each.height or 0.0, each.order))
    steps = _steps(unique)
    if len(steps) and float(steps.max() - steps.min()) > max(0.05 * float(np.median(steps)), _APART):
        notes.append(f"slices are {steps.min():.3g} to {steps.max():.3g} mm apart: some may be missing")
    return Stack(tuple(unique), volume, tuple(notes))


def _steps(slices: Sequence[Slice]) -> Float64[np.ndarray, " n"]:
    heights = [each.height for each in slices]
    return np.diff(np.array([height for height in heights if height is not None], np.float64))


def _slices(path: Path, frame: int | None) -> list[Slice]:
    """One per frame; none for an object that is no image."""
    with reading(path):
        data = parsed(path, pixels=False)
        try:
            facts.check_image(data, path.name)
        except BadScan:
            return []
        count = facts.frames(data)
        if count == 1 or frame is not None:
            check_frame(data, path, frame)
            return [_slice(data, path, frame if count > 1 else None)]
        if len(data.get("PerFrameFunctionalGroupsSequence") or []) != count or facts.affine(data, 0) is None:
            check_frame(data, path, None)
        return [_slice(data, path, number) for number in range(count)]
    raise AssertionError("reading raises, or the block returns")


def _slice(data: Any, path: Path, frame: int | None) -> Slice:
    matrix = facts.affine(data, frame)
    axes = facts.orientation(data, frame)
    position = facts.vector(facts.find(data, "ImagePositionPatient", frame), 3)
    height = None
    if matrix is not None and axes is not None and position is not None:
        height = float(np.cross(axes[:3], axes[3:]) @ position)
    own = facts.windows(data, frame)
    instance = facts.number(data.get("InstanceNumber")) or 0.0
    series, kind, size = volume_of(data), modality(data), (int(data.Columns), int(data.Rows))
    uid = short_hash(f"{data.get('SOPInstanceUID') or path}/{frame}")
    order = (instance, path.name, frame or 0)
    return Slice(path, frame, series, kind, size, matrix, height, order, own[0] if own else None, uid)


def image_files(root: Path) -> list[Path]:
    """The DICOM files of a folder at any depth, those that a DICOMDIR lists, or the one file that is named.

    Raises:
        BadScan: nothing is there, the file is no DICOM, or a file lies outside of `root`.
    """
    if root.is_dir():
        return _inside(root, dicom_files(root))
    if not root.is_file():
        raise BadScan(f"{root.name} is missing", "a folder, a DICOMDIR or a DICOM file", "check the path")
    with reading(root):
        data = parsed(root, pixels=False)
        if str(data.file_meta.get("MediaStorageSOPClassUID", "")) != _DICOMDIR:
            return [root]
        listed = [list(_parts(item.ReferencedFileID)) for item in data.DirectoryRecordSequence if _refers(item)]
    return _listed(root, listed)


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files below a folder, told by their content, sorted; without hidden ones and without a DICOMDIR."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.upper() != "DICOMDIR"
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and is_dicom(file)
    )


def _refers(item: Any) -> bool:
    return bool(item.get("ReferencedFileID"))


def _parts(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else (str(part) for part in value)


def _listed(dicomdir: Path, listed: Sequence[Sequence[str]]) -> list[Path]:
    """The files that a DICOMDIR lists, all of them inside its own folder and there."""
    root = dicomdir.parent
    if any(part in ("", ".", "..") or any(c in part for c in "/\\\0:") for parts in listed for part in parts):
        raise _outside(dicomdir.name)
    files = _inside(root, [root.joinpath(*parts) for parts in listed])
    missing = sum(not file.is_file() for file in files)
    if missing:
        raise BadScan(
            f"{missing} of the {len(files)} files that {dicomdir.name} lists are missing", "all of them, beside it",
            "copy the whole disc, or read the folder instead",
        )  # fmt: skip
    return files


def _inside(root: Path, files: Sequence[Path]) -> list[Path]:
    whole = root.resolve()
    for file in files:
        if not file.resolve().is_relative_to(whole):
            raise _outside(root.name)
    return list(files)


def _outside(name: str) -> BadScan:
    return BadScan(
        f"{name} names a file outside of its own folder", "files inside it", "copy the files there, without links"
    )
