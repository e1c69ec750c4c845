"""Owen values over the hierarchy of superpixels ("Partition SHAP"). Owen 1977; nested as in Lundberg's shap package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.checks import made_of
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.games.branches import Branches, Value
from whyscan.explain.games.estimate import AGREEMENT, FEW, MANY, Fitted, quadrature, stops
from whyscan.explain.games.hierarchy import Merges, depths, hierarchy, members
from whyscan.explain.games.link import SAMPLE, Link, Through
from whyscan.explain.games.owen_measure import Nested
from whyscan.explain.games.question import moved, put
from whyscan.explain.games.surrogate import Perturbation, cut, end_scores, set_up, settings_of
from whyscan.explain.targets import Targets, check
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

UNOPENED = "share on unopened regions"


@dataclass(frozen=True, eq=False)
class OwenValues:
    """Owen values of every player for every target.

    Attributes:
        values: (t, s); each row sums to the score of everybody minus that of nobody, whatever the budget.
        intervals: (t, s, 2) at 95 %; of no width where the values are exact, None where too little is known.
        settled: whether the strongest superpixels have settled; None where that is not known.
        measured: by name, one number per target, as for LIME and SHAP; and how much of the absolute value lies within
            branches none of whose contexts was judged, from 0 to 1.
        evaluations: how many coalitions were judged.
        complete: whether every context of every branch was judged: then the values are exact.
    """

    values: Float64[np.ndarray, "t s"]
    intervals: Float64[np.ndarray, "t s 2"] | None
    settled: bool | None
    measured: Mapping[str, tuple[float, ...]]
    evaluations: int
    complete: bool


def evaluations_needed(tree: Merges) -> int:
    """How many evaluations exact Owen values take: 2 for each context of each branch, and the two ends.

    A branch has one context for every set of the branches that were split off above it, 2^depth: about 2/3 of s^2 in
    all for a balanced tree of s players, but 2^s for one that loses a player at a time.
    """
    return 2 + 2 * sum(1 << int(depth) for depth in depths(tree)[len(tree) + 1 :])


def owen_values(
    value: Value,
    tree: Merges,
    budget: int,
    seed: int = 0,
    *,
    until_settled: bool = False,
    link: Link | None = None,
) -> OwenValues:
    """Owen values of the nested coalition structure of a binary tree, exact if the budget allows.

    A branch's value is its mean gain over its contexts: each branch that was split off above it is there or not, with
    even chances. With h(C) = f(C + left) - f(C + right) for a context C and the score f,

        value(left) = (value(branch) + mean h) / 2,    value(right) = (value(branch) - mean h) / 2,

    so all values follow from one mean per branch and always add up. Where not all contexts can be judged, they are
    drawn (see `Branches`): branches are opened from the root down, each gets a context and its opposite, and the rest
    goes where h varies most, for all targets together. The values are then integrals of a Gaussian process that
    learned the game from all that was judged (see `emulator`): every evaluation speaks for every value. Beyond 3,000
    evaluations that is too dear, and each mean is taken over the branch's own contexts.

    Args:
        value: judges coalitions (m, s) for all targets at once; never asked the same twice.
        tree: as `hierarchy` makes it.
        budget: the most evaluations, 2 or more.
        seed: of the order in which contexts are drawn.
        until_settled: stop as soon as the strongest superpixels of every target have settled.
        link: what the scores are a known function of.

    Raises:
        BadInput: a budget below 2.
    """
    if budget < 2:
        raise BadInput(
            f"a budget of {budget}", "2 evaluations or more", "raise it; everybody and nobody must be judged"
        )
    count, needed = len(tree) + 1, evaluations_needed(tree)
    ends = np.asarray(value(np.array([np.ones(count, bool), np.zeros(count, bool)])), float)
    known = Branches(value, tree, ends, np.random.default_rng(seed))
    if budget >= needed and not until_settled:
        known.ask([n for n, branch in enumerate(known.branches) for _ in range(branch.contexts)])
        return _found(known)
    through = None if link is None else Through(link, Nested(tree).sample(max(SAMPLE // (2 * count), 2)))
    for stop in stops(min(budget, needed)) if until_settled else (budget,):
        known.grow(stop)
        found = _found(known, through)
        if found.settled:
            break
    return found


def _found(known: Branches, through: Through | None = None) -> OwenValues:
    fitted = _fitted(known, through)
    closed = [n for n, branch in enumerate(known.branches) if not branch.found]
    stuck = known.belongs[known.count :][closed].any(0)
    sizes = np.abs(fitted.weights)
    total = sizes.sum(1)
    unopened = sizes[:, stuck].sum(1) / np.where(total > 0, total, 1)
    return OwenValues(
        fitted.weights,
        fitted.intervals,
        fitted.settled if fitted.measured else None,
        {**fitted.measured, UNOPENED: tuple(unopened.tolist())},
        known.used,
        known.complete,
    )


def _fitted(known: Branches, through: Through | None) -> Fitted:
    if FEW <= known.used <= MANY and not known.complete:
        nested = {"owen": Nested(known.tree)}
        return quadrature(nested, known.coalitions, known.scores, known.pairs, through)["owen"]
    values, halves = known.nodes()[: known.count].T, known.half_widths()
    found = Fitted(values, None if halves is None else np.stack([values - halves, values + halves], -1))
    return replace(found, measured={AGREEMENT: (1.0,) * len(values)}) if known.complete else found


@dataclass(frozen=True)
class Owen:
    """Partition SHAP: each superpixel's Owen value, its fair share where whole regions join or stay away together.

    Attributes:
        perturbation: superpixels, fill, how many evaluations, and the score that is played for.
    """

    perturbation: Perturbation = field(default_factory=Perturbation)

    def __post_init__(self) -> None:
        made_of(Perturbation, perturbation=self.perturbation)
        if self.perturbation.estimator == "regression":
            came = 'estimator "regression" for Owen values, which have an estimator of their own'
            raise BadInput(came, "none", "leave it out; LIME and SHAP can have a Perturbation of their own with it")

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        return [self._one(classifier, scan, targets, seed, progress) for scan in scans]

    def _one(self, classifier: Classifier, scan: Scan, targets: Targets, seed: int, progress: Progress) -> Attribution:
        check(classifier, targets, scan.label)
        shared = self.perturbation
        geometry, board = set_up(classifier, scan, shared, seed)
        tree = hierarchy(board.pixels, board.segments)
        nodes = members(tree)
        # the whole scan, nothing, and its two halves stand for what is to come
        probe = np.concatenate([nodes[-1:], ~nodes[-1:], nodes[tree[-1]] if len(tree) else nodes[:0]])
        asked = put(
            classifier, scan, targets, geometry, board, probe,
            score=shared.score, engine=shared.engine, batch=shared.batch, seed=seed,
        )  # fmt: skip

        def value(coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, "m t"]:
            scores = asked.scores(coalitions)
            progress("perturbed scans", len(asked.memory), shared.most)
            return scores

        auto = shared.samples == "auto"
        found = owen_values(value, tree, shared.most, seed, until_settled=auto, link=asked.link())
        probed = asked.scores(probe)
        return Attribution(
            method="owen",
            weights=found.values.astype(np.float32),
            intervals=None if found.intervals is None else found.intervals.astype(np.float32),
            segments=board.segments,
            signed=True,
            evaluations=len(asked.memory),
            converged=found.settled,
            diagnosis=moved(np.ptp(probed, axis=0)),
            measured={**found.measured, **end_scores(*probed[:2])},
            settings={
                **{name: value for name, value in settings_of(self).items() if name != "estimator"},  # it has its own
                **cut(shared.superpixels, geometry, board),
                "exact": found.complete,
                "exact would need": evaluations_needed(tree),
                "tree": tree.tolist(),
            },
            **asked.about,
        )
