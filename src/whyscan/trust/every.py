"""Every metric that a trust run asks, in one table: those that ask the model, and those that only look at the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from whyscan.trust import condition, localisation, names, sanity, stability, tissue
from whyscan.trust.case import Metric
from whyscan.trust.metrics import METRICS, Better, Family, MetricEntry, Need, Unit

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
    indices: tuple[str, ...] = (),
) -> dict[str, MetricEntry]:
    """Entries of figures between 0 and 1; higher is better, and shares, where nothing else is said."""

    def better(name: str) -> Better:
        return "lower" if name in lower else "neither" if name in neither else "higher"

    def unit(name: str) -> Unit:
        return "index" if name in indices else "share"

    return {
        name: MetricEntry(function, better(name), family, papers.get(name, ""), needs=needs, unit=unit(name))
        for name, function in functions.items()
    }


_CONDITION = _each(
    condition.METRICS, "condition", {}, lower=(names.BLANK, names.CONSTANT)
)  # fmt: skip
_CONDITION[names.DISCRIMINATIVE] = MetricEntry(
    condition.class_discriminativeness, "higher", "condition", "", high=2.0, needs=("classes",), unit="index"
)
CHANCES = tuple(name for name in localisation.METRICS if name.endswith("chance"))
"""Levels of chance, which are no figures of a method: they stand beside those that are."""
_PLACES = _each(
    localisation.METRICS,
    "localisation",
    {
        "pointing game": "Zhang et al. 2018", "energy in lesion": "Wang et al. 2020",
        "relevance mass": "Arras et al. 2022", "relevance rank": "Arras et al. 2022",
    },
    lower=("negative in lesion",),
    neither=CHANCES,
    needs=("region",),
    indices=tuple(name for name in localisation.METRICS if name.startswith(("iou", "auc", "average"))),
)  # fmt: skip
_TISSUES = _each(
    tissue.METRICS, "tissue", {}, neither=("tissue: brain",), lower=("tissue: border", "tissue: background")
)

_AGAIN: Mapping[str, MetricEntry] = {
    names.SENSITIVITY: MetricEntry(
        stability.max_sensitivity, "lower", "robustness", "Yeh et al. 2019", high=_INFINITE, remade=_NOISY,
        unit="times",
    ),
    "local lipschitz": MetricEntry(
        stability.local_lipschitz, "lower", "robustness", "Alvarez-Melis and Jaakkola 2018", high=_INFINITE,
        remade=_NOISY, unit="per brightness",
    ),
    "top overlap": MetricEntry(
        stability.top_overlap, "higher", "robustness", "Ghorbani et al. 2019", remade=_NOISY
    ),
    names.SEEDS: MetricEntry(
        stability.seed_agreement, "higher", "robustness", "", low=-1.0, remade={"seed": 1}, unit="correlation",
    ),
    names.FLIPS: MetricEntry(
        stability.flip_consistency, "higher", "robustness", "", low=-1.0, remade={"moved": 2}, unit="correlation",
    ),
    names.TURNS: MetricEntry(
        stability.turn_consistency, "higher", "robustness", "", low=-1.0, remade={"moved": 2}, unit="correlation",
    ),
    names.RANDOMISED: MetricEntry(
        sanity.randomisation_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade=_RANDOM, unit="correlation",
    ),
    "cascading similarity": MetricEntry(
        sanity.cascading_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade={**_RANDOM, "cascade": len(sanity.STEPS)}, unit="correlation",
    ),
    "smooth similarity": MetricEntry(
        sanity.smooth_similarity, "lower", "sanity", "Hedström et al. 2024", low=-1.0, needs=("white box",),
        remade={**_NOISY, "random noisy": stability.COPIES}, unit="correlation",
    ),
    names.MISTAUGHT: MetricEntry(
        sanity.label_similarity, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, needs=("white box",),
        remade={"mistaught": 1}, unit="correlation",
    ),
    "complexity rise": MetricEntry(
        sanity.complexity_rise, "higher", "sanity", "Hedström et al. 2024", low=-1.0, high=_INFINITE,
        needs=("white box",), remade=_RANDOM, unit="times",
    ),
    "similarity to edges": MetricEntry(
        sanity.similarity_to_edges, "lower", "sanity", "Adebayo et al. 2018", low=-1.0, unit="correlation",
    ),
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


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric's figures say, whoever measured them.

    Attributes:
        title: the first line of its docstring.
        better, family, unit, paper, low, high: as in `MetricEntry`.
    """

    title: str
    better: Better
    family: Family
    unit: Unit
    paper: str = ""
    low: float = 0.0
    high: float = 1.0


_SECONDS = Meaning(
    "Seconds: how long the explanation took on this machine, all classes together.",
    "lower", "cost", "seconds", high=_INFINITE,
)  # fmt: skip
"""Taken by the clock of whoever explains: no function of a case."""


def meaning(metric: str) -> Meaning | None:
    """Of a metric of the long table; None of what is none."""
    if metric == names.SECONDS:
        return _SECONDS
    entry = EVERY.get(metric)
    if entry is None:
        return None
    title = (entry.function.__doc__ or metric).splitlines()[0]
    return Meaning(title, entry.better, entry.family, entry.unit, entry.paper, entry.low, entry.high)


def range_of(metric: str) -> tuple[float, float]:
    """The least and the greatest value of a metric; any number of what is none."""
    told = meaning(metric)
    return (told.low, told.high) if told is not None else (-_INFINITE, _INFINITE)


def chance_of(metric: str, within: str = "image") -> str | float | None:
    """What a map without any preference gets: the number, or the metric that measured it; None where nobody did.

    Of the head alone it is known for the AUC only: the tumour's share of the head is not in the table.
    """
    if metric == names.AUC:
        return 0.5
    entry = EVERY.get(metric)
    if entry is None or entry.family != "localisation" or within != "image" or metric in CHANCES:
        return None
    return own if (own := f"{metric} chance") in EVERY else names.ENERGY_CHANCE
