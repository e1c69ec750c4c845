"""Secondary Capture: an RGB picture with its legend burned in, which any viewer shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from whyscan.export import dicom_words as words
from whyscan.export.dicom_source import PATIENT_AND_STUDY, Slice, header, highdicom
from whyscan.records.attribution import Attribution

SERIES_NUMBER = 9102


def capture(
    attribution: Attribution,
    target: str,
    source: Slice | None,
    *,
    series: str,
    number: int,
    study: str = "",
    limit: float | None = None,
) -> Any:
    """One target's picture.

    Args:
        source: the slice whose study it goes into; None for a scan that was no DICOM, which gets a study without a
            patient.
        series, number: the UID of its series, and its instance number there.
        study: the UID of that new study.
        limit: the end of the colour scale; the map's own if None.

    Returns:
        A highdicom SCImage.
    """
    from whyscan.export.capture_picture import picture  # it draws: see `whyscan.render.figures`

    hd = highdicom()
    dataset = header(source.dataset) if source is not None else _nobody(study)
    found = hd.sc.SCImage.from_ref_dataset(
        dataset,
        picture(attribution, target, limit=limit, aspect=_aspect(source)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=str(hd.UID()),
        instance_number=number,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        contributing_equipment=[words.contribution(attribution)],
        series_description=words.text("whyscan: pictures (research only)"),
        **words.equipment(attribution),
    )
    found.Laterality = "" if source is None else source.laterality
    found.PatientOrientation = [] if source is None else directions(source)
    found.ImageComments = words.text(f"{words.RESEARCH}. {attribution.headline}; {attribution.title(target)}", 1024)
    _say_what_is_burned_in(found, source)
    if source is not None:
        found.SourceImageSequence = [_reference(source)]
        found.DerivationDescription = words.text(f"{words.method(attribution)} of a classifier laid over the source")
    return found


def _aspect(source: Slice | None) -> float:
    return 1.0 if source is None or source.spacing is None else float(source.spacing[0] / source.spacing[1])


def directions(source: Slice) -> list[str]:
    """Where rows and columns lead, in DICOM's letters: L or R, P or A, H (head) or F (feet).

    >>> import numpy as np
    >>> class Axial: orientation = np.array([1.0, 0, 0, 0, 1, 0])
    >>> directions(Axial())
    ['L', 'P']
    """
    if source.orientation is None:
        return []
    letters = []
    for axis in (source.orientation[:3], source.orientation[3:]):
        strongest = int(np.argmax(np.abs(axis)))
        letters.append(("LR", "PA", "HF")[strongest][int(axis[strongest] < 0)])
    return letters


def _say_what_is_burned_in(found: Any, source: Slice | None) -> None:
    # BurnedInAnnotation says whether a picture names its patient. Ours adds no such words, so the source decides; a
    # source that does not say leaves it open, and the attribute out
    said = "" if source is None else str(source.dataset.get("BurnedInAnnotation", "") or "")
    if said in ("YES", "NO"):
        found.BurnedInAnnotation = said
    elif "BurnedInAnnotation" in found:
        del found.BurnedInAnnotation


def _nobody(study: str) -> Any:
    """A study without a patient."""
    from pydicom.dataset import Dataset

    empty = Dataset()
    empty.StudyInstanceUID = study
    for keyword in PATIENT_AND_STUDY:
        setattr(empty, keyword, "")
    return empty


def _reference(source: Slice) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = source.dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = source.dataset.SOPInstanceUID
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame + 1
    return item
