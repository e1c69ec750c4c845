"""Localisation: does the map lie where the tumour is, and more so than a map that knows nothing of it?

Every measure has its chance level for the mask at hand, and can be asked of two maps that know no more than where
heads lie: the centre prior and the head prior. Ties are never resolved in the map's favour or by the order of its
pixels: what is tied counts with the share of it that lies in the tumour, as if it had been drawn by lot. A superpixel
is one large tie. A map without any preference is not measured: it points nowhere, so it cannot hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata

from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case

TOLERANCE = 0.03
"""Of the scan's longer side: the 15 pixels of Zhang et al. (2018, section 4.1) on photographs of some 500."""
HALF = 0.5
"""The share of the largest value above which a pixel belongs to the map's hot area."""
CENTRE_SPREAD = 0.25
"""Standard deviation of the centre prior, as a share of each side."""
_NOISE = 1e-6

Values = Float64[np.ndarray, " n"]
Inside = Bool[np.ndarray, " n"]
Kernel = Callable[[Values, Inside], float]
Map = Float32[np.ndarray, "h w"]
Region = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to ask where a map lies.

    Attributes:
        kernel: values and membership in the tumour, one for each pixel that counts, to a figure. Neither all nor no
            pixel is inside, and the values differ.
        chance: what a map that knows nothing of the tumour would get, in closed form.
        needs: "positive" or "negative" where the map must have such values; "" where it need not.
        tolerance: the tumour is widened by this share of the scan's longer side.
    """

    kernel: Kernel
    chance: Kernel
    needs: Literal["", "positive", "negative"] = ""
    tolerance: float = 0.0


def point(values: Values, inside: Inside) -> float:
    """The share of the pixels of the largest value that lie inside: 0 or 1 where it is one pixel."""
    return float(inside[values == values.max()].mean())


def mass(values: Values, inside: Inside) -> float:
    """The inner share of a sum of magnitudes (Arras et al. 2022, eq. 1)."""
    magnitude = np.abs(values)
    return float(magnitude[inside].sum() / magnitude.sum())


def positive_mass(values: Values, inside: Inside) -> float:
    return mass(np.clip(values, 0, None), inside)


def negative_mass(values: Values, inside: Inside) -> float:
    return mass(np.clip(values, None, 0), inside)


def rank(values: Values, inside: Inside) -> float:
    """Of the K strongest pixels, K being the tumour's size, the share inside (Arras et al. 2022, eq. 2)."""
    return _top(values, inside) / int(inside.sum())


def overlap(values: Values, inside: Inside) -> float:
    """Intersection over union of the tumour with the map's strongest pixels, as many as the tumour has."""
    found = _top(values, inside)
    return found / (2 * int(inside.sum()) - found)


def half_overlap(values: Values, inside: Inside) -> float:
    """Intersection over union of the tumour with the pixels above half of the largest value."""
    hot = values >= HALF * values.max()
    return float((hot & inside).sum() / (hot | inside).sum())


def area_under_roc(values: Values, inside: Inside) -> float:
    """How often a pixel of the tumour has a higher value than one outside; a tie counts one half (Mann, Whitney)."""
    inner = int(inside.sum())
    ranks = float(rankdata(values)[inside].sum())
    return (ranks - inner * (inner + 1) / 2) / (inner * (inside.size - inner))


def average_precision(values: Values, inside: Inside) -> float:
    """The mean precision over the recall's steps, one step for each distinct value: no interpolation."""
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.r_[values[order][1:] != values[order][:-1], True])
    found = np.cumsum(inside[order])[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / inside.sum())


def share(values: Values, inside: Inside) -> float:
    """The tumour's share of the pixels, whatever the map."""
    del values
    return float(inside.mean())


def _even(values: Values, inside: Inside) -> float:
    del values, inside
    return 0.5


def _overlap_chance(values: Values, inside: Inside) -> float:
    """K pixels drawn blindly from n hold K^2 / n of the tumour's K: IoU = p / (2 - p), p the tumour's share."""
    p = share(values, inside)
    return p / (2 - p)


def _half_overlap_chance(values: Values, inside: Inside) -> float:
    """As many pixels as the map's hot area has, drawn blindly: a share h of the image meets h p of the tumour."""
    p, hot = share(values, inside), float((values >= HALF * values.max()).mean())
    return hot * p / (hot + p - hot * p)


def _top(values: Values, inside: Inside) -> float:
    """How many of the K strongest pixels are inside. Of those tied at the K-th place as many count as are needed."""
    size = int(inside.sum())
    edge = np.partition(values, values.size - size)[values.size - size]
    above, tied = values > edge, values == edge
    return float(inside[above].sum() + (size - above.sum()) * inside[tied].mean())


MEASURES: Mapping[str, Measure] = {
    "pointing": Measure(point, share, "positive", TOLERANCE),
    "energy": Measure(positive_mass, share, "positive"),
    "mass": Measure(mass, share),
    "rank": Measure(rank, share),
    "iou": Measure(overlap, _overlap_chance),
    "iou_half": Measure(half_overlap, _half_overlap_chance, "positive"),
    "auc": Measure(area_under_roc, _even),
    "ap": Measure(average_precision, share),
    "negative": Measure(negative_mass, share, "negative"),
}


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


def beside(name: str, case: Case, *, in_head: bool = False) -> dict[str, Evidence]:
    """What the case's own figure is to be compared with: chance, the centre prior and the head prior."""
    region, shape = case.scan.region, case.values.shape
    among = case.head if in_head else None
    found = {
        "chance": chance(name, case.values, region, among),
        "centre prior": localise(name, centre_prior(shape), region, among),
    }
    if case.head is None:
        found["head prior"] = Evidence.skipped("it is not known where the head is")
    elif in_head:
        found["head prior"] = Evidence.skipped("inside the head, the head prior is the same everywhere")
    else:
        found["head prior"] = localise(name, head_prior(case.head), region)
    return found


def centre_prior(shape: tuple[int, int]) -> Map:
    """A normal bump in the middle of the image: what a map gets for lying where things usually are."""
    rows, columns = (
        np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / CENTRE_SPREAD) ** 2).astype(np.float32)
        for side in shape
    )
    return np.asarray(np.outer(rows, columns), np.float32)


def head_prior(head: Region) -> Map:
    """The same everywhere in the head, and nothing outside."""
    return head.astype(np.float32)


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


def _of(case: Case, name: str) -> Evidence:
    return localise(name, case.values, case.scan.region)


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
    if np.ptp(pixels) <= _NOISE * np.abs(pixels).max():
        return Evidence.skipped("the map is the same everywhere")
    if measure.needs == "positive" and pixels.max() <= 0:
        return Evidence.skipped("the map has no positive values")
    if measure.needs == "negative" and pixels.min() >= 0:
        return Evidence.skipped("the map has no negative values")
    return pixels, inside
