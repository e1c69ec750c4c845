"""SmoothGrad: the mean gradient over noisy copies of a scan. Smilkov et al. 2017."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whyscan.checks import between
from whyscan.data.scan import Scan
from whyscan.errors import BadScan
from whyscan.explain.blank import THERE
from whyscan.explain.gradients.backward import Question, attribution, check_settings, one_by_one
from whyscan.explain.gradients.saliency import strongest
from whyscan.explain.gradients.sampled import Point, group_sums, mean_and_error, root_mean_square
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

NOISE = "mostly noise"
"""More than half of the mean gradient's square is its own standard error: another seed would give another map."""


@dataclass(frozen=True)
class SmoothGrad:
    """The gradient averaged over x + N(0, sigma^2), then shown as in saliency: its size, the channels' maximum.

    Noise comes in pairs +e and -e, so that whatever is linear in it cancels exactly. How far the mean is from settled
    is measured: the standard error of the mean gradient, over the pairs.

    Attributes:
        samples: noisy copies; rounded up to whole pairs.
        noise: sigma as a share of the scan's intensity range; the paper finds 0.1 to 0.2 best.
        score: "logit" or "probability".
        batch: how many copies are differentiated together.
    """

    samples: int = 32
    noise: float = 0.15
    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, samples=self.samples, batch=self.batch)
        between(0, np.inf, noise=self.noise)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan; every scan gets the same noise, but for its intensity range.

        Raises:
            BadScan: a scan is constant, so that there is no range to take a share of.
        """
        work = partial(self._explain, classifier, seed)
        return one_by_one("SmoothGrad", classifier, scans, targets, progress, work)

    def _explain(self, classifier: Classifier, seed: int, question: Question) -> Attribution:
        span = float(question.pixels.max() - question.pixels.min())
        if span < 1e-6:
            raise BadScan(
                "the scan is constant: its intensity range is 0", "a scan with something on it", "use saliency"
            )
        pairs = (self.samples + 1) // 2
        points = noisy(question.pixels, self.noise * span, pairs, seed)
        sums = group_sums(classifier.network, points, question.weights, self.score, self.batch)
        mean, error = mean_and_error(sums)
        measured = {} if pairs == 1 else _measured(mean, error)
        words = [NOISE if share**2 > 0.5 else THERE for share in measured.get("relative error", ())]
        return attribution(
            classifier, question, strongest(mean), words,
            method="smoothgrad",
            quantity=f"size of the mean gradient of the {self.score}",
            score=self.score, evaluations=2 * pairs + 1, seed=seed, measured=measured,
            settings={"score": self.score, "samples": 2 * pairs, "noise": self.noise, "antithetic": True},
        )  # fmt: skip


def noisy(pixels: Float[Tensor, "c h w"], sigma: float, pairs: int, seed: int) -> Iterator[Point]:
    """Pairs of noisy copies. The noise is drawn on the CPU, so that every device sees the same."""
    # torch's own generator takes 32 bits of a seed: seeds that are larger would be others' again
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    for pair in range(pairs):
        noise = sigma * torch.randn(pixels.shape, generator=generator).to(pixels.device)
        yield Point(pixels + noise, 0.5, pair)
        yield Point(pixels - noise, 0.5, pair)


def _measured(mean: Float[Tensor, "t c h w"], error: Float[Tensor, "t c h w"]) -> dict[str, list[float]]:
    """Root mean squares over pixels: of the standard error, and as a share of that of the mean gradient."""
    errors, sizes = root_mean_square(error), root_mean_square(mean)
    shares = [e / size if size else 0.0 for e, size in zip(errors, sizes, strict=True)]
    return {"standard error": errors, "relative error": shares}
