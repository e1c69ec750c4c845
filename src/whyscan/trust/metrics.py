"""Metrics: every one by its name in the table, with what it needs, what it costs and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from whyscan.trust import complexity, faithfulness, names
from whyscan.trust.case import Metric

Family = Literal["condition", "localisation", "tissue", "complexity", "faithfulness", "robustness", "sanity", "cost"]
Better = Literal["higher", "lower", "neither"]
Need = Literal["region", "head", "white box", "classes"]
Unit = Literal["share", "probability", "correlation", "index", "times", "per brightness", "evaluations", "seconds"]
"""A share is of the pixels, of the weight, of the scans: whatever the title names. An index has no unit."""


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """One metric.

    Attributes:
        function: Case -> Evidence; the first line of its docstring is its title.
        better: which way is better.
        family: of metrics that ask the same kind of question.
        paper: where it comes from.
        low, high: the range of its values.
        needs: without these it is skipped.
        evaluations: forward passes for one explanation, at most; those of the same `pool` are shared.
        pool: names the evaluations that several metrics share; "" where none are shared.
        shared: whether the pool is shared by all methods and targets of a scan too.
        remade: how many explanations are made again, by what is changed; those of the same name are shared.
        inside: the same with only the head's pixels; None where that is not asked.
        chance: the same of a ranking drawn by lot; None where there is none.
        unit: what the figure is a number of.
    """

    function: Metric
    better: Better
    family: Family
    paper: str
    low: float = 0.0
    high: float = 1.0
    needs: tuple[Need, ...] = ()
    evaluations: int = 0
    pool: str = ""
    shared: bool = False
    remade: Mapping[str, int] = field(default_factory=dict)
    inside: Metric | None = None
    chance: Metric | None = None
    unit: Unit = "share"


_HEAD = replace(faithfulness.REMOVAL, within="head")
_HEAD_BLUR = replace(_HEAD, fill="blur")
_HEAD_ROAD = replace(faithfulness.ROAD_REMOVAL, within="head")
_STEPS = 1 + faithfulness.REMOVAL.steps
_ROAD_STEPS = 1 + faithfulness.ROAD_REMOVAL.steps
_DRAWN = 1 + faithfulness.SUBSETS

METRICS: Mapping[str, MetricEntry] = {
    names.DELETION: MetricEntry(
        faithfulness.deletion_auc,
        "lower",
        "faithfulness",
        "Petsiuk et al. 2018",
        evaluations=_STEPS,
        pool="removal",
        inside=partial(faithfulness.deletion_auc, how=_HEAD),
        chance=partial(faithfulness.deletion_auc, chance=True),
        unit="probability",
    ),
    names.INSERTION: MetricEntry(
        faithfulness.insertion_auc,
        "higher",
        "faithfulness",
        "Petsiuk et al. 2018",
        evaluations=_STEPS,
        inside=partial(faithfulness.insertion_auc, how=_HEAD_BLUR),
        chance=partial(faithfulness.insertion_auc, chance=True),
        unit="probability",
    ),
    names.ROAD: MetricEntry(
        faithfulness.road,
        "lower",
        "faithfulness",
        "Rong et al. 2022",
        evaluations=_ROAD_STEPS,
        inside=partial(faithfulness.road, how=_HEAD_ROAD),
        chance=partial(faithfulness.road, chance=True),
        unit="probability",
    ),
    "aopc": MetricEntry(
        faithfulness.aopc,
        "higher",
        "faithfulness",
        "Samek et al. 2017",
        low=-1,
        evaluations=_STEPS,
        pool="removal",
        inside=partial(faithfulness.aopc, how=_HEAD),
        chance=partial(faithfulness.aopc, chance=True),
        unit="probability",
    ),
    "monotonicity": MetricEntry(
        faithfulness.monotonicity,
        "higher",
        "faithfulness",
        "Arya et al. 2019",
        evaluations=_STEPS,
        pool="removal",
        inside=partial(faithfulness.monotonicity, how=_HEAD),
        chance=partial(faithfulness.monotonicity, chance=True),
    ),
    "faithfulness correlation": MetricEntry(
        faithfulness.faithfulness_correlation,
        "higher",
        "faithfulness",
        "Bhatt et al. 2020",
        low=-1,
        evaluations=_DRAWN,
        pool="subsets",
        shared=True,
        inside=partial(faithfulness.faithfulness_correlation, how=_HEAD),
        chance=partial(faithfulness.faithfulness_correlation, chance=True),
        unit="correlation",
    ),
    "sensitivity-n": MetricEntry(
        faithfulness.sensitivity_n,
        "higher",
        "faithfulness",
        "Ancona et al. 2018",
        low=-1,
        evaluations=_DRAWN,
        pool="subsets",
        shared=True,
        inside=partial(faithfulness.sensitivity_n, how=_HEAD),
        chance=partial(faithfulness.sensitivity_n, chance=True),
        unit="correlation",
    ),
    "infidelity": MetricEntry(
        faithfulness.infidelity,
        "lower",
        "faithfulness",
        "Yeh et al. 2019",
        evaluations=_DRAWN,
        pool="subsets",
        shared=True,
        inside=partial(faithfulness.infidelity, how=_HEAD),
        chance=partial(faithfulness.infidelity, chance=True),
    ),
    names.GINI: MetricEntry(complexity.gini, "higher", "complexity", "Chalasani et al. 2020", unit="index"),
    names.ENTROPY: MetricEntry(complexity.entropy, "lower", "complexity", "Bhatt et al. 2020"),
    "effective size": MetricEntry(complexity.effective_size, "lower", "complexity", "Nguyen and Martinez 2020"),
    names.EVALUATIONS: MetricEntry(complexity.evaluations, "lower", "cost", "", high=float("inf"), unit="evaluations"),
}
