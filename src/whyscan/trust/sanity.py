"""Sanity: is the map a picture of the model at all? Of a model that knows nothing it must be another one.

Adebayo et al., "Sanity checks for saliency maps" (2018); Hedstroem et al., "Sanity checks revisited" (2024).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from whyscan.models.classifier import Classifier
from whyscan.records.evidence import Evidence
from whyscan.trust import names
from whyscan.trust.case import Case, Metric
from whyscan.trust.flat import flat
from whyscan.trust.nulls import edges
from whyscan.trust.randomised import randomised
from whyscan.trust.stability import alike, noisy_copies, noisy_maps

STEPS = (0.25, 0.5, 0.75)
"""Shares of the layers, from the top, whose weights are redrawn in the cascade, before all of them are."""
BINS = 64
"""Of the histogram whose entropy says how complex a map is."""

Map = Float32[np.ndarray, "h w"]


def randomisation_similarity(case: Case) -> Evidence:
    """Randomisation similarity: rank correlation of the map's size with that of the same model with random weights.

    Near 1 the map shows the scan and not what the model has learned: it fails (Adebayo et al. 2018, all layers at
    once).
    """
    return _similar(case, 1.0)


def cascading_similarity(case: Case) -> Evidence:
    """Cascading randomisation: the mean of that correlation as more and more layers are redrawn, from the top.

    High means that the map hardly notices that the layers that decide have forgotten everything.
    """
    found = [_similar(case, share) for share in (*STEPS, 1.0)]
    missing = next((each for each in found if each.value is None), None)
    return missing or Evidence(float(np.mean([each.value for each in found])), n=1)


def smooth_similarity(case: Case) -> Evidence:
    """Smooth randomisation: randomisation similarity of maps that are means over noisy copies of the scan.

    As that similarity, for maps whose own noise would pass for a change of the model (sMPRT, Hedstroem et al. 2024,
    equation 6; of all layers at once, over the noisy copies of the robustness metrics).
    """
    if (blind := _unknown(case)) is not None:
        return blind
    own = _correlation(case.values, case.values)
    if own.value is None:  # its noisy copies may have maps, but there is none to judge
        return own
    other, copies = _forgetful(case, 1.0), noisy_copies(case)
    made = case.remake(other, {f"random 1 {what}": scan for what, scan in copies.items()}, case.seed)
    return _correlation(np.mean(noisy_maps(case), axis=0), np.mean(made, axis=0))


def label_similarity(case: Case) -> Evidence:
    """Label randomisation similarity: rank correlation of the map's size with that of a model taught shuffled labels.

    Near 1 the map shows what any model makes of the scan, whatever it was taught: it fails (Adebayo et al. 2018,
    section 4.2). Where only the head was taught again, on a trunk that rested from the start, the two models have more
    in common than two whole networks, so a middling figure says less here than after random weights.
    """
    if names.is_null(case.attribution.method):
        return _correlation(case.values, case.values)  # it does not ask the model, and that is what shall be seen
    other = case.mistaught()
    if isinstance(other, str):
        return Evidence.skipped(other)
    (made,) = case.remake(other, {"mistaught": case.scan}, case.seed)
    return _correlation(case.values, made)


def complexity_rise(case: Case) -> Evidence:
    """Complexity rise under random weights: how much the entropy of the map's values grows, relative to before.

    At or below 0 the map of a model that knows nothing is as ordered as the model's own (eMPRT, Hedstroem et al. 2024,
    equation 7).
    """
    if (blind := _unknown(case)) is not None:
        return blind
    before, after = _entropy(case.values), _entropy(_map(case, 1.0))
    if before is None or after is None:
        return Evidence.skipped("one of the two maps is the same everywhere, or not finite")
    return Evidence((after - before) / max(before, 1e-12), n=1)


def similarity_to_edges(case: Case) -> Evidence:
    """Similarity to edges: rank correlation of the map's size with the edges of the scan.

    Near 1 an edge detector would have drawn the same picture.
    """
    grey = np.asarray(case.scan.pixels.mean(axis=0), np.float32)
    return _correlation(case.values, edges(grey, np.random.default_rng(0)))


METRICS: Mapping[str, Metric] = {
    names.RANDOMISED: randomisation_similarity,
    "cascading similarity": cascading_similarity,
    "smooth similarity": smooth_similarity,
    names.MISTAUGHT: label_similarity,
    "complexity rise": complexity_rise,
    "similarity to edges": similarity_to_edges,
}
"""By their names in the table of a trust run."""


def _unknown(case: Case) -> Evidence | None:
    if names.is_null(case.attribution.method):
        return None  # it does not ask the model, and that is what shall be seen
    if not case.classifier.white_box:
        return Evidence.skipped("a black box has no weights that could be redrawn")
    return None


def _forgetful(case: Case, share: float) -> Classifier:
    return randomised(case.classifier, share, seed=case.seed) if case.classifier.white_box else case.classifier


def _map(case: Case, share: float) -> Map:
    (made,) = case.remake(_forgetful(case, share), {f"random {share:g}": case.scan}, case.seed)
    return made


def _similar(case: Case, share: float) -> Evidence:
    return _unknown(case) or _correlation(case.values, _map(case, share))


def _correlation(first: Map, second: Map) -> Evidence:
    """Of the maps' sizes: a map and its negative show the same places."""
    return alike(np.abs(first), np.abs(second))


def _entropy(values: Map) -> float | None:
    """Of the histogram of the map's values, in nats."""
    if not np.isfinite(values).all() or flat(values):
        return None
    shares = np.histogram(values, BINS)[0].astype(np.float64) / values.size
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
