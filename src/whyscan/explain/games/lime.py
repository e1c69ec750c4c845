"""LIME: the linear model of superpixels that follows the classifier best near a scan. Ribeiro et al., KDD 2016."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.checks import between, is_number, made_of, plain
from whyscan.data.scan import Scan
from whyscan.explain.games.estimate import Fitted
from whyscan.explain.games.measure import Estimand, by_size
from whyscan.explain.games.regression import ridge
from whyscan.explain.games.sampling import Plan, Sizes, log_binomial
from whyscan.explain.games.surrogate import Perturbation, explain_by_play
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

_SAMPLES = 1000  # lime's own default; with it the ridge penalty has the strength that lime's users know


def kernel(sizes: Float64[np.ndarray, " m"], players: int, width: float) -> Float64[np.ndarray, " m"]:
    """lime_image's weight of a coalition: sqrt(exp(-d^2 / width^2)), d its cosine distance to everybody."""
    distance = 1.0 - np.sqrt(np.asarray(sizes, float) / players)
    return np.asarray(np.sqrt(np.exp(-(distance**2) / width**2)))


def lime_weights(
    coalitions: Bool[np.ndarray, "m s"],
    scores: Float64[np.ndarray, "m t"],
    weights: Float64[np.ndarray, " m"],
    alpha: float = 1.0,
) -> Float64[np.ndarray, "t s"]:
    """Weighted ridge regression with a free intercept, one row of weights per column of scores.

    The same as scikit-learn's Ridge(alpha, fit_intercept=True) on the same samples, and so as lime's.
    """
    m = len(coalitions)
    return _fit(coalitions, scores, weights, alpha, np.arange(m), np.zeros(m))[0]


@dataclass(frozen=True)
class LIME:
    """LIME on superpixels, with lime_image's kernel and ridge penalty, from antithetic pairs of coalitions.

    Attributes:
        perturbation: superpixels, fill, how many evaluations, and the score that is played for.
        kernel_width: of the exponential kernel on the cosine distance.
        alpha: the ridge penalty, at the strength it has in lime with its default of 1,000 samples.
    """

    perturbation: Perturbation = field(default_factory=Perturbation)
    kernel_width: float = 0.25
    alpha: float = 1.0

    def __post_init__(self) -> None:
        plain(self)
        made_of(Perturbation, perturbation=self.perturbation)
        between(0, np.inf, kernel_width=self.kernel_width)
        if not is_number(self.alpha) or self.alpha != 0:
            between(0, np.inf, alpha=self.alpha)

    def sizes(self, players: int) -> Sizes:
        """lime draws each superpixel with probability 1/2, puts the unmasked scan first, and applies its kernel."""
        k = np.arange(players + 1)
        binomial = np.exp(log_binomial(players) - players * np.log(2))
        binomial[-1] += 1 / _SAMPLES
        return np.asarray(_SAMPLES * binomial * kernel(k, players, self.kernel_width))

    def leverage(self, players: int) -> Sizes:
        """Nearly as it weighs: half a player more or less, all coalitions are equally far from the middle."""
        return self.sizes(players)

    def estimand(self, players: int) -> Estimand:
        """The same weighing in closed form."""
        near = _SAMPLES * kernel(np.arange(players + 1.0), players, self.kernel_width)
        return by_size(near, near[-1] / _SAMPLES, self.alpha)

    def regress(self, plan: Plan, scores: Float64[np.ndarray, "m t"]) -> Fitted:
        """Weighted ridge regression on these coalitions, as lime does it."""
        sizes = self.sizes(plan.coalitions.shape[1])
        weights = plan.weights(sizes)
        # what was drawn stands for all there is: the total, and with it the penalty's strength, is known
        weights *= sizes.sum() / weights.sum()
        found, half = _fit(plan.coalitions, scores, weights, self.alpha, plan.pairs, plan.uncertainty)
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
            explain_by_play(classifier, scan, {"lime": self}, targets, seed=seed, progress=progress)["lime"]
            for scan in scans
        ]


def _fit(
    coalitions: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    alpha: float,
    draws: np.ndarray,
    uncertainty: np.ndarray,
) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s"] | None]:
    x, y = coalitions.astype(float), np.asarray(scores, float)
    fit = ridge(x - np.average(x, 0, weights), y - np.average(y, 0, weights), weights, alpha, draws, uncertainty)
    return fit.coefficients, fit.half_widths()
