"""Integrated gradients: a score's change along a straight path, shared among the pixels. Sundararajan et al. 2017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from whyscan.checks import between, given
from whyscan.data.scan import Scan
from whyscan.explain.blank import THERE
from whyscan.explain.gradients.backward import Question, attribution, check_settings, one_by_one, score_values
from whyscan.explain.gradients.baselines import Baseline, baseline, check_baseline
from whyscan.explain.gradients.sampled import Point, completeness, group_sums
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

_LARGE = 0.05


def nodes(steps: int) -> tuple[Float64[np.ndarray, " s"], Float64[np.ndarray, " s"]]:
    """Gauss-Legendre nodes and weights on [0, 1]: exact for polynomials of degree 2 * steps - 1."""
    where, weights = np.polynomial.legendre.leggauss(steps)
    return (1 + where) / 2, weights / 2


@dataclass(frozen=True)
class IntegratedGradients:
    """Equation 1 with channels summed: (x - x') times the mean gradient on the way from the baseline x' to x.

    The values add up to f(x) - f(x') (completeness, proposition 1) but for the error of the sum that stands for the
    integral (equation 3); that gap is measured per target and reported. Pixels that equal the baseline get 0, whatever
    they mean: with "black", so does the background of a scan.

    Attributes:
        steps: points on the path.
        baseline: "black", "mean" (the scan's mean colour), "blur", or a value in [0, 1].
        score: "logit" or "probability", differentiated at every step for itself.
        tolerance: if given, steps are doubled until no target's relative gap is larger, or `most` is reached.
        most: the most steps.
        batch: how many points are differentiated together.
    """

    steps: int = 32
    baseline: Baseline = "black"
    score: Score = "logit"
    tolerance: float | None = None
    most: int = 512
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, steps=self.steps, most=self.most, batch=self.batch)
        between(0, np.inf, **given(tolerance=self.tolerance))
        check_baseline(self.baseline)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, signed.

        Raises:
            BadScan: a scan equals its baseline.
        """
        work = partial(self._explain, classifier)
        return one_by_one("integrated gradients", classifier, scans, targets, progress, work)

    def _explain(self, classifier: Classifier, question: Question) -> Attribution:
        start = torch.from_numpy(baseline(question.pixels.cpu().numpy(), self.baseline)).to(question.pixels)
        ends = np.stack([question.logits, classifier.logits(start[None].cpu().numpy())[0]])
        values = score_values(torch.from_numpy(ends).to(start.device), question.weights, self.score)
        steps, spent = self.steps, len(ends)
        while True:
            maps = integrate(classifier.network, question, start, steps, self.score, self.batch)
            spent += steps
            gap, relative = completeness(maps, values[0], values[1])
            if self.tolerance is None or max(relative) <= self.tolerance or 2 * steps > self.most:
                break
            steps *= 2
        large = self.tolerance or _LARGE
        return attribution(
            classifier, question, maps, ["gap too large" if each > large else THERE for each in relative],
            method="integrated_gradients", signed=True, score=self.score, evaluations=spent,
            measured={"completeness gap": gap, "relative gap": relative},
            settings={
                "score": self.score, "baseline": self.baseline, "steps": steps, "tolerance": self.tolerance,
                "quadrature": "Gauss-Legendre",
            },
        )  # fmt: skip


def integrate(
    network: torch.nn.Module, question: Question, start: Float[Tensor, "c h w"], steps: int, score: Score, batch: int
) -> Float64[Tensor, "t h w"]:
    """Equation 1 for every target, channels summed."""
    way = question.pixels - start
    points = (Point(start + float(where) * way, float(weight)) for where, weight in zip(*nodes(steps), strict=True))
    (mean,) = group_sums(network, points, question.weights, score, batch)
    return (way.double() * mean).sum(1)
