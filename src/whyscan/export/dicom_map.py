"""Parametric Map: the raw values in the source's own space, one object for a method, layer and target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whyscan.export import dicom_words as words
from whyscan.export.dicom_source import Slice, header, highdicom
from whyscan.records.attribution import Attribution
from whyscan.render import colour

SERIES_NUMBER = 9101

Pair = tuple[Attribution, Slice]


def geometry(slices: Sequence[Slice]) -> dict[str, Any]:
    """Where frames lie, for highdicom's constructors: that of the slices they explain."""
    hd = highdicom()
    first = slices[0]
    assert first.spacing is not None and first.orientation is not None
    return {
        "pixel_measures": hd.PixelMeasuresSequence(tuple(first.spacing), first.thickness or 1.0),
        "plane_orientation": hd.PlaneOrientationSequence("PATIENT", tuple(first.orientation)),
        "plane_positions": [hd.PlanePositionSequence("PATIENT", tuple(each.position)) for each in slices],  # type: ignore[arg-type]
    }


def state_spacing(found: Any, slices: Sequence[Slice]) -> None:
    """Say in a map or segmentation how far its frames lie apart, by where they lie.

    highdicom takes the source's own Spacing Between Slices over, which is that of all its slices, and not always true.
    Where the frames are not evenly spaced there is no such number, and no claim to be a volume ("3D").
    """
    hd = highdicom()
    measures = geometry(slices)["pixel_measures"]
    unique = sorted({tuple(each) for each in frame_positions(found)})
    spacing = None
    if len(unique) > 1:
        assert slices[0].orientation is not None
        spacing, _ = hd.spatial.get_volume_positions(unique, tuple(slices[0].orientation))
    if spacing:
        measures[0].SpacingBetweenSlices = _decimal(spacing)
    elif found.get("DimensionOrganizationType") == "3D":
        del found.DimensionOrganizationType
    found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = measures


def frame_positions(found: Any) -> list[list[float]]:
    """Where each frame of a map or segmentation lies: the centre of its first pixel in millimetres (LPS)."""
    return [
        [float(each) for each in groups.PlanePositionSequence[0].ImagePositionPatient]
        for groups in found.PerFrameFunctionalGroupsSequence
    ]


def _decimal(value: float) -> float:
    """Millimetres without the noise of floating point, short enough for DICOM's decimal strings."""
    return float(f"{value:.6g}")


def source_images(slices: Sequence[Slice]) -> list[Any]:
    """The headers of the files that the slices come from, each once."""
    found = {str(each.dataset.SOPInstanceUID): each.dataset for each in slices}
    return [header(dataset) for dataset in found.values()]


def parametric_map(pairs: Sequence[Pair], target: str, *, series: str, number: int) -> Any:
    """One target's values on the slices of a series.

    Args:
        pairs: of one method, layer and series, in the order of the slices.
        series: the UID of the series that it goes into.
        number: its instance number there.

    Returns:
        A highdicom ParametricMap; pixels are float32 and equal `Attribution.values`.
    """
    hd = highdicom()
    from pydicom.sr.codedict import codes

    first = pairs[0][0]
    values = np.stack([each.on_scan(target) for each, _ in pairs]).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    end = colour.limit_of(values, share=first.share) or 1.0
    low, high = float(values.min()), float(values.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label=words.text(target, 16),
        lut_explanation=words.text(f"{first.unit}, {target}"),
        unit=codes.UCUM.NoUnits,
        value_range=(low, high if high > low else low + 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=hd.sr.CodedConcept("130402", "DCM", "Class activation"),
    )
    window = (0.0, 2 * end) if first.signed else (end / 2, end)
    slices = [source for _, source in pairs]
    found = hd.pm.ParametricMap(
        source_images(slices),
        values,
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=str(hd.UID()),
        instance_number=number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        # exact: the plain linear function takes no window narrower than 1, and logits often span less
        voi_lut_transformations=[hd.VOILUTTransformation(*window, voi_lut_function="LINEAR_EXACT")],
        content_label="CLASS_ACTIVATION",
        content_description=words.text(f"{target}: {first.headline}"),
        contributing_equipment=[words.contribution(first)],
        series_description=words.text("whyscan: class activation (research only)"),
        **geometry(slices),
        **words.equipment(first),
    )
    state_spacing(found, slices)
    found.Laterality = slices[0].laterality
    return found
