"""Faithfulness: does the score follow when what the map calls important is taken away?

Every metric comes with its chance: the same question asked of a ranking drawn by lot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from whyscan.errors import BadModel
from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case
from whyscan.trust.ranking import Removal, bins, cells, logits, on_model, places, scored, unfit

REMOVAL = Removal()
BLUR_REMOVAL = Removal(fill="blur")
ROAD_REMOVAL = Removal(steps=10, fill="road")
SIDE, SUBSETS, SHARES = 14, 60, (0.1, 0.3, 0.5)
"""Cells along a side, subsets of them, and the shares of the cells that a subset hides."""

Curve = Float64[np.ndarray, " s"]
_EPS = 1e-12


def deletion_auc(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """Deletion AUC: area under the probability while the strongest pixels are removed first.

    High means that the model is as sure without them (Petsiuk et al. 2018). From 0 to 1.
    """
    return _asked(case, how, lambda: _area(removed(case, how, chance)))


def insertion_auc(case: Case, how: Removal = BLUR_REMOVAL, *, chance: bool = False) -> Evidence:
    """Insertion AUC: area under the probability while the strongest pixels are shown first, on the blurred scan.

    Low means that they do not bring the answer back (Petsiuk et al. 2018). From 0 to 1.
    """
    return _asked(case, how, lambda: _area(inserted(case, how, chance)))


def aopc(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """AOPC: mean fall of the probability over the steps in which the strongest pixels are removed first.

    Near 0 or negative means that the model does not miss them (Samek et al. 2017). From -1 to 1.
    """
    return _asked(case, how, lambda: _fall(removed(case, how, chance)))


def road(case: Case, how: Removal = ROAD_REMOVAL, *, chance: bool = False) -> Evidence:
    """ROAD: mean probability with 10 to 90 % of the pixels, the strongest first, replaced by their surroundings.

    High means that the model is as sure without them (Rong et al. 2022). From 0 to 1.
    """
    return _asked(case, how, lambda: float(removed(case, how, chance)[1:-1].mean()))


def monotonicity(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """Monotonicity: share of steps, the weakest pixels shown first, that do not lower the probability.

    Low means that the order says little of how much each step adds (Arya et al. 2019, who ask for all). From 0 to 1.
    """
    return _asked(case, how, lambda: float((np.diff(removed(case, how, chance)[::-1]) >= 0).mean()))


def faithfulness_correlation(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """Faithfulness correlation: of the map's weight in hidden cells with the fall of the logit, 30 % of them hidden.

    Near 0 means that the map does not say what hiding does (Bhatt et al. 2020, equation 1, whose subsets are of one
    size: among several sizes every positive map has more weight in the larger ones, whatever it shows). From -1 to 1.
    """

    def measure() -> float:
        weights, falls, sizes = subsets(case, how, chance)
        one = sizes == np.median(sizes)
        return _pearson(weights[one], falls[one])

    return _asked(case, how, measure)


def sensitivity_n(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """Sensitivity-n: the same correlation for 10, 30 and 50 % of the cells hidden, averaged over these sizes.

    Near 0 means that the map does not say what hiding does (Ancona et al. 2018). From -1 to 1.
    """

    def measure() -> float:
        weights, falls, sizes = subsets(case, how, chance)
        return float(np.mean([_pearson(weights[sizes == n], falls[sizes == n]) for n in np.unique(sizes)]))

    return _asked(case, how, measure)


def infidelity(case: Case, how: Removal = REMOVAL, *, chance: bool = False) -> Evidence:
    """Infidelity: share of the squared fall of the logit that the map's hidden weight, at best scale, does not explain.

    1 means that the map explains no more than a map of zeros, or points the wrong way (Yeh et al. 2019, with the best
    scale that is not negative). A map that is the same everywhere explains what the number of hidden cells does, so
    read it beside that of the maps that know nothing of the model. From 0 to 1.
    """

    def measure() -> float:
        weights, falls, _ = subsets(case, how, chance)
        scale = max(0.0, float(weights @ falls)) / max(float(weights @ weights), _EPS)
        if not float(falls @ falls):
            raise _Unmoved
        return float(((scale * weights - falls) ** 2).sum() / (falls**2).sum())

    return _asked(case, how, measure)


def removed(case: Case, how: Removal, chance: bool = False) -> Curve:
    """(steps + 1,) the probability with the strongest 0, 1, ... all steps removed."""
    return _along(case, how, chance, lambda steps: np.tri(steps + 1, steps, -1, dtype=bool) ^ True)


def inserted(case: Case, how: Removal, chance: bool = False) -> Curve:
    """(steps + 1,) the probability with only the strongest 0, 1, ... all steps shown."""
    return _along(case, how, chance, lambda steps: np.tri(steps + 1, steps, -1, dtype=bool))


def subsets(case: Case, how: Removal, chance: bool = False) -> tuple[Curve, Curve, np.ndarray]:
    """Of each random subset of cells: the map's weight in it, the fall of the logit, and how many cells it hides.

    The subsets depend on the seed and the place alone, so that all methods and targets share the evaluations.
    """
    how, counted = _filled(case, how), places(case, how.within)
    segments = cells(counted, SIDE)
    players = int(segments.max()) + 1
    random = np.random.default_rng(case.seed)
    sizes = np.repeat([max(1, round(share * players)) for share in SHARES], SUBSETS // len(SHARES))
    shown = np.ones((len(sizes) + 1, players), bool)
    for row, size in zip(shown[1:], sizes, strict=True):
        row[random.choice(players, size, replace=False)] = False
    scores = scored(case, logits(case, segments, shown, how), "logit")
    weights = np.bincount(segments[counted], on_model(case)[counted].astype(np.float64), players)
    if chance:
        weights = random.permutation(weights)
    return (~shown[1:]).astype(np.float64) @ weights, scores[0] - scores[1:], sizes


def _along(case: Case, how: Removal, chance: bool, order: Callable[[int], np.ndarray]) -> Curve:
    how, counted = _filled(case, how), places(case, how.within)
    values = np.zeros(counted.shape, np.float32) if chance else on_model(case)
    segments = bins(values, counted, how.steps, case.seed)
    shown = order(int(segments.max()) + 1)
    return scored(case, logits(case, segments, shown, how), "probability")


def _filled(case: Case, how: Removal) -> Removal:
    """With the fill that was asked for; ROAD without its own would be another metric."""
    return how if case.fill is None or how.fill == "road" else replace(how, fill=case.fill)


class _Unmoved(Exception):
    """The score does not move, so nothing can follow it."""


def _asked(case: Case, how: Removal, measure: Callable[[], float]) -> Evidence:
    why = unfit(case, how.within)
    if why is not None:
        return Evidence.skipped(why[1]) if why[0] == "skipped" else Evidence.failed(why[1])
    try:
        return Evidence(measure(), n=1)
    except _Unmoved:
        return Evidence.skipped("hiding does not move the score, or the map does not differ between what was hidden")
    except BadModel as error:
        return Evidence.failed(str(error))


def _area(curve: Curve) -> float:
    return float(np.mean([(one + two) / 2 for one, two in pairwise(curve)]))


def _fall(curve: Curve) -> float:
    return float((curve[0] - curve).mean())


def _pearson(one: Curve, two: Curve) -> float:
    if min(np.ptp(one), np.ptp(two)) <= _EPS:
        raise _Unmoved
    return float(np.clip(np.corrcoef(one, two)[0, 1], -1, 1))
