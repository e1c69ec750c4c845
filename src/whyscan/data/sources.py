"""Sources: what a command line names (files, folders, series) as scans that can be read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from whyscan.data.dicom_file import is_dicom
from whyscan.data.dicom_series import open_series
from whyscan.data.dicom_window import Asked
from whyscan.data.read import read_scan, scan_files
from whyscan.data.scan import Scan


@dataclass(frozen=True)
class Source:
    """One scan to come.

    Attributes:
        name: what an error calls it.
        stem: what its output files are called; "" for the name that its scan turns out to have.
        read: reads it; raises BadScan.
    """

    name: str
    stem: str
    read: Callable[[], Scan]


def sources(
    paths: Sequence[Path],
    *,
    label: str | None = None,
    series: int | str | None = None,
    frame: int | None = None,
    window: Asked = None,
) -> list[Source]:
    """All scans of files and folders, in order. The DICOM files of a folder, and of a DICOMDIR, are one series.

    Raises:
        BadScan: a folder without an image, or a series that is not chosen or cannot be put together.
        BadInput: a series or window that does not exist.
    """
    found: list[Source] = []
    for path in paths:
        files = scan_files(path) if path.is_dir() else [path]
        dicom = [file for file in files if is_dicom(file)]
        whole = path.is_dir() or path.name.upper() == "DICOMDIR" or series is not None
        for file in files:
            if file not in dicom:
                read = partial(read_scan, file, label=label, source=file.name, frame=frame, window=window)
                found.append(Source(file.name, file.stem, read))
            elif not whole:
                read = partial(read_scan, file, label=label, frame=frame, window=window)
                found.append(Source(file.name, "", read))
        if dicom and whole:
            stack = open_series(path, series=series, frame=frame, window=window)
            found += [Source(stack.name(i), "", partial(stack.read, i, label=label)) for i in range(len(stack))]
    return found
