"""Reading: files to scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.data.catalogue import Entry, images_below
from whyscan.data.decode import ENDINGS, Decoded, decode
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadScan, printable


def read_scan(
    path: str | Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    mask: str | Path | None = None,
    source: str | None = None,
    frame: int | None = None,
) -> Scan:
    """Read one image.

    Args:
        path: a JPEG, PNG, TIFF, BMP or WebP file.
        label, patient: what is known about it.
        mask: an image of the same size whose values above 0 are the tumour.
        source: the name it goes by; the file's name by default.
        frame: which page of a file that has several.

    Raises:
        BadScan: the file cannot be read as one image of a usable size, or the mask does not fit it.
    """
    path = Path(path)
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


def read_scans(path: str | Path) -> list[Scan]:
    """Every image below a folder, by name, or the one image that `path` is.

    Raises:
        BadScan: there is none, or one cannot be read; to go on past it, read the files of `scan_files` one by one.
    """
    root = Path(path)
    if not root.is_dir():
        return [read_scan(root)]
    return [read_scan(file, source=file.relative_to(root).as_posix()) for file in scan_files(root)]


def scan_files(folder: str | Path) -> list[Path]:
    """The image files below a folder by their endings, sorted; hidden files and a `masks` folder are left out.

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
