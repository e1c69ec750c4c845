"""Every metric that a trust run asks, in one table: those that ask the model, and those that only look at the map."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from whyscan.trust import condition, localisation, names, sanity, stability, tissue
from whyscan.trust.case import Metric
from whyscan.trust.metrics import METRICS, Better, Family, MetricEntry, Need

_INFINITE = float("inf")
_NOISY = {"noisy": stability.COPIES}
_RANDOM = {"random": 1}


def _each(
    functions: Mapping[str, Metric],
    family: Family,
    papers: Mapping[str, str],
    *,
    lower: tuple[str, ...] = (),
    neither: tuple[str, ...] = (),
    needs: tuple[Need, ...] = (),
) -> dict[str, MetricEntry]:
    """Entries of figures between 0 and 1; higher is better where nothing else is said."""

    def better(name: str) -> Better:
        return "lower" if name in lower else "neither" if name in neither else "higher"

    return {
        name: MetricEntry(function, better(name), family, papers.get(name, ""), needs=needs)
        for name, function in functions.items()
    }


_CONDITION = _each(
    condition.METRICS, "condition", {}, lower=(names.BLANK, names.CONSTANT)
)  # fmt: skip
_CONDITION[names.DISCRIMINATIVE] = MetricEntry(
    condition.class_discriminativeness, "higher", "condition", "", high=2.0, needs=("classes",)
)
_CHANCES = tuple(name for name in localisation.METRICS if name.endswith("chance"))
_PLACES = _each(
    localisation.METRICS,
    "localisation",
    {
        "pointing game": "Zhang et al. 2018", "energy in lesion": "Wang et al. 2020",
        "relevance mass": "Arras et al. 2022", "relevance rank": "Arras et al. 2022",
    },
    lower=("negative in lesion",),
    neither=_CHANCES,
    needs=("region",),
)  # fmt: skip
_TISSUES = _each(
    tissue.METRICS, "tissue", {}, neither=("tissue: brain",), lower=("tissue: border", "tissue: background")
)

_AGAIN: Mapping[str, MetricEntry] = {
    names.SENSITIVITY: MetricEntry(
        stability.max_sensitivity, "lower", "robustness", "Yeh et al. 2019", high=_INFINITE, remade=_NOISY
    ),
    "local lipschitz": MetricEntry(
        stability.local_lipschitz, "lower", "robustness", "Alvarez-Melis and Jaakkola 2018", high=_INFINITE,
        remade=_NOISY,
    ),
    "top overlap": MetricEntry(
        stability.top_overlap, "higher", "robustness", "Ghorbani et al. 2019", remade=_NOISY
    ),
    names.SEEDS: MetricEntry(stability.seed_agreement, "higher", "robustness", "", low=-1.0, remade={"seed": 1}),
    names.FLIPS: MetricEntry(stability.flip_consistency, "higher", "robustness", "", low=-1.0, remade={"moved": 2}),
    names.TURNS: MetricEntry(
        stability.turn_consistency, "higher", "robustness", "", low=-1.0, remade={"moved": 2}
    ),
    names.RANDOMISED: MetricEntry(
        sanity.randomisation_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade=_RANDOM,
    ),
    "cascading similarity": MetricEntry(
        sanity.cascading_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade={**_RANDOM, "cascade": len(sanity.STEPS)},
    ),
    "smooth similarity": MetricEntry(
        sanity.smooth_similarity, "lower", "sanity", "Hedström et al. 2024", low=-1.0, needs=("white box",),
        remade={**_NOISY, "random noisy": stability.COPIES},
    ),
    names.MISTAUGHT: MetricEntry(
        sanity.label_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade={"mistaught": 1},
    ),
    "complexity rise": MetricEntry(
        sanity.complexity_rise, "higher", "sanity", "Hedström et al. 2024", low=-1.0, high=_INFINITE,
        needs=("white box",), remade=_RANDOM,
    ),
    "similarity to edges": MetricEntry(sanity.similarity_to_edges, "lower", "sanity", "Adebayo et al. 2018", low=-1.0),
}  # fmt: skip
assert set(_AGAIN) == {*stability.METRICS, *sanity.METRICS}

EVERY: Mapping[str, MetricEntry] = {**_CONDITION, **_PLACES, **_TISSUES, **METRICS, **_AGAIN}

INSIDE: Mapping[str, Metric] = {
    **{name: entry.inside for name, entry in METRICS.items() if entry.inside is not None},
    names.AUC: partial(localisation.in_head, name="auc"),
    names.ENERGY: partial(localisation.in_head, name="energy"),
}
"""The same with only the head's pixels."""


def of(*families: Family) -> dict[str, Metric]:
    """The metrics of some families."""
    return {name: entry.function for name, entry in EVERY.items() if entry.family in families}


def range_of(metric: str) -> tuple[float, float]:
    """The least and the greatest value of a metric; any number of what is none."""
    entry = EVERY.get(metric)
    return (entry.low, entry.high) if entry is not None else (-_INFINITE, _INFINITE)
