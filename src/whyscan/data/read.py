"""Reading: files to scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.data.catalogue import Entry, images_below
from whyscan.data.decode import ENDINGS, Decoded, decode
from whyscan.data.dicom import read_dicom
from whyscan.data.dicom_file import is_dicom
from whyscan.data.dicom_series import read_series
from whyscan.data.dicom_window import Asked
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadScan, printable


def read_scan(
    path: str | Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    mask: str | Path | None = None,
    source: str | None = None,
    frame: int | None = None,
    window: Asked = None,
) -> Scan:
    """Read one image.

    Args:
        path: a JPEG, PNG, TIFF, BMP or WebP file, or DICOM (told by its content).
        label, patient: what is known about it.
        mask: an image of the same size whose values above 0 are the tumour.
        source: the name it goes by; the file's name by default, and for DICOM a name without one.
        frame: which page of a file that has several.
        window: DICOM only: see `read_dicom`.

    Raises:
        BadScan: the file cannot be read as one image of a usable size, or the mask does not fit it.
        BadInput: a window for a file that has none.
    """
    path = Path(path)
    if is_dicom(path):
        named = None if source is None else printable(source)
        scan = read_dicom(path, frame=frame, window=window, label=label, patient=patient, source=named)
        return scan if mask is None else replace(scan, region=read_region(Path(mask), scan.shape))
    if window is not None:
        raise BadInput(f"a window for {path.name}", "a DICOM file", "leave the window out: 8 bit has been through one")
    decoded = decode(path, frame=frame)
    return Scan(
        _pixels(decoded),
        content_hash(decoded.values),
        source=printable(path.name if source is None else source),
        label=label,
        patient=patient,
        region=None if mask is None else read_region(Path(mask), decoded.values.shape[:2]),
        reading=decoded.reading,
    )


def read_entry(entry: Entry) -> Scan:
    """Read the scan of one row of a catalogue. Raises BadScan as `read_scan` does."""
    return read_scan(entry.path, label=entry.label, patient=entry.patient, mask=entry.mask, source=entry.name)


def read_scans(
    path: str | Path, *, series: int | str | None = None, frame: int | None = None, window: Asked = None
) -> list[Scan]:
    """Every image below a folder, by name, and its DICOM files as one series; or the one image that `path` is.

    Args:
        path: a folder, a DICOMDIR, or an image.
        series, frame, window: DICOM only: see `open_series`.

    Raises:
        BadScan: there is none, or one cannot be read; to go on past it, read the files of `scan_files` one by one.
        BadInput: a series or window that does not exist.
    """
    root = Path(path)
    if not root.is_dir() and root.name.upper() != "DICOMDIR":
        return [read_scan(root, frame=frame, window=window)]
    files = scan_files(root) if root.is_dir() else []
    images = [file for file in files if not is_dicom(file)]
    scans = [read_scan(file, source=file.relative_to(root).as_posix()) for file in images]
    if len(images) == len(files) and files:
        return scans
    return scans + read_series(root, series=series, frame=frame, window=window)


def scan_files(folder: str | Path) -> list[Path]:
    """The image files below a folder (`images_below`); hidden files and a `masks` folder are left out.

    Raises:
        BadScan: there is none.
    """
    root = Path(folder)
    files = [file for file in images_below(root) if file.relative_to(root).parts[0].lower() != "masks"]
    if not files:
        raise BadScan(f"{root.name} holds no image", f"files ending in {', '.join(sorted(ENDINGS))}", "check the path")
    return files


def read_region(path: Path, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """A tumour mask: above 0 in any channel is tumour. An empty mask is a known absence and stays.

    Raises:
        BadScan: the file cannot be read, or its size is not `shape` (height, width).
    """
    values = decode(path).values
    region = values > 0 if values.ndim == 2 else (values > 0).any(axis=-1)
    if region.shape != tuple(shape):
        height, width = region.shape
        raise BadScan(
            f"the mask {path.name} is {width} x {height} pixels and its scan {shape[1]} x {shape[0]}",
            "a mask of the scan's size",
            "export the mask on the scan's own grid, or leave it out",
        )
    return np.asarray(region)


def _pixels(decoded: Decoded) -> Float32[np.ndarray, "c h w"]:
    values = decoded.values[None] if decoded.values.ndim == 2 else np.moveaxis(decoded.values, -1, 0)
    return np.ascontiguousarray(values, dtype=np.float32) / np.float32(decoded.peak)
