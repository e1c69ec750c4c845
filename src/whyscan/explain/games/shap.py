"""SHAP: each superpixel's Shapley value, its fair share of the score. Lundberg and Lee, NeurIPS 2017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.checks import made_of
from whyscan.data.scan import Scan
from whyscan.explain.games.estimate import Fitted
from whyscan.explain.games.measure import Estimand, shapley
from whyscan.explain.games.regression import ridge
from whyscan.explain.games.sampling import Plan, Sizes
from whyscan.explain.games.surrogate import Perturbation, explain_by_play
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


@dataclass(frozen=True)
class SHAP:
    """Kernel SHAP from antithetic pairs (Covert and Lee, AISTATS 2021); exact where all coalitions are affordable.

    Attributes:
        perturbation: superpixels, fill, how many evaluations, and the score that is played for.
    """

    perturbation: Perturbation = field(default_factory=Perturbation)

    def __post_init__(self) -> None:
        made_of(Perturbation, perturbation=self.perturbation)

    def sizes(self, players: int) -> Sizes:
        """The Shapley kernel times the number of coalitions of that size; everybody and nobody are constraints."""
        k = np.arange(1, players)
        return np.concatenate([[0.0], (players - 1) / (k * (players - k)), [0.0]]) if players > 1 else np.zeros(2)

    def leverage(self, players: int) -> Sizes:
        """Leverage scores: every size has the same, players - 1 in all (Musco and Witter, ICLR 2025).

        The kernel spends a third of the coalitions on a few superpixels and on all but a few. Drawn by leverage, and in
        pairs, the same regression was a tenth nearer the truth (docs/explanation/estimators.md).
        """
        inner = np.ones(max(players - 1, 0))
        return np.concatenate([[0.0], inner, [0.0]]) if players > 1 else np.zeros(2)

    def estimand(self, players: int) -> Estimand:
        return shapley(players)

    def regress(self, plan: Plan, scores: Float64[np.ndarray, "m t"]) -> Fitted:
        """Least squares under the constraint that the values sum to (score of everybody - score of nobody).

        The two halves of a pair are subtracted first: what remains is free of every interaction of even order.
        """
        y = np.asarray(scores, float)
        everybody, nobody = plan.coalitions.all(1).argmax(), (~plan.coalitions).all(1).argmax()
        gain = y[everybody] - y[nobody]
        players = plan.coalitions.shape[1]
        equal = np.repeat(gain[:, None] / players, players, axis=1)
        first, second = _halves(plan.coalitions, plan.pairs)
        if len(first) == 0:
            return Fitted(equal, np.stack([equal, equal], -1))
        x = plan.coalitions[first] - 0.5
        rest = (y[first] - y[second]) / 2 - x @ equal.T
        turn = _sum_zero(players)
        fit = ridge(
            x @ turn, rest, plan.weights(self.sizes(players))[first], 0.0,
            np.arange(len(first)), plan.uncertainty[first],
        )  # fmt: skip
        found, half = equal + fit.coefficients @ turn.T, fit.half_widths(turn)
        return Fitted(found, None if half is None else np.stack([found - half, found + half], -1))

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        return [
            explain_by_play(classifier, scan, {"shap": self}, targets, seed=seed, progress=progress)["shap"]
            for scan in scans
        ]


def _halves(coalitions: Bool[np.ndarray, "m s"], pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of each pair's two halves, without the pair of everybody and nobody."""
    order = np.argsort(pairs, kind="stable").reshape(-1, 2)
    ends = np.asarray(coalitions.all(1))[order].any(1)
    inner = order[~ends]
    return inner[:, 0], inner[:, 1]


def _sum_zero(players: int) -> Float64[np.ndarray, "s s-1"]:
    """An orthonormal basis of the vectors that sum to 0 (Helmert's)."""
    k = np.arange(1, players)
    basis = np.triu(np.ones((players, players - 1)))
    basis[k, k - 1] = -k
    return np.asarray(basis / np.sqrt(k * (k + 1)))
