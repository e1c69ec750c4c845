"""What a DICOM header says of one frame: its rescaling, its windows and its place, wherever the file keeps them.

Enhanced objects keep them in functional groups, per frame or shared (PS3.3 C.7.6.16); others at the top.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.data.dicom_window import FUNCTIONS, Window, usable
from whyscan.errors import BadScan

_GROUPS = (
    "PixelValueTransformationSequence", "FrameVOILUTSequence", "PlanePositionSequence", "PlaneOrientationSequence",
    "PixelMeasuresSequence",
)  # fmt: skip
# Objects that hold pixels which are no picture of a patient.
_NOT_SCANS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "a radiotherapy dose",
}


def find(data: Any, keyword: str, frame: int | None) -> Any:
    """An attribute of a frame: of its own functional groups, of the shared ones, or of the top; None where nowhere."""
    for group in _groups(data, frame):
        for name in _GROUPS:
            items = group.get(name)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
    return data.get(keyword)


def _groups(data: Any, frame: int | None) -> list[Any]:
    per_frame = data.get("PerFrameFunctionalGroupsSequence") or []
    shared = data.get("SharedFunctionalGroupsSequence") or []
    own = [per_frame[frame or 0]] if (frame or 0) < len(per_frame) else []
    return own + list(shared[:1])


def frames(data: Any) -> int:
    """How many frames the file says it has; 1 where it does not say."""
    return max(1, int(data.get("NumberOfFrames") or 1))


def check_image(data: Any, name: str) -> None:
    """Raises BadScan for an object that is no image, with what kind of object it is."""
    from pydicom._uid_dict import UID_dictionary

    uid = str(data.get("SOPClassUID", ""))
    kind = UID_dictionary.get(uid, ("an object of an unknown kind",))[0]
    if uid in _NOT_SCANS:
        raise BadScan(f"{name} is {_NOT_SCANS[uid]}", "an image", "name the series that it was made from")
    if "Rows" not in data or "Columns" not in data:
        raise BadScan(f"{name} holds no image ({kind})", "a DICOM image", "leave it out")


def number(value: Any) -> float | None:
    """A header's value as a finite number, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def numbers(value: Any) -> list[float]:
    """A header's values as finite numbers; those that are none are left out."""
    if value is None or isinstance(value, str | bytes):
        values: list[Any] = [value]
    elif hasattr(value, "__iter__"):
        values = list(value)
    else:
        values = [value]
    return [found for found in map(number, values) if found is not None]


def vector(value: Any, size: int) -> Float64[np.ndarray, " n"] | None:
    """A header's values as a vector of `size` finite numbers, or None."""
    found = numbers(value)
    return np.array(found) if len(found) == size else None


def windows(data: Any, frame: int | None) -> list[Window]:
    """The windows of a frame, in the file's order; without those that the equations do not hold for."""
    centres = numbers(find(data, "WindowCenter", frame))
    widths = numbers(find(data, "WindowWidth", frame))
    function = str(find(data, "VOILUTFunction", frame) or "LINEAR").strip().upper()
    function = function if function in FUNCTIONS else "LINEAR"
    found = (usable(centre, width, function) for centre, width in zip(centres, widths, strict=False))
    return [window for window in found if window is not None]


def window_names(data: Any, frame: int | None) -> list[str]:
    """The windows' names in the file, in small letters: compared with what is asked for, never shown."""
    names = find(data, "WindowCenterWidthExplanation", frame)
    if names is None:
        return []
    return [str(name).strip().lower() for name in ([names] if isinstance(names, str) else names)]


def rescale(data: Any, frame: int | None, name: str) -> tuple[float, float]:
    """(slope, intercept); (1, 0) where the file does not say. Raises BadScan where they are no numbers, or 0."""
    slope, intercept = find(data, "RescaleSlope", frame), find(data, "RescaleIntercept", frame)
    factor, offset = (1.0 if slope is None else number(slope)), (0.0 if intercept is None else number(intercept))
    if not factor or offset is None:
        raise BadScan(
            f"{name} has a rescaling that is no number, or a slope of 0", "a finite slope and intercept",
            "export the series again",
        )  # fmt: skip
    return factor, offset


def affine(data: Any, frame: int | None, step: float | None = None) -> Float64[np.ndarray, "4 4"] | None:
    """(column, row, slice, 1) -> millimetres, RAS+ (PS3.3 C.7.6.2.1.1, its x and y negated); None where unknown.

    Args:
        step: millimetres from slice to slice; by default what the file says, or 1.
    """
    position = vector(find(data, "ImagePositionPatient", frame), 3)
    axes = orientation(data, frame)
    spacing = vector(find(data, "PixelSpacing", frame), 2)
    if position is None or axes is None or spacing is None or not (spacing > 0).all():
        return None
    between = step or number(find(data, "SpacingBetweenSlices", frame)) or number(find(data, "SliceThickness", frame))
    found = np.eye(4)
    found[:3, 0] = axes[:3] * spacing[1]
    found[:3, 1] = axes[3:] * spacing[0]
    found[:3, 2] = np.cross(axes[:3], axes[3:]) * (between or 1.0)
    found[:3, 3] = position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ found


def orientation(data: Any, frame: int | None) -> Float64[np.ndarray, " 6"] | None:
    """The directions of a row and of a column (LPS), or None where they are not two unit vectors at right angles."""
    axes = vector(find(data, "ImageOrientationPatient", frame), 6)
    if axes is None:
        return None
    row, column = axes[:3], axes[3:]
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    return axes if np.abs(lengths - 1).max() < 0.01 and abs(float(row @ column)) < 0.01 else None


def plane(matrix: Float64[np.ndarray, "4 4"] | None) -> str:
    """What a slice of this affine is nearest to."""
    if matrix is None:
        return ""
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())]
