"""From judged coalitions to weights: exactly, by quadrature or by regression; and when to stop judging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.explain.games.converge import SETTLED, agreement, simultaneous
from whyscan.explain.games.emulator import Belief, believe, emulate
from whyscan.explain.games.link import SAMPLE, Link, Sample, Sampled, Through, learn
from whyscan.explain.games.measure import Estimand
from whyscan.explain.games.one_core import one_core
from whyscan.explain.games.sampling import Plan, Sizes, draw, log_binomial

Estimator = Literal["quadrature", "regression"]
Scored = Callable[[Bool[np.ndarray, "m s"]], Float64[np.ndarray, "m t"]]
"""Judges coalitions for all targets; those it has judged before cost nothing."""

_FIRST, _GROWTH = 100, 1.5
FEW, MANY = 20, 3000
"""Evaluations between which an emulator is worth its price, which grows with the cube."""
WIDE = 200
"""More players than this are too many for it: what their sums over all coalitions cost grows with the fourth power."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What came out for every target.

    Attributes:
        weights: (t, s).
        intervals: (t, s, 2) at 95 %; None where there were too few evaluations for them.
        measured: by name, one number per target: how settled the order is, how much wider intervals hold together.
    """

    weights: Float64[np.ndarray, "t s"]
    intervals: Float64[np.ndarray, "t s 2"] | None
    measured: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        return all(each >= SETTLED for each in self.measured.get(AGREEMENT, (0.0,)))


AGREEMENT = "expected agreement on the top 5"
TOGETHER = "wider by, to hold together"


class Linear(Protocol):
    """What LIME and SHAP are to an estimator."""

    def sizes(self, players: int) -> Sizes:
        """How the method weighs coalitions of 0, 1, ..., s players, all of a size together."""
        ...

    def leverage(self, players: int) -> Sizes:
        """How much of its regression hangs on the coalitions of each size: what to draw from when alone."""
        ...

    def estimand(self, players: int) -> Estimand: ...

    def regress(self, plan: Plan, scores: Float64[np.ndarray, "m t"]) -> Fitted:
        """Weights and intervals from these coalitions alone."""
        ...


def drawn(methods: Mapping[str, Linear], players: int, samples: int, seed: int, estimator: Estimator) -> Plan:
    """The coalitions that all methods are to share: of the sizes that they weigh.

    A method that is alone draws what serves its estimator best. A regression: by leverage. An emulator: shared with
    fair coins. To LIME these are nearly its own sizes. Shapley's kernel spends a third on a few superpixels and all but
    a few, which teach little of how superpixels act together: with half of it, the error was a fifth smaller at 500
    evaluations of 40 superpixels.
    """
    measures = [method.sizes(players) for method in methods.values()]
    if len(methods) == 1 and estimator == "regression":
        measures = [method.leverage(players) for method in methods.values()]
    elif len(methods) == 1:
        measures.append(np.exp(log_binomial(players) - players * np.log(2)))
    return draw(players, measures, samples, seed)


def estimate(
    methods: Mapping[str, Linear],
    plan: Plan,
    scored: Scored,
    estimator: Estimator,
    link: Link | None = None,
    sample: Sample | None = None,
) -> dict[str, Fitted]:
    """Every method's weights from all coalitions of the plan.

    Args:
        link: for quadrature, what the scores are a known function of.
        sample: as `sampled` makes it, where it is made for several calls.
    """
    scores = scored(plan.coalitions)
    if plan.complete or answering(plan, estimator) == "regression":
        return {name: _regressed(method, plan, scores) for name, method in methods.items()}
    players = plan.coalitions.shape[1]
    estimands = {name: method.estimand(players) for name, method in methods.items()}
    through = None if link is None else Through(link, sample or sampled(methods, players))
    return quadrature(estimands, plan.coalitions, scores, plan.pairs, through)


def answering(plan: Plan, asked: Estimator) -> Estimator:
    """The estimator that answers: a regression where there are few or very many coalitions, or very many players."""
    rows, players = plan.coalitions.shape
    return asked if FEW <= rows <= MANY and players <= WIDE else "regression"


@one_core()
def quadrature(
    estimands: Mapping[str, Estimand],
    coalitions: Bool[np.ndarray, "m s"],
    scores: Float64[np.ndarray, "m t"],
    pairs: Int64[np.ndarray, " m"],
    through: Through | None = None,
) -> dict[str, Fitted]:
    """Every estimand, for every target, of what two emulators learned from the coalitions.

    Args:
        coalitions: everybody and nobody among them.
        pairs: what belongs together has the same number; see `emulate`.
        through: what the scores are a known function of, if that is to be learned in their place.
    """
    if through is None:
        emulators = emulate(coalitions, scores, pairs)
        believed = {name: believe(emulators, estimand) for name, estimand in estimands.items()}
    else:
        linked, integrals = learn(through, coalitions, scores, pairs), through.sample.integrals
        believed = {name: believe(linked, Sampled(estimand, integrals[name])) for name, estimand in estimands.items()}
    ends = scores[coalitions.all(1).argmax()] - scores[(~coalitions).all(1).argmax()]
    found = {}
    for name, estimand in estimands.items():
        beliefs = believed[name]
        if estimand.adds_up:
            beliefs = [_adding_up(belief, float(end)) for belief, end in zip(beliefs, ends, strict=True)]
        found[name] = _believed(beliefs)
    return found


@one_core()
def sampled(methods: Mapping[str, Linear], players: int) -> Sample:
    """Coalitions drawn as the methods weigh them, and the methods' own regressions as sums over them."""
    plan = drawn(methods, players, SAMPLE, 0, "regression")

    def integral(method: Linear, values: Float64[np.ndarray, "m t"]) -> tuple[np.ndarray, np.ndarray]:
        fitted = method.regress(plan, values)
        assert fitted.intervals is not None  # many times as many coalitions as players
        return fitted.weights, (np.ptp(fitted.intervals, axis=-1) / 2 / 1.96) ** 2

    return Sample(plan.coalitions, {name: partial(integral, method) for name, method in methods.items()})


