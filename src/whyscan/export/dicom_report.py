"""Structured Report (TID 1500): the class probabilities, with references to the source and to the other objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whyscan import __version__
from whyscan.export import dicom_words as words
from whyscan.export.dicom_source import Slice, highdicom
from whyscan.records.attribution import Attribution

SERIES_NUMBER = 9104


def report(
    pairs: Sequence[tuple[Attribution, Slice | None]],
    evidence: Sequence[Any],
    made: Sequence[Any],
    *,
    series: str,
    number: int = 1,
) -> Any:
    """What one classifier said about the slices of a series.

    Args:
        pairs: one attribution a slice and classifier: probabilities do not depend on the method.
        evidence: headers of the source, or the pictures where the source was no DICOM.
        made: the objects that were made of the same attributions.
        series, number: the UID of its series, and its instance number there.

    Returns:
        A highdicom Comprehensive3DSR.
    """
    hd = highdicom()
    from pydicom.sr.codedict import codes

    first = pairs[0][0]
    observer = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=str(hd.UID()), name=words.MAKER, manufacturer_name=words.MAKER,
        model_name=words.text(first.model or "classifier"), serial_number=words.text(first.model_hash or "unknown"),
    )  # fmt: skip
    context = hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, observer),
    )
    groups = [_group(attribution, source, number) for number, (attribution, source) in enumerate(pairs, start=1)]
    _refer(groups[0], made)
    content = hd.sr.MeasurementReport(
        observation_context=context,
        procedure_reported=codes.cid100.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*evidence, *(each for each in made if all(each is not other for other in evidence))],
        content=content[0],
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=str(hd.UID()),
        instance_number=number,
        manufacturer=words.MAKER,
        is_complete=True,
        contributing_equipment=[words.contribution(first)],
        series_description=words.text("whyscan: class probabilities (research only)"),
        manufacturer_model_name=words.text(first.model or "classifier"),
        software_versions=__version__,
        device_serial_number=words.text(first.model_hash or "unknown"),
    )


def _group(attribution: Attribution, source: Slice | None, number: int) -> Any:
    """A slice: the probability of each class, and which one was predicted."""
    hd = highdicom()
    from pydicom.sr.codedict import codes

    images = []
    if source is not None:
        frames = None if source.frame is None else [source.frame + 1]
        header = source.dataset
        images = [hd.sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, frames)]
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(str(hd.UID()), f"slice {number}"),
        algorithm_id=_algorithm(attribution),
        measurements=[
            hd.sr.Measurement(_class_code(name, index, "Probability of"), float(p), codes.UCUM.NoUnits)
            for index, (name, p) in enumerate(zip(attribution.classes, attribution.probabilities, strict=True))
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(
                hd.sr.CodedConcept("PREDICTED", words.SCHEME, "Predicted class (research only, not for diagnosis)"),
                _class_code(attribution.predicted, attribution.classes.index(attribution.predicted), ""),
            )
        ],
        source_images=images,
    )


def _algorithm(attribution: Attribution) -> Any:
    hd = highdicom()
    said = [f"{name}: {value}" for name, value in words.parameters(attribution).items() if name in _OF_A_MODEL]
    return hd.sr.AlgorithmIdentification(words.text(attribution.model or "classifier"), __version__, said)


_OF_A_MODEL = ("model hash", "engine")


def _class_code(name: str, index: int, before: str) -> Any:
    """A class as a private code: whatever a classifier calls its classes, no public scheme is claimed to hold it."""
    kind = "P" if before else "C"
    return highdicom().sr.CodedConcept(f"{kind}{index}", words.SCHEME, words.text(f"{before} {name}".strip()))


def _refer(group: Any, made: Sequence[Any]) -> None:
    """References to maps, regions and pictures, as items of the first slice's group (TID 1501 may be extended)."""
    hd = highdicom()
    names = {
        "Parametric Map Storage": ("130402", "DCM", "Class activation"),
        "Segmentation Storage": ("121191", "DCM", "Referenced Segment"),
        "Secondary Capture Image Storage": ("121200", "DCM", "Illustration of ROI"),
    }
    for each in made:
        code = hd.sr.CodedConcept(*names[each.SOPClassUID.name])
        segments = [int(item.SegmentNumber) for item in each.get("SegmentSequence", [])] or None
        item = hd.sr.ImageContentItem(
            code, each.SOPClassUID, each.SOPInstanceUID, None, segments, relationship_type="CONTAINS"
        )
        group[0].ContentSequence.append(item)


def one_a_slice(
    pairs: Sequence[tuple[Attribution, Slice | None]],
) -> list[tuple[Attribution, Slice | None]]:
    """The first attribution of each slice and classifier."""
    found: dict[Any, tuple[Attribution, Slice | None]] = {}
    for attribution, source in pairs:
        place = attribution.scan if source is None else (source.dataset.SOPInstanceUID, source.frame)
        found.setdefault((attribution.model_hash, attribution.model, place), (attribution, source))
    return list(found.values())
