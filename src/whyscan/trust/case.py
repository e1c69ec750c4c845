"""Case: one target of one attribution, with all that a metric may ask about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.data.scan import Scan
from whyscan.explain.games.perturb import Memory
from whyscan.models.classifier import Classifier, Pixels, Scores
from whyscan.records.attribution import Attribution
from whyscan.records.evidence import Evidence
from whyscan.records.geometry import Geometry

Again = Callable[[Classifier, Scan, int], Attribution]
"""The same method with the same settings and targets once more: (classifier, scan, seed)."""


@dataclass(frozen=True, eq=False)
class Case:
    """What a metric is given.

    Attributes:
        classifier: the model that was explained.
        scan: the scan that was explained.
        attribution: the explanation to judge.
        target: which of its targets.
        again: makes the explanation again, for another seed, scan or model.
        head: (h, w) on the scan's grid where the head is; None where it is not known.
        memories: evaluations by the name of their game, so that metrics share them.
        explained: explanations that were made again, by what was changed, so that metrics share them.
        seed: for the metrics that draw.
    """

    classifier: Classifier
    scan: Scan
    attribution: Attribution
    target: str
    again: Again
    head: Bool[np.ndarray, "h w"] | None = None
    memories: dict[str, Memory] = field(default_factory=dict)
    explained: dict[str, Attribution] = field(default_factory=dict)
    seed: int = 0

    @cached_property
    def values(self) -> Float32[np.ndarray, "h w"]:
        """The map of the target on the scan's own grid, raw."""
        return np.asarray(self.attribution.values[self.attribution.index(self.target)], np.float32)

    @cached_property
    def prepared(self) -> tuple[Pixels, Geometry]:
        """The scan on the model's grid, (1, c, h, w), and how it came there."""
        return self.classifier.prepare(self.scan)

    def score(self, scores: Scores) -> Float32[np.ndarray, " n"]:
        """What the target gets of the scores (n, k): its class's column, or the difference of a contrast's two."""
        return np.asarray(scores @ self.classifier.target(self.target), np.float32)


Metric = Callable[[Case], Evidence]
"""Its first docstring line is its title in the report; the rest says what a bad value means."""
