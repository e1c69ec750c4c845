"""Segmentation: the region that stands out in a map, as a mask with the rule that drew it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.errors import BadInput
from whyscan.export import dicom_words as words
from whyscan.export.dicom_map import Pair, geometry, source_images, state_spacing
from whyscan.export.dicom_source import highdicom
from whyscan.records.attribution import Attribution
from whyscan.render import colour

SERIES_NUMBER = 9103


@dataclass(frozen=True)
class Threshold:
    """Which pixels of a map are its region. Only positive values can be: the region speaks for the target.

    Attributes:
        of: "max": values of at least `share` x the largest in the series; "top": the `share` largest of all pixels.
        share: above 0, at most 1.
    """

    of: Literal["max", "top"] = "max"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.of not in ("max", "top") or not 0 < self.share <= 1:
            raise BadInput(
                f"the threshold {self.of}:{self.share}",
                "max:SHARE or top:SHARE, a share above 0 and at most 1",
                "write max:0.5 for values from half of the largest on, top:0.05 for the largest 5 %",
            )

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """`max:0.5`, `top:0.05`, or `0.5` alone. Raises BadInput for anything else."""
        of, _, share = text.rpartition(":")
        try:
            return cls(of or "max", float(share))  # type: ignore[arg-type]
        except ValueError:
            return cls("text", 0.0)  # type: ignore[arg-type]

    def region(self, values: Float32[np.ndarray, "n h w"]) -> Bool[np.ndarray, "n h w"]:
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        positive = finite > 0
        if not positive.any():
            return np.zeros(values.shape, bool)
        if self.of == "max":
            return np.asarray(positive & (finite >= self.share * finite.max()))
        return np.asarray(positive & (finite >= np.quantile(finite, 1 - self.share)))

    def __str__(self) -> str:
        if self.of == "max":
            return f"at least {self.share:.0%} of the largest value"
        return f"the largest {self.share:.1%} of the pixels"


def segmentation(pairs: Sequence[Pair], threshold: Threshold, *, series: str, number: int) -> Any | None:
    """The regions of all targets of one method and layer, a segment each.

    Returns:
        A highdicom Segmentation (BINARY), or None where every map is blank.
    """
    hd = highdicom()
    first = pairs[0][0]
    targets = dict.fromkeys(target for each, _ in pairs for target in each.targets)
    regions = {target: threshold.region(_stack([each for each, _ in pairs], target)) for target in targets}
    regions = {target: region for target, region in regions.items() if region.any()}
    if not regions:
        return None
    slices = [source for _, source in pairs]
    found = hd.seg.Segmentation(
        source_images(slices),
        np.stack(list(regions.values()), axis=-1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_described(first, target, k, threshold) for k, target in enumerate(regions, start=1)],
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=str(hd.UID()),
        instance_number=number,
        content_label="CLASS_ACTIVATION",
        content_description=words.text(f"{threshold}: {first.headline}"),
        contributing_equipment=[words.contribution(first)],
        series_description=words.text("whyscan: thresholded regions (research only)"),
        **geometry(slices),
        **words.equipment(first),
    )
    state_spacing(found, slices)
    return found


def _stack(attributions: Sequence[Attribution], target: str) -> Float32[np.ndarray, "n h w"]:
    """A target's values on all slices; 0 on a slice that was not asked about it."""
    nothing = np.zeros(attributions[0].geometry.scan, np.float32)
    return np.stack([each.on_scan(target) if target in each.targets else nothing for each in attributions])


def _described(first: Attribution, target: str, number: int, threshold: Threshold) -> Any:
    hd = highdicom()
    red, green, blue = colour.FOR
    found = hd.seg.SegmentDescription(
        number,
        words.text(target),
        segmented_property_category=hd.sr.CodedConcept("309825002", "SCT", "Spatial and Relational Concept"),
        segmented_property_type=hd.sr.CodedConcept("130402", "DCM", "Class activation"),
        algorithm_type="AUTOMATIC",
        algorithm_identification=words.algorithm(first),
        tracking_uid=str(hd.UID()),
        tracking_id=words.text(f"{words.method(first)} {target}"),
        display_color=hd.color.CIELabColor.from_rgb(red, green, blue),
    )
    found.SegmentDescription = words.text(f"Region of a class activation map, not of a structure: {threshold}", 1024)
    return found
