"""Gradient SHAP: integrated gradients averaged over baselines. Lundberg & Lee 2017; Erion et al. 2021."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from whyscan.checks import at_least
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.blank import THERE
from whyscan.explain.gradients.backward import Question, attribution, check_settings, one_by_one, score_values
from whyscan.explain.gradients.baselines import baseline
from whyscan.explain.gradients.sampled import Point, completeness, group_sums, root_mean_square, sum_and_error
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier, Pixels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

_LARGE = 0.2


@dataclass(frozen=True, eq=False)
class GradientSHAP:
    """(x - b) times the gradient at b + a (x - b), averaged over references b and a uniform in [0, 1].

    The values estimate Shapley values of the pixels for a model that is linear between reference and scan, and add up
    to f(x) - mean f(b) but for the sampling error: both that gap and the standard error are measured.

    Every reference is used alike, and its points lie one in each of equally long stretches of the path, which leaves
    the mean what it is and makes its error smaller. The standard error comes from the differences between neighbouring
    stretches (collapsed strata; Cochran, Sampling Techniques, 5A.12), so it is rather too large than too small.

    Attributes:
        samples: points in all, 2 or more; rounded up to pairs.
        references: what "nothing to see" looks like: scans (of a reference group, say), or pixels on the model's grid.
            None means two: black, and the scan itself, blurred.
        score: "logit" or "probability".
        batch: how many points are differentiated together.
    """

    samples: int = 32
    references: Sequence[Scan] | Pixels | None = None
    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, batch=self.batch)
        at_least(2, samples=self.samples)
        if self.references is not None:
            _check_references(self.references)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, signed."""
        given = None if self.references is None else _given(classifier, self.references)
        work = partial(self._explain, classifier, given, seed)
        return one_by_one("gradient SHAP", classifier, scans, targets, progress, work)

    def _explain(self, classifier: Classifier, given: Pixels | None, seed: int, question: Question) -> Attribution:
        references = usual(question.pixels.cpu().numpy()) if given is None else given
        device = question.pixels.device
        logits = np.concatenate([question.logits[None], classifier.logits(references, batch=self.batch)])
        values = score_values(torch.from_numpy(logits).to(device), question.weights, self.score)
        pairs = (self.samples + 1) // 2
        points = draw(question.pixels, torch.from_numpy(references).to(device), pairs, seed)
        terms = group_sums(classifier.network, points, question.weights, self.score, self.batch)
        maps, error = sum_and_error(each.sum(1) for each in terms)
        gap, relative = completeness(maps, values[0], values[1:].mean(0))
        return attribution(
            classifier, question, maps, ["gap too large" if each > _LARGE else THERE for each in relative],
            method="gradient_shap", signed=True, score=self.score, seed=seed, evaluations=2 * pairs + len(logits),
            measured={
                "completeness gap": gap, "relative gap": relative, "standard error": root_mean_square(error),
            },
            settings={
                "score": self.score, "samples": 2 * pairs, "stratified": True,
                "references": "black and blur" if self.references is None else f"{len(references)} given",
            },
        )  # fmt: skip


def usual(pixels: Float32[np.ndarray, "c h w"]) -> Pixels:
    """Black takes away everything, the blurred scan only what is small: between them, most of what hiding means.

    Raises:
        BadScan: the scan is black, or constant.
    """
    return np.stack([baseline(pixels, "black"), baseline(pixels, "blur")])


def draw(
    pixels: Float[Tensor, "c h w"], references: Float[Tensor, "r c h w"], pairs: int, seed: int
) -> Iterator[Point]:
    """Points in pairs from neighbouring stretches of the path; their factors add up to the mean of x - b.

    With more references than pairs, each point has another reference and the stretches go through all points.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(references))
    single = len(order) > pairs
    uses = np.full(len(order), 2 * pairs) if single else 2 * np.bincount(np.arange(pairs) % len(order))
    for i in range(2 * pairs):
        which = (i if single else i // 2) % len(order)
        stretch = i if single else i // 2 // len(order) * 2 + i % 2
        way = pixels - (reference := references[int(order[which])])
        where = float((stretch + generator.random()) / uses[which])
        yield Point(reference + where * way, way / float(uses[which] * (1 if single else len(order))), i)


def _check_references(references: Any) -> None:
    scans = isinstance(references, Sequence) and all(isinstance(each, Scan) for each in references)
    if not scans and not (isinstance(references, np.ndarray) and references.ndim == 4):
        came = f"references of shape {references.shape}" if isinstance(references, np.ndarray) else repr(references)
        raise BadInput(came, "scans, or pixels on the model's grid (n, 3, h, w)", "read them first: read_scans(folder)")
    if not len(references):
        raise BadInput("no references", "one or more, or None", "leave them out for the default")


def _given(classifier: Classifier, references: Sequence[Scan] | Pixels) -> Pixels:
    if not isinstance(references, np.ndarray):
        return np.concatenate([classifier.prepare(scan)[0] for scan in references])
    size = (3, *classifier.input_size)
    if references.ndim != 4 or references.shape[1:] != size:
        raise BadInput(f"references of shape {references.shape}", f"(n, {', '.join(map(str, size))})", "use prepare()")
    return np.require(references, np.float32, ("C", "W"))
