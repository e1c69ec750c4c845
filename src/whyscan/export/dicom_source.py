"""The DICOM slices that were explained: their headers, their geometry, and which attribution belongs to which."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.data.dicom_file import quiet
from whyscan.errors import BadInput, BadScan, WhyscanError

# Attributes that every derived object has to carry, though perhaps empty (type 2): a source that lacks one is mended.
PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip

_EXTRA = "pip install 'whyscan[dicom]'"


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a DICOM series, without its pixels.

    Attributes:
        dataset: the file's header (pydicom).
        frame: the frame's number, from 0, in a file that holds several; None in one that holds one.
        content: the hash of the pixels as whyscan reads them.
    """

    dataset: Any
    frame: int | None = None
    content: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.dataset.Rows), int(self.dataset.Columns)

    @property
    def series(self) -> str:
        return str(self.dataset.SeriesInstanceUID)

    @cached_property
    def position(self) -> Float64[np.ndarray, " xyz"] | None:
        """The centre of the first pixel in millimetres (LPS), or None where the file does not say."""
        return _numbers(self._found("PlanePositionSequence", "ImagePositionPatient"), 3)

    @cached_property
    def orientation(self) -> Float64[np.ndarray, " six"] | None:
        """Direction of a row, then of a column (LPS), or None."""
        return _numbers(self._found("PlaneOrientationSequence", "ImageOrientationPatient"), 6)

    @cached_property
    def spacing(self) -> Float64[np.ndarray, " two"] | None:
        """Millimetres from row to row, and from column to column, or None."""
        return _numbers(self._found("PixelMeasuresSequence", "PixelSpacing"), 2)

    @property
    def thickness(self) -> float | None:
        found = self._found("PixelMeasuresSequence", "SliceThickness")
        return None if found in (None, "") else float(found)

    @property
    def frame_of_reference(self) -> str:
        return str(self.dataset.get("FrameOfReferenceUID", "") or "")

    @property
    def height(self) -> float:
        """How far along its own normal it lies: slices sorted by it lie in their order in the patient."""
        if self.position is None or self.orientation is None:
            return float(self.frame or self.dataset.get("InstanceNumber") or 0)
        return float(np.cross(self.orientation[:3], self.orientation[3:]) @ self.position)

    @property
    def laterality(self) -> str:
        """The source's; "" (unknown) where it is silent: dciodvfy asks for one unless the body part is unpaired."""
        return str(self.dataset.get("Laterality", "") or "")

    def why_no_geometry(self) -> str:
        """Why nothing can be laid over it in the patient's space; "" where all that it takes is there."""
        needed = {
            "Image Position": self.position is not None,
            "Image Orientation": self.orientation is not None,
            "Pixel Spacing": self.spacing is not None,
            "a Frame of Reference UID": bool(self.frame_of_reference),
        }
        missing = [name for name, there in needed.items() if not there]
        return f"the DICOM source does not state {', '.join(missing)}" if missing else ""

    def _found(self, sequence: str, keyword: str) -> Any:
        """An attribute of this frame: its own, the one all frames share, or the file's."""
        groups = []
        if self.frame is not None and "PerFrameFunctionalGroupsSequence" in self.dataset:
            groups.append(self.dataset.PerFrameFunctionalGroupsSequence[self.frame])
        if "SharedFunctionalGroupsSequence" in self.dataset:
            groups += list(self.dataset.SharedFunctionalGroupsSequence)[:1]
        for group in groups:
            if group.get(sequence):
                return group[sequence].value[0].get(keyword)
        return self.dataset.get(keyword)


def highdicom() -> Any:
    """The package that writes DICOM objects.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import highdicom as found
    except ImportError as error:
        raise BadInput("DICOM output without the package highdicom", "whyscan's dicom extra", _EXTRA) from error
    return found


@contextmanager
def discreet(what: str) -> Iterator[None]:
    """Keep what pydicom and highdicom say about a patient's tags out of logs and errors: they quote values.

    Raises:
        BadScan: in place of whatever they raised, without its text.
    """
    problem = ""
    with quiet():
        try:
            yield
        except (WhyscanError, OSError):
            raise
        except Exception as error:  # a header that is against the standard makes its writers raise nearly anything
            problem = type(error).__name__
    if problem:  # raised outside the handler, so that the writer's own error is not chained to this one
        raise BadScan(
            f"{what} cannot be made from this DICOM source ({problem}; its text may quote the patient)",
            "a source whose header follows the standard",
            "check the source with dciodvfy, or leave this object out",
        )


def header(dataset: Any) -> Any:
    """A copy of a source's header that derived objects can take patient and study from.

    Raises:
        BadScan: it has no study or series to belong to.
    """
    found = copy.copy(dataset)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        if not found.get(keyword):
            raise BadScan(f"a DICOM source without {keyword}", "a complete DICOM file", "export it again from the PACS")
    for keyword in PATIENT_AND_STUDY:
        if keyword not in found:
            setattr(found, keyword, "")
    if found.PatientSex not in ("", "M", "F", "O"):
        found.PatientSex = ""
    age = str(found.get("PatientAge", "") or "")
    if age and not re.fullmatch(r"\d{3}[DWMY]", age):  # a value that DICOM does not know is refused by archives
        del found.PatientAge
    return found


def _numbers(value: Any, count: int) -> Float64[np.ndarray, " n"] | None:
    if value is None or value == "" or len(value) != count:
        return None
    numbers = np.array([float(each) for each in value])
    return numbers if np.isfinite(numbers).all() else None
