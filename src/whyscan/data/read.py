"""Reading: files to scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Integer

from whyscan.data.catalogue import Entry, images_below
from whyscan.data.decode import ENDINGS, Decoded, decode
from whyscan.data.dicom import read_dicom
from whyscan.data.dicom_file import is_dicom
from whyscan.data.dicom_series import read_series
from whyscan.data.dicom_window import Asked
from whyscan.data.mat import is_mat, read_mat
from whyscan.data.nifti import open_volume, read_nifti
from whyscan.data.nifti_file import ENDINGS as NIFTI_ENDINGS
from whyscan.data.nifti_file import is_nifti, nifti_files
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
    plane: str | None = None,
    slice: int | None = None,
    volume: int | None = None,
) -> Scan:
    """Read one image.

    Args:
        path: a JPEG, PNG, TIFF, BMP or WebP file, DICOM (told by its content), NIfTI, or a MATLAB 7.3 file of the
            brain-tumour set of Cheng et al.
        label, patient: what is known about it.
        mask: an image of the same size whose values above 0 are the tumour; of a NIfTI slice, a NIfTI volume.
        source: the name it goes by; the file's name by default, and for DICOM a name without one.
        frame: which page of a file that has several.
        window: DICOM, NIfTI and MATLAB only: see `read_dicom`, `open_volume` and `read_mat`.
        plane, slice, volume: NIfTI only: see `read_nifti`.

    Raises:
        BadScan: the file cannot be read as one image of a usable size, or the mask does not fit it.
        BadInput: a window for a file that has none, or a plane, slice or volume for one that is no volume.
    """
    path = Path(path)
    if is_nifti(path):
        _no_frame(path, frame)
        return read_nifti(
            path, plane=plane, slice=slice, volume=volume, window=window, label=label, patient=patient, mask=mask,
            source=source,
        )  # fmt: skip
    if plane is not None or slice is not None or volume is not None:
        raise BadInput(f"a plane, slice or volume of {path.name}", "a NIfTI file", "leave it out: this is one image")
    if is_mat(path):
        _no_frame(path, frame)
        scan = read_mat(path, window=window, label=label, patient=patient, source=source)
        return scan if mask is None else replace(scan, region=read_region(Path(mask), scan.shape))
    if is_dicom(path):
        named = None if source is None else printable(source)
        scan = read_dicom(path, frame=frame, window=window, label=label, patient=patient, source=named)
        return scan if mask is None else replace(scan, region=read_region(Path(mask), scan.shape))
    if window is not None:
        expected = "a DICOM, NIfTI or MATLAB file"
        raise BadInput(f"a window for {path.name}", expected, "leave the window out: 8 bit has been through one")
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
    path: str | Path,
    *,
    series: int | str | None = None,
    frame: int | None = None,
    window: Asked = None,
    plane: str | None = None,
    volume: int | None = None,
) -> list[Scan]:
    """Every image below a folder, by name, all slices of its NIfTI volumes, and its DICOM files as one series; or of
    the one file that `path` is.

    Args:
        path: a folder, a DICOMDIR, an image, or a NIfTI volume.
        series, frame: DICOM only: see `open_series`.
        window: DICOM and NIfTI only.
        plane, volume: NIfTI only: see `open_volume`.

    Raises:
        BadScan: there is none, or one cannot be read; to go on past it, read the files of `scan_files` one by one.
        BadInput: a series, window, plane or volume that does not exist.
    """
    root = Path(path)
    if not root.is_dir() and root.name.upper() != "DICOMDIR":
        if is_nifti(root):
            _no_frame(root, frame)
            return _slices(root, plane, volume, window)
        return [read_scan(root, frame=frame, window=window, plane=plane, volume=volume)]
    files = scan_files(root) if root.is_dir() else []
    others = [file for file in files if not is_dicom(file)]
    scans: list[Scan] = []
    for file in others:
        if is_nifti(file):
            scans += _slices(file, plane, volume, window)
        else:
            scans.append(read_scan(file, source=file.relative_to(root).as_posix()))
    if len(others) == len(files) and files:
        return scans
    return scans + read_series(root, series=series, frame=frame, window=window)


def _slices(path: Path, plane: str | None, volume: int | None, window: Asked) -> list[Scan]:
    opened = open_volume(path, plane=plane, volume=volume, window=window)
    return [opened.read(index) for index in range(len(opened))]


def _no_frame(path: Path, frame: int | None) -> None:
    if frame is not None:
        raise BadInput(
            f"a frame of {path.name}",
            "DICOM, or an image of several pages; of NIfTI a slice and a volume",
            "NIfTI has --slice and --volume (from 0)",
        )


def scan_files(folder: str | Path) -> list[Path]:
    """The images and NIfTI volumes below a folder; hidden files and a `masks` folder are left out.

    Raises:
        BadScan: there is none.
    """
    root = Path(folder)
    found = {*images_below(root), *nifti_files(root)}
    files = sorted(file for file in found if file.relative_to(root).parts[0].lower() != "masks")
    if not files:
        endings = ", ".join(sorted({*ENDINGS, *NIFTI_ENDINGS}))
        raise BadScan(f"{root.name} holds no image", f"files ending in {endings}, or DICOM", "check the path")
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


def read_labels(path: str | Path) -> Integer[np.ndarray, "h w"]:
    """A label map: a grey image of 8 or 16 bit, or a NumPy file; each value is the number of a part.

    Raises:
        BadScan: the file cannot be read, or does not hold one whole number for each pixel.
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        values = decode(path).values
    else:
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BadScan(f"{path.name} cannot be read ({error})", "an array of NumPy's", "save it again") from error
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        came = f"{path.name} holds {values.dtype} of shape {values.shape}"
        raise BadScan(came, "a label map: one whole number for each pixel", "save it as a grey PNG, or as .npy")
    return np.asarray(values)


def _pixels(decoded: Decoded) -> Float32[np.ndarray, "c h w"]:
    values = decoded.values[None] if decoded.values.ndim == 2 else np.moveaxis(decoded.values, -1, 0)
    return np.ascontiguousarray(values, dtype=np.float32) / np.float32(decoded.peak)
