"""Structured Report (TID 1500): the class probabilities, with references to the source and to the other objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyscan import __version__
from whyscan.export import dicom_words as words
from whyscan.export.dicom_map import frame_positions
from whyscan.export.dicom_place import Pairs, called, key
from whyscan.export.dicom_source import Slice, highdicom
from whyscan.records.attribution import Attribution

SERIES_NUMBER = 9104
_APART = 0.01  # mm: two statements of one position differ by rounding only


@dataclass(frozen=True, eq=False)
class Made:
    """An object that was made, and the slices that it shows.

    Attributes:
        object: a highdicom object.
        pairs: of one model, method and layer: one slice of a capture, all slices of a map or segmentation.
    """

    object: Any
    pairs: Pairs

    def shows(self, attribution: Attribution, source: Slice | None) -> bool:
        """Whether it is of this slice and of this classifier."""
        return any(
            key(*each) == key(attribution, source)
            and (each[0].model_hash, each[0].model) == (attribution.model_hash, attribution.model)
            for each in self.pairs
        )


def report(
    pairs: Pairs,
    evidence: Sequence[Any],
    made: Sequence[Made],
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
    groups = [_group(attribution, source) for attribution, source in pairs]
    for group, each in zip(groups, pairs, strict=True):
        _refer(group, each[1], [one.object for one in made if one.shows(*each)])
    shown = [one.object for one in made if any(one.shows(*each) for each in pairs)]
    content = hd.sr.MeasurementReport(
        observation_context=context,
        procedure_reported=codes.cid100.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*evidence, *(each for each in shown if all(each is not other for other in evidence))],
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


def _group(attribution: Attribution, source: Slice | None) -> Any:
    """A slice: the probability of each class, and which one was predicted."""
    hd = highdicom()
    from pydicom.sr.codedict import codes

    images = []
    if source is not None:
        frames = None if source.frame is None else [source.frame + 1]
        header = source.dataset
        images = [hd.sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, frames)]
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(str(hd.UID()), words.text(called(attribution, source))),
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


def _refer(group: Any, source: Slice | None, made: Sequence[Any]) -> None:
    """References to a slice's picture and to its frames of maps and regions, as items of its own group (TID 1501 may
    be extended)."""
    hd = highdicom()
    names = {
        "Parametric Map Storage": ("130402", "DCM", "Class activation"),
        "Segmentation Storage": ("121191", "DCM", "Referenced Segment"),
        "Secondary Capture Image Storage": ("121200", "DCM", "Illustration of ROI"),
    }
    for each in made:
        frames = _frames(each, source)
        if frames == []:  # a region that is empty on this slice has no frame of it
            continue
        code = hd.sr.CodedConcept(*names[each.SOPClassUID.name])
        item = hd.sr.ImageContentItem(
            code, each.SOPClassUID, each.SOPInstanceUID, frames, None, relationship_type="CONTAINS"
        )
        group[0].ContentSequence.append(item)


def _frames(found: Any, source: Slice | None) -> list[int] | None:
    """The numbers, from 1, of the frames that lie where the slice lies; None of a picture, which has no frames."""
    if source is None or source.position is None or "PerFrameFunctionalGroupsSequence" not in found:
        return None
    apart = np.abs(np.array(frame_positions(found)) - source.position).max(axis=1)
    return [int(row) + 1 for row in np.flatnonzero(apart < _APART)]


def one_a_slice(pairs: Pairs) -> list[tuple[Attribution, Slice | None]]:
    """The first attribution of each slice and classifier."""
    found: dict[Any, tuple[Attribution, Slice | None]] = {}
    for attribution, source in pairs:
        found.setdefault((attribution.model_hash, attribution.model, key(attribution, source)), (attribution, source))
    return list(found.values())