def estimate_until_settled(
    methods: Mapping[str, Linear], plan: Plan, scored: Scored, link: Link | None = None
) -> dict[str, Fitted]:
    """As `estimate`, from as many coalitions of the plan as it takes for every target of every method to settle."""
    if plan.complete:
        return estimate(methods, plan, scored, "regression")
    found: dict[str, Fitted] = {}
    sample = None if link is None else sampled(methods, plan.coalitions.shape[1])
    for stop in stops(len(plan.coalitions)):
        found = estimate(methods, plan.first(stop), scored, "quadrature", link, sample)
        if all(fitted.settled for fitted in found.values()):
            break
    return found


def stops(most: int) -> Iterator[int]:
    """After how many evaluations to look whether the answer has settled; the last is `most`."""
    stop = float(_FIRST)
    while stop < most:
        yield int(stop) // 2 * 2
        stop *= _GROWTH
    yield most


@one_core()
def _regressed(method: Linear, plan: Plan, scores: np.ndarray) -> Fitted:
    found = method.regress(plan, scores)
    return replace(found, measured={AGREEMENT: (1.0,) * len(found.weights)}) if plan.complete else found


def _believed(beliefs: list[Belief]) -> Fitted:
    return Fitted(
        np.array([belief.mean for belief in beliefs]),
        np.array([belief.interval() for belief in beliefs]),
        {AGREEMENT: tuple(map(agreement, beliefs)), TOGETHER: tuple(map(simultaneous, beliefs))},
    )


def _adding_up(belief: Belief, total: float) -> Belief:
    """The same with values that sum to what is known to be their sum; what is missing is shared out equally."""
    players = len(belief.mean)
    centre = np.eye(players) - 1 / players
    mean = belief.mean + (total - belief.mean.sum()) / players
    return replace(belief, mean=mean, covariance=centre @ belief.covariance @ centre)
