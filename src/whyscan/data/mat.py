"""MATLAB 7.3 files as in the brain-tumour set of Cheng et al. (2015): one slice with its tumour, class and patient.

    cjdata.image        int16 (512, 512), T1 after contrast
    cjdata.label        1 meningioma, 2 glioma, 3 pituitary tumour
    cjdata.PID          the patient, as text
    cjdata.tumorMask    uint8 (512, 512), 1 in the tumour
    cjdata.tumorBorder  points drawn around it; not read, since the mask was made from it

MATLAB stores columns first, so that HDF5 sees every array transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from whyscan.data import hdf5
from whyscan.data.dicom_window import Asked, Window, full_range, percentile_range, usable, windowed
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadScan, printable

CLASSES = {1: "meningioma", 2: "glioma", 3: "pituitary"}
SMALLEST, LARGEST = 8, 4096
_LONGEST = 64
"""Characters of a patient's id."""


@dataclass(frozen=True, eq=False)
class Slice:
    """What one file holds.

    Attributes:
        values: (h, w) as stored.
        label: the class's name.
        patient: the patient's id in the set.
        region: (h, w) the tumour.
    """

    values: Shaped[np.ndarray, "h w"]
    label: str
    patient: str
    region: Bool[np.ndarray, "h w"]


def is_mat(path: Path) -> bool:
    return path.suffix.lower() == ".mat"


def read_slice(path: Path) -> Slice:
    """Read one file of the set.

    Raises:
        BadScan: missing, damaged, of an older MATLAB format, or without the fields of the set.
    """
    try:
        with path.open("rb") as file:
            start = file.read(128)
    except OSError as error:
        raise BadScan(f"{path.name} cannot be read ({error.strerror or error})", "a file", "check the path") from error
    if start.startswith(b"MATLAB 5.0"):
        raise BadScan(
            f"{path.name} is of MATLAB 5 to 7.2", "a MATLAB 7.3 file, which is HDF5", "save it with -v7.3 in MATLAB"
        )
    with hdf5.opened(str(path), path.name, BadScan) as file:
        data = file.get("cjdata")
        missing = [name for name in ("image", "label", "PID", "tumorMask") if data is None or name not in data]
        if missing:
            raise _bad(path, f"has no cjdata.{missing[0]}")
        values, mask = (_plane(path, data, name) for name in ("image", "tumorMask"))
        label = _numbers(path, data, "label").ravel()
        patient = _text(path, data, "PID")
    if mask.shape != values.shape:
        raise _bad(path, f"has a mask of {mask.shape} and an image of {values.shape}")
    if label.size != 1 or int(label[0]) not in CLASSES or label[0] != int(label[0]):
        raise _bad(path, f"has the label {label[:4].tolist()}")
    return Slice(values, CLASSES[int(label[0])], patient, mask > 0)


def read_mat(
    path: Path,
    *,
    window: Asked = None,
    label: str | None = None,
    patient: str | None = None,
    source: str | None = None,
) -> Scan:
    """One file of the set as a scan, with its class, patient and tumour.

    Args:
        window: which values lie between black and white: (centre, width), "percentile" (0.5th to 99.5th), or "full"
            (smallest to largest, the default: what the published JPEG copies of the set were made with).
        label, patient: instead of the file's own.

    Raises:
        BadScan: see `read_slice`.
        BadInput: another window.
    """
    found = read_slice(path)
    chosen, why = _window(found.values, window, path.name)
    pixels = windowed(found.values.astype(np.float64), chosen)
    return Scan(
        np.asarray(pixels, np.float32)[None],
        content_hash(found.values),
        source=printable(path.name if source is None else source),
        label=found.label if label is None else label,
        patient=found.patient if patient is None else patient,
        region=found.region,
        reading=(f"{found.values.dtype} values, {chosen}: {why}",),
    )


def _window(values: Shaped[np.ndarray, "h w"], asked: Asked, name: str) -> tuple[Window, str]:
    if isinstance(asked, tuple):
        if (window := usable(asked[0], asked[1], "LINEAR_EXACT")) is None:
            raise BadInput(f"the window {asked}", "(centre, width), the width above 0", "pass window=(500, 1000)")
        return window, "as asked for"
    if asked == "percentile":
        return percentile_range(values.ravel().astype(np.float64)), "0.5th to 99.5th percentile of the slice"
    if asked in (None, "full"):
        return full_range(values.astype(np.float64), np.ones(values.shape, bool)), "minimum to maximum of the slice"
    raise BadInput(f"the window {asked!r} of {name}", "(centre, width), 'full' or 'percentile'", "pass one of these")


def _numbers(path: Path, data: Any, name: str) -> Shaped[np.ndarray, ...]:
    found = hdf5.array(data[name], f"{path.name}, cjdata.{name}", BadScan)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise _bad(path, f"has NaN or infinity in cjdata.{name}")
    return found


def _plane(path: Path, data: Any, name: str) -> Shaped[np.ndarray, "h w"]:
    shape = getattr(data[name], "shape", ())
    if len(shape) != 2 or not all(SMALLEST <= side <= LARGEST for side in shape):
        raise _bad(path, f"has cjdata.{name} of shape {tuple(shape)}")
    return np.ascontiguousarray(_numbers(path, data, name).T)


def _text(path: Path, data: Any, name: str) -> str:
    """MATLAB's text is an array of UTF-16 units."""
    codes = _numbers(path, data, name).ravel()
    if not 0 < codes.size <= _LONGEST or codes.dtype.kind != "u":
        raise _bad(path, f"has no text in cjdata.{name}")
    return printable("".join(chr(int(code)) for code in codes).strip("\0 "))


def _bad(path: Path, how: str) -> BadScan:
    return BadScan(
        f"{path.name} {how}", "a file of the brain-tumour set of Cheng et al. (cjdata)", "take it from the set as it is"
    )
