"""Sources: what a command line names (files, folders, series) as scans that can be read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from whyscan.data.dicom_file import is_dicom
from whyscan.data.dicom_series import open_series
from whyscan.data.dicom_window import Asked
from whyscan.data.nifti import Values, Volume, open_volume
from whyscan.data.nifti_file import is_nifti, stem
from whyscan.data.read import read_scan, scan_files
from whyscan.data.scan import Scan
from whyscan.data.slices import Slices, check_slices, chosen_slices
from whyscan.errors import BadInput, BadScan
from whyscan.records import files


@dataclass(frozen=True)
class Source:
    """One scan to come.

    Attributes:
        name: what an error calls it.
        stem: what its output files are called; "" for the name that its scan turns out to have.
        read: reads it; raises BadScan.
        volume: what the volume is called that it is a slice of; "" for a scan that stands alone.
        nifti: whether it is of a NIfTI file.
    """

    name: str
    stem: str
    read: Callable[[], Scan]
    volume: str = ""
    nifti: bool = False


def sources(
    paths: Sequence[Path],
    *,
    label: str | None = None,
    series: int | str | None = None,
    frame: int | None = None,
    window: Asked = None,
    plane: str | None = None,
    slices: Slices = None,
    volume: int | None = None,
) -> list[Source]:
    """All scans of files and folders, in order. The DICOM files of a folder, and of a DICOMDIR, are one series.

    Args:
        plane, volume: of NIfTI files: see `open_volume`.
        slices: which of a series or a NIfTI volume: see `chosen_slices`; all by default.

    Raises:
        BadScan: a folder without an image, or a series or volume that is not chosen or cannot be put together.
        BadInput: a series, window, plane, slice or volume that does not exist.
    """
    check_slices(slices)
    taken: set[str] = set()
    held: dict[tuple[Path, int | None], Values] = {}  # shared: the values of one volume at a time are in memory
    found: list[Source] = []
    for path in paths:
        here = scan_files(path) if path.is_dir() else [path]
        dicom = [file for file in here if is_dicom(file)]
        whole = path.is_dir() or path.name.upper() == "DICOMDIR" or series is not None
        for file in here:
            if file in dicom:
                if not whole:
                    read = partial(read_scan, file, label=label, frame=frame, window=window)
                    found.append(Source(file.name, "", read))
            elif is_nifti(file):
                opening = partial(open_volume, file, plane=plane, volume=volume, window=window)
                found += _apart(_nifti(file, opening, held, label, frame, slices), taken)
            else:
                read = partial(read_scan, file, label=label, source=file.name, frame=frame, window=window)
                found.append(Source(file.name, file.stem, read))
        if dicom and whole:
            found += _apart(_series(path, label, series, frame, window, slices), taken)
    _check_used(paths, found, slices, plane, volume)
    return found


def _check_used(
    paths: Sequence[Path], found: Sequence[Source], slices: Slices, plane: str | None, volume: int | None
) -> None:
    """Raises BadInput for a choice that nothing among the scans asks for: it would be passed over in silence."""
    named = ", ".join(path.name for path in paths)
    if slices is not None and not any(each.volume for each in found):
        raise BadInput(f"slices of single images ({named})", "a NIfTI file or a DICOM series", "leave --slices out")
    if (plane, volume) != (None, None) and not any(each.nifti for each in found):
        raise BadInput(f"a plane or a volume of {named}", "a NIfTI file: other series have one plane", "leave it out")


def _series(
    path: Path, label: str | None, series: int | str | None, frame: int | None, window: Asked, slices: Slices
) -> list[Source]:
    stack = open_series(path, series=series, frame=frame, window=window)
    numbers = chosen_slices(slices, len(stack))
    return [Source(stack.name(i), "", partial(stack.read, i, label=label), stack.group) for i in numbers]


def _nifti(
    file: Path,
    opening: Callable[[], Volume],
    held: dict[tuple[Path, int | None], Values],
    label: str | None,
    frame: int | None,
    slices: Slices,
) -> list[Source]:
    if frame is not None:
        raise BadInput(f"a frame of {file.name}", "a slice and a volume", "NIfTI has --slices and --volume (from 0)")
    try:
        opened = replace(opening(), held=held)
    except BadScan as error:  # it fails when its turn comes, and the other files go on
        return [Source(file.name, stem(file), partial(_fail, error), stem(file), True)]
    numbers = chosen_slices(slices, len(opened))
    return [Source(opened.name(i), "", partial(opened.read, i, label=label), opened.group, True) for i in numbers]


def _apart(slices: list[Source], taken: set[str]) -> list[Source]:
    """Volumes of one name (files in different folders) get a number."""
    name = slices[0].volume
    free = files.free_name(name, taken)
    return slices if free == name else [replace(each, volume=free) for each in slices]


def _fail(error: BadScan) -> Scan:
    raise error
