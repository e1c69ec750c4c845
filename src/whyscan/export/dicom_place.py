"""Which slice an object is about: one number for it on the screen, in file names, on pictures and in reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whyscan.data.dicom_file import modality, short_hash
from whyscan.export.dicom_source import Slice
from whyscan.records.attribution import Attribution

Pairs = Sequence[tuple[Attribution, Slice | None]]
"""Attributions, each with the DICOM slice that it is about; None where its source is no DICOM."""

_NO_GEOMETRY = "a PNG, JPEG or other image has no geometry: it lies nowhere in a patient"
_NIFTI = (
    "a NIfTI file is in no DICOM study, so there is nothing to lay it over; export nifti (--export nifti, or "
    "--to nifti) keeps it in its own space"
)
_NOT_GIVEN = "the DICOM files that were explained were not given (--source)"


def key(attribution: Attribution, source: Slice | None) -> Any:
    """What tells slices apart; pixels alone do not, for blank slices are alike."""
    if source is not None:
        return str(source.dataset.SOPInstanceUID), source.frame
    return attribution.scan, None if attribution.place is None else attribution.place.index


def called(attribution: Attribution, source: Slice | None, *, digits: int = 1) -> str:
    """A slice's number as `--slices` and `--frame` take it ("slice 12"); of an image that stands alone, its name."""
    place = attribution.place
    if place is not None and place.count > 1:
        return f"slice {place.index:0{digits}d}"
    if source is not None:
        return f"{modality(source.dataset)}-{short_hash(source.dataset.SOPInstanceUID, 8)}"
    return attribution.scan[:12] or "scan"


def volume(attribution: Attribution) -> Any:
    """What makes scans that are no DICOM here one series: their volume; a picture that stands alone is its own."""
    place = attribution.place
    if place is None or place.count < 2:
        return "scan", attribution.scan
    number = place.frame if place.source == "nifti" else None
    return "volume", place.source, place.volume, place.plane, number


def why_no_dicom(attribution: Attribution) -> str:
    """Why an attribution without a DICOM slice cannot become an object that lies in space, and what can be done."""
    kind = "" if attribution.place is None else attribution.place.source
    return {"nifti": _NIFTI, "dicom": _NOT_GIVEN}.get(kind, _NO_GEOMETRY)
