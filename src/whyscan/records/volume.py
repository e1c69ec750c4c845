"""A volume as a whole: what its slices' attributions amount to, as numbers and as one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.errors import BadInput
from whyscan.records.attribution import Attribution, find
from whyscan.records.pictures import TILE, shown_at
from whyscan.records.reading import Reading, in_common
from whyscan.render import colour, overlay, png
from whyscan.render import montage as drawing
from whyscan.render.scale import Scale

RULE = (
    "Mean: the average of a class's probability over the slices that were explained, each counting the same. Largest: "
    "its highest on one slice. The volume's class is the one with the largest mean. Neighbouring slices resemble each "
    "other, so how sure the mean is cannot be said from them: there is no interval."
)


@dataclass(frozen=True, eq=False)
class VolumeSummary:
    """What a classifier says of a volume, slice by slice and together.

    Attributes:
        volume, plane, source: which volume it is; see `Place`.
        count: how many slices the volume has in that plane.
        classes: of the classifier.
        indices: of the slices that were explained, from 0, in order.
        names: what these slices are called.
        probabilities: (n, k) of each slice.
        readings: how each slice was read, one sentence each.
    """

    volume: str
    plane: str
    source: str
    count: int
    classes: tuple[str, ...]
    indices: tuple[int, ...]
    names: tuple[str, ...]
    probabilities: Float64[np.ndarray, "n k"]
    readings: tuple[Reading, ...]

    @property
    def mean(self) -> dict[str, float]:
        """Of each class, over the slices."""
        return dict(zip(self.classes, map(float, self.probabilities.mean(axis=0)), strict=True))

    @property
    def largest(self) -> dict[str, tuple[float, int]]:
        """Of each class its highest probability, and the slice that it was found on."""
        rows = self.probabilities.argmax(axis=0)
        return {
            name: (float(self.probabilities[row, k]), self.indices[row])
            for k, (name, row) in enumerate(zip(self.classes, rows, strict=True))
        }

    @property
    def predicted(self) -> str:
        """The class with the largest mean."""
        return self.classes[int(self.probabilities.mean(axis=0).argmax())]

    @property
    def votes(self) -> dict[str, int]:
        """How many slices each class was predicted on."""
        counted = Counter(int(row) for row in self.probabilities.argmax(axis=1))
        return {name: counted[k] for k, name in enumerate(self.classes)}

    def sentence(self) -> str:
        """One line for a person."""
        best, (top, where) = self.predicted, self.largest[self.predicted]
        return (
            f"{best}: mean probability {self.mean[best]:.3f} over {len(self.indices)} of {self.count} slices, largest "
            f"{top:.3f} (slice {where}), predicted on {self.votes[best]}"
        )

    def as_record(self) -> dict[str, Any]:
        """What JSON can hold."""
        common, apart = in_common(self.readings)
        return {
            "volume": self.volume,
            "plane": self.plane,
            "source": self.source,
            "slices_of_volume": self.count,
            "classes": list(self.classes),
            "predicted": self.predicted,
            "mean": self.mean,
            "largest": {name: {"probability": p, "slice": index} for name, (p, index) in self.largest.items()},
            "votes": self.votes,
            "rule": RULE,
            "reading": list(common),
            "slices": [
                {
                    "index": index,
                    "name": name,
                    "reading": list(said),
                    "probabilities": dict(zip(self.classes, map(float, row), strict=True)),
                }
                for index, name, row, said in zip(self.indices, self.names, self.probabilities, apart, strict=True)
            ],
        }


def summarise_volume(attributions: Sequence[Attribution]) -> VolumeSummary:
    """What a classifier says of the volume that these slices are from; of a slice that comes twice, the later counts.

    Raises:
        BadInput: no slice, a scan that is none, or slices of several volumes, planes or classifiers.
    """
    ordered = in_order(attributions)
    first = ordered[0]
    assert first.place is not None
    places = [each.place for each in ordered if each.place is not None]
    return VolumeSummary(
        first.place.volume, first.place.plane, first.place.source, first.place.count, first.classes,
        tuple(place.index for place in places), tuple(each.source for each in ordered),
        np.stack([each.probabilities for each in ordered]).astype(np.float64),
        tuple(each.reading for each in ordered),
    )  # fmt: skip


def in_order(attributions: Sequence[Attribution]) -> list[Attribution]:
    """One attribution a slice, in the order of the slices. Raises BadInput as `summarise_volume` does."""
    if not attributions or any(each.place is None for each in attributions):
        alone = next((each.source for each in attributions), "no attribution at all")
        raise BadInput(
            f"{alone or 'a scan'}, which is no slice of a volume", "slices of one NIfTI file or one DICOM series",
            "read them with read_scans",
        )  # fmt: skip
    kinds = {_which(each) for each in attributions}
    if len(kinds) > 1:
        raise BadInput(
            f"slices of {len(kinds)} volumes, planes, methods or models", "one of each", "give them one at a time"
        )
    found = {each.place.index: each for each in attributions if each.place is not None}
    return [found[index] for index in sorted(found)]


def _which(each: Attribution) -> Any:
    place = each.place
    assert place is not None
    number = place.frame if place.source == "nifti" else None
    whole = (place.volume, place.plane, place.source, place.count, number, each.geometry.scan)
    return (*whole, each.model, each.model_hash, each.classes, each.method, each.layer)


def montage(attributions: Sequence[Attribution], target: str, *, notes: Sequence[str] = ()) -> bytes:
    """A PNG of all slices in order with the map of one target, on one scale, with what was predicted on each.

    Args:
        attributions: of one method and layer, of the slices of one volume.
        target: a class; a slice that was not explained for it is shown without a map, and says so.
        notes: sentences below the picture.

    Raises:
        BadInput: as `summarise_volume`.
        BadTarget: no slice was explained for it.
    """
    ordered = in_order(attributions)
    target = find(target, list(dict.fromkeys(name for each in ordered for name in each.targets)), "target")
    first, summary = ordered[0], summarise_volume(ordered)
    small = [shown_at(each, TILE) for each in ordered]
    values = [each.on_scan(target) if target in each.targets else None for each in small]
    limit = colour.limit_of(*(each for each in values if each is not None), share=first.share)
    tiles = [
        (_label(each, target), _tile(each, map_, signed=first.signed, limit=limit))
        for each, map_ in zip(small, values, strict=True)
    ]
    drawn = drawing.montage(
        tiles, scale=Scale(first.signed, limit, first.unit, first.share),
        title=f"{first.headline}, explained: {target}\n{_about(summary)}",
        notes=[colour.convention(first.signed, first.quantity), f"{summary.sentence()}.",
               "RESEARCH ONLY, not for diagnosis.", *notes],
    )  # fmt: skip
    return png.encode(drawn)


def _about(summary: VolumeSummary) -> str:
    plane = f"{summary.plane} " if summary.plane else ""
    return (
        f"{len(summary.indices)} of {summary.count} {plane}slices, numbered from 0, on one scale; "
        "under each number what was predicted, and how probable it was"
    )


def _label(each: Attribution, target: str) -> str:
    assert each.place is not None
    missing = "" if target in each.targets else ", not explained"
    name = each.predicted if len(each.predicted) <= 18 else each.predicted[:17] + "…"
    return f"{each.place.index}{missing}\n{name} {each.probability(each.predicted):.2f}"


def _tile(each: Attribution, values: np.ndarray | None, *, signed: bool, limit: float) -> np.ndarray:
    background = each.background()
    picture = overlay.rgb(background)
    if values is not None:
        picture = overlay.heat(values, background, signed=signed, limit=limit)
    return picture if each.region is None else overlay.contour(picture, each.region)
