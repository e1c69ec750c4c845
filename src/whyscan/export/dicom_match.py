"""Which slice of which DICOM series an attribution is about: told by the pixels, and by its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from whyscan.data.dicom import read_dicom
from whyscan.data.dicom_file import is_dicom, parsed, reading
from whyscan.data.dicom_stack import image_files
from whyscan.errors import BadInput, BadScan
from whyscan.export.dicom_source import Slice
from whyscan.records.attribution import Attribution

_APART = 0.05  # mm: two statements of one position differ by rounding only


def slices_of(sources: Sequence[Path]) -> list[Slice]:
    """The DICOM slices among files and folders, in the order of their series in the patient.

    Images of other formats are passed over; so are DICOM files that hold no image.

    Raises:
        BadScan: a file that was named, and is DICOM, cannot be read.
    """
    found = [each for source in sources for path in _files(source) for each in _slices(path, named=path == source)]
    return sorted(found, key=lambda each: (each.series, each.height))


def pair(attributions: Sequence[Attribution], slices: Sequence[Slice]) -> list[tuple[Attribution, Slice | None]]:
    """Each attribution with its slice; None where there are no DICOM slices at all, or where it is of no DICOM file.

    Raises:
        BadInput: of a DICOM file, and none of the DICOM sources is the one that was explained, or several are.
    """
    if not slices:
        return [(attribution, None) for attribution in attributions]
    return [(attribution, _slice_of(attribution, slices)) for attribution in attributions]


def why_apart(attribution: Attribution, source: Slice) -> str:
    """Why values on the scan's grid cannot be laid on the source's; "" where the grids are the same."""
    if attribution.geometry.scan != source.shape:
        return "the scan was not explained on the grid of its source"
    affine = None if attribution.place is None else attribution.place.affine
    position = None if affine is None else affine[:3, 3] * (-1, -1, 1)  # RAS to DICOM's LPS
    if position is not None and source.position is not None and np.abs(position - source.position).max() > _APART:
        return "the attribution's place is not that of its source"
    return ""


def _slice_of(attribution: Attribution, slices: Sequence[Slice]) -> Slice | None:
    same = [each for each in slices if each.content == attribution.scan]
    if not same and (attribution.place is None or attribution.place.source != "dicom"):
        return None  # a PNG, say, that was explained together with DICOM files
    if len(same) > 1:  # blank slices, say: their pixels are equal and their places are not
        same = [each for each in same if not why_apart(attribution, each)]
    if len(same) == 1 or (same and len({each.dataset.SOPInstanceUID for each in same}) == 1 and same[0].frame is None):
        return same[0]
    came = "several DICOM slices have" if same else f"none of the {len(slices)} DICOM slices has"
    raise BadInput(
        f"{came} the pixels that the attribution of {attribution.source or attribution.scan[:12]} is about",
        "the series that was explained, and only that",
        "name the files that were explained",
    )


def _files(source: Path) -> Iterator[Path]:
    """The DICOM files of a folder, or those that a DICOMDIR lists, as the reader finds them: contained."""
    if source.is_dir() or is_dicom(source):
        yield from image_files(source)


def _slices(path: Path, *, named: bool) -> list[Slice]:
    try:
        with reading(path):
            dataset = parsed(path, pixels=False)
            count = int(dataset.get("NumberOfFrames") or 1)
            if "Rows" not in dataset:
                return []
        frames = [None] if count == 1 else list(range(count))
        return [Slice(dataset, frame, read_dicom(path, frame=frame).content) for frame in frames]
    except BadScan:
        if named:
            raise
        return []
