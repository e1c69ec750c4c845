"""Localisation: does the map lie where the tumour is, and more so than a map that knows nothing of it?

Every measure has its chance level for the mask at hand, and can be asked of a map that knows no more than where heads
lie: the centre prior. A map without any preference is not measured: it points nowhere, so it cannot hit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import distance_transform_edt

from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case, Metric
from whyscan.trust.flat import flat
from whyscan.trust.inside import MEASURES, Inside, Measure, Values

CENTRE_SPREAD = 0.25
"""Standard deviation of the centre prior, as a share of each side."""

Map = Float32[np.ndarray, "h w"]
Region = Bool[np.ndarray, "h w"]


def localise(name: str, values: Map, region: Region | None, among: Region | None = None) -> Evidence:
    """One measure of one map.

    Args:
        name: in `MEASURES`.
        values: raw.
        region: the tumour; None where it is not known.
        among: where pixels count; everywhere by default.
    """
    asked = _asked(MEASURES[name], values, region, among)
    return asked if isinstance(asked, Evidence) else Evidence(MEASURES[name].kernel(*asked), n=1)


def chance(name: str, values: Map, region: Region | None, among: Region | None = None) -> Evidence:
    """What a map that knows nothing of the tumour would get in the place of this one; arguments as `localise`."""
    asked = _asked(MEASURES[name], values, region, among)
    return asked if isinstance(asked, Evidence) else Evidence(MEASURES[name].chance(*asked), n=1)


def centre_prior(shape: tuple[int, int]) -> Map:
    """A normal bump in the middle of the image: what a map gets for lying where things usually are."""
    rows, columns = (
        np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / CENTRE_SPREAD) ** 2).astype(np.float32)
        for side in shape
    )
    return np.asarray(np.outer(rows, columns), np.float32)


def pointing_game(case: Case) -> Evidence:
    """Pointing game: does the strongest pixel lie in the tumour, or within 3 % of the scan's side of it?

    Low means that the map's peak is elsewhere (Zhang et al. 2018). Of several strongest pixels the share that hits.
    """
    return _of(case, "pointing")


def energy_in_tumour(case: Case) -> Evidence:
    """Share of the positive weight that lies inside the tumour.

    Low means that the target is argued for by other places (the energy-based pointing game, Wang et al. 2020).
    """
    return _of(case, "energy")


def negative_in_tumour(case: Case) -> Evidence:
    """Share of the negative weight that lies inside the tumour.

    High means that what the tumour shows speaks against the target. Only signed maps have it.
    """
    return _of(case, "negative")


def relevance_mass(case: Case) -> Evidence:
    """Relevance mass accuracy: share of the weight of either sign that lies inside the tumour.

    Low means that most of what moves the model's answer is elsewhere (Arras et al. 2022).
    """
    return _of(case, "mass")


def relevance_rank(case: Case) -> Evidence:
    """Relevance rank accuracy: of the strongest pixels, as many as the tumour has, the share inside it.

    Low means that the strongest pixels are elsewhere (Arras et al. 2022).
    """
    return _of(case, "rank")


def iou(case: Case) -> Evidence:
    """IoU of the tumour with the map's strongest pixels, as many as the tumour has.

    Low means that the map cut at the tumour's own size covers something else.
    """
    return _of(case, "iou")


def iou_half(case: Case) -> Evidence:
    """IoU of the tumour with the pixels above half of the map's largest value.

    Low means that what the map shows as hot is somewhere else, or of another size, than the tumour.
    """
    return _of(case, "iou_half")


def tumour_auc(case: Case) -> Evidence:
    """AUC of the map as a detector of tumour pixels; 0.5 is chance.

    Below 0.5 means that the tumour's pixels are weaker than the others.
    """
    return _of(case, "auc")


def tumour_ap(case: Case) -> Evidence:
    """Average precision of the map as a detector of tumour pixels; the tumour's share of the image is chance.

    Low means that most of the strong pixels are not the tumour's.
    """
    return _of(case, "ap")


def lesion_share(case: Case) -> Evidence:
    """Share of the image that is tumour: chance for energy, mass, rank and average precision.

    What a map without any preference would have inside.
    """
    return _chance_of(case, "energy")


def pointing_chance(case: Case) -> Evidence:
    """Chance for the pointing game: how often a pixel drawn blindly hits the tumour or its margin."""
    return _chance_of(case, "pointing")


def iou_chance(case: Case) -> Evidence:
    """Chance for the IoU at the tumour's own size: as many pixels, drawn blindly."""
    return _chance_of(case, "iou")


def iou_half_chance(case: Case) -> Evidence:
    """Chance for the IoU at half of the maximum: as many pixels as the map's hot area has, drawn blindly."""
    return _chance_of(case, "iou_half")


def in_head(case: Case, name: str) -> Evidence:
    """One of `MEASURES` with only the head's pixels: whether the map finds the tumour once it has found the head."""
    if case.head is None:
        return Evidence.skipped("it is not known where the head is")
    return localise(name, case.values, case.scan.region, case.head)


def _of(case: Case, name: str) -> Evidence:
    return localise(name, case.values, case.scan.region)


def _chance_of(case: Case, name: str) -> Evidence:
    return chance(name, case.values, case.scan.region)


def _asked(
    measure: Measure, values: Map, region: Region | None, among: Region | None
) -> tuple[Values, Inside] | Evidence:
    """Values and membership of the pixels that count, or why there is nothing to measure."""
    if region is None:
        return Evidence.skipped("no region is known for this scan")
    for name, mask in (("region", region), ("head", among)):
        if mask is not None and mask.shape != values.shape:
            return Evidence.failed(f"the {name} has shape {mask.shape} and the map {values.shape}")
    if not np.isfinite(values).all():
        return Evidence.failed("the map holds NaN or infinity")
    if not region.any():
        return Evidence.skipped("the region is empty")
    if measure.tolerance:
        region = distance_transform_edt(~region) <= round(measure.tolerance * max(region.shape))
    counted = np.ones(values.shape, bool) if among is None else among
    pixels, inside = values[counted].astype(np.float64), region[counted]
    if not inside.any():
        return Evidence.skipped("no pixel of the region is where pixels count")
    if inside.all():
        return Evidence.skipped("the region is everywhere: nothing could miss it")
    if flat(pixels):
        return Evidence.skipped("the map is the same everywhere")
    if measure.needs == "positive" and pixels.max() <= 0:
        return Evidence.skipped("the map has no positive values")
    if measure.needs == "negative" and pixels.min() >= 0:
        return Evidence.skipped("the map has no negative values")
    return pixels, inside


METRICS: Mapping[str, Metric] = {
    "pointing game": pointing_game,
    "pointing game chance": pointing_chance,
    "energy in lesion": energy_in_tumour,
    "energy in lesion chance": lesion_share,
    "negative in lesion": negative_in_tumour,
    "relevance mass": relevance_mass,
    "relevance rank": relevance_rank,
    "iou": iou,
    "iou chance": iou_chance,
    "iou at half": iou_half,
    "iou at half chance": iou_half_chance,
    "auc": tumour_auc,
    "average precision": tumour_ap,
}
"""By the names in the table of a trust run. Where no chance of its own is listed it is that of the energy; one half
for "auc"."""
