"""Case: one target of one attribution, with all that a metric may ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.data.scan import Scan
from whyscan.errors import WhyscanError
from whyscan.explain.games.perturb import Memory
from whyscan.models.classifier import Classifier, Pixels
from whyscan.models.compiled import Engine, Judge
from whyscan.records.attribution import Attribution
from whyscan.records.evidence import Evidence
from whyscan.records.geometry import Geometry

Again = Callable[[Classifier, Sequence[Scan], int], Sequence[Attribution]]
"""The same method with the same settings and targets once more: (classifier, scans, seed) -> one for each scan."""

Mistaught = Callable[[], Classifier | str]
"""The same model taught shuffled labels, or the reason why there is none."""


def no_mistaught() -> str:
    return "no model that was taught shuffled labels was made"


Fill = Literal["tissue", "blur", "road"]
"""What is seen where pixels are removed: the mean of the scan's own tissue, the blurred scan, or what the pixels
around them lead one to expect, with noise (Rong et al. 2022)."""


@dataclass(frozen=True, eq=False)
class Case:
    """What a metric is given.

    Attributes:
        classifier: the model that was explained.
        scan: the scan that was explained.
        attribution: the explanation to judge.
        target: which of its targets.
        again: makes the explanation again, for another seed, other scans or another model.
        head: (h, w) on the scan's grid where the head is; None where it is not known.
        memories: evaluations by the name of their game, so that metrics share them.
        judges: who answers for perturbed scans, by model and scan, so that metrics and methods share them.
        explained: explanations that were made again, or why they could not be, by what was changed, so that metrics
            share them.
        mistaught: the same model taught shuffled labels.
        engine: "fast" (where it agrees with float32 on this very scan) or "float32", for the perturbed scans.
        seed: for the metrics that draw.
        fill: what is seen where pixels are removed; None for each metric's own.
    """

    classifier: Classifier
    scan: Scan
    attribution: Attribution
    target: str
    again: Again
    head: Bool[np.ndarray, "h w"] | None = None
    memories: dict[str, Memory] = field(default_factory=dict)
    judges: dict[str, Judge] = field(default_factory=dict)
    explained: dict[str, Attribution | WhyscanError] = field(default_factory=dict)
    mistaught: Mistaught = no_mistaught
    engine: Engine = "fast"
    seed: int = 0
    fill: Fill | None = None

    @cached_property
    def values(self) -> Float32[np.ndarray, "h w"]:
        """The map of the target on the scan's own grid, raw."""
        return self.attribution.on_scan(self.target)

    def remake(self, classifier: Classifier, scans: Mapping[str, Scan], seed: int) -> list[Float32[np.ndarray, "h w"]]:
        """The target's maps of these scans, each on its own grid, from one batch.

        What was made before, by name, is not made again.

        Raises:
            WhyscanError: what the method said against the first of those that it refused.
        """
        self.prefetch(classifier, scans, seed)
        found = []
        for what in scans:
            made = self.explained[what]
            if isinstance(made, WhyscanError):
                raise made
            found.append(made.on_scan(self.target))
        return found

    def prefetch(self, classifier: Classifier, scans: Mapping[str, Scan], seed: int) -> None:
        """Explain these scans in one batch, for calls of `remake` to come."""
        missing = [what for what in scans if what not in self.explained]
        if not missing:
            return
        try:
            made = self.again(classifier, [scans[what] for what in missing], seed)
            self.explained.update(zip(missing, made, strict=True))
        except WhyscanError:  # one scan can spoil a batch: each for itself, so that the others are not lost
            for what in missing:
                self.explained[what] = self._alone(classifier, scans[what], seed)

    def _alone(self, classifier: Classifier, scan: Scan, seed: int) -> Attribution | WhyscanError:
        try:
            (made,) = self.again(classifier, [scan], seed)
        except WhyscanError as error:
            return error
        return made

    @cached_property
    def prepared(self) -> tuple[Pixels, Geometry]:
        """The scan on the model's grid, (1, c, h, w), and how it came there."""
        return self.classifier.prepare(self.scan)


Metric = Callable[[Case], Evidence]
"""Its first docstring line is its title in the report; the rest says what a bad value means."""
