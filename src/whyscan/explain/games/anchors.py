"""Anchors: a few superpixels that settle the prediction whatever else is hidden. Ribeiro et al., AAAI 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32

from whyscan.checks import at_least, between, is_number, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.games.anchor_search import Anchor, Event, Pool, Search, lost_without, search
from whyscan.explain.games.fills import Fill
from whyscan.explain.games.question import put
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.surrogate import Labels, Perturbation, cut, set_up
from whyscan.explain.targets import Targets, check
from whyscan.models.classifier import Classifier, Scores
from whyscan.models.compiled import Engine
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


@dataclass(frozen=True)
class Anchors:
    """The fewest superpixels whose presence alone keeps the prediction, with what certainty and how often they apply.

    For the predicted class the rule is "the prediction is this class"; for any other "the prediction is not this
    class"; for a contrast "a-b", "the one of the two that is ahead stays ahead". An anchor A holds with precision
    P(rule | A shown), every other superpixel being hidden with probability 1/2 (equation 2), and applies with
    coverage P(A shown) = 2^-|A| (equation 5). Anchors are grown superpixel by superpixel in a beam whose best
    members KL-LUCB tells from the rest (section 3.2); a candidate's precision is then judged on scans drawn after it
    was chosen, so that having been chosen for looking good does not count for it.

    A superpixel's weight is how much of the precision is lost without it, and 0 outside the anchor.

    Attributes:
        precision: to be reached.
        slack: how far below it the lower bound may stay; the authors' code has the same. `measured` says the bound.
        risk: of stating a precision, for any of a scan's candidates, that does not hold.
        largest: the most superpixels in an anchor.
        beam: how many candidates are grown on.
        tolerance: candidates whose precisions differ by less need not be told apart.
        superpixels, fill, engine, batch: as in `Perturbation`.
        samples: the most evaluations of the model for each target; targets share what was judged.
    """

    precision: float = 0.95
    slack: float = 0.05
    risk: float = 0.1
    largest: int = 6
    beam: int = 2
    tolerance: float = 0.15
    superpixels: Superpixels | Labels = field(default_factory=Superpixels)
    fill: Fill = "mean"
    samples: int = 1000
    engine: Engine = "fast"
    batch: int = 8

    def __post_init__(self) -> None:
        plain(self)
        between(0, 1, precision=self.precision, risk=self.risk, tolerance=self.tolerance)
        if not is_number(self.slack) or not 0 <= self.slack < self.precision:
            raise BadInput(f"slack {self.slack!r}", "0, or some less than the precision", "0.05 is the usual one")
        at_least(1, largest=self.largest, beam=self.beam)
        at_least(4, samples=self.samples)
        self._shared()

    def _shared(self) -> Perturbation:
        return Perturbation(self.superpixels, self.fill, self.samples, engine=self.engine, batch=self.batch)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan.

        Raises:
            BadScan: hiding changes nothing.
            BadTarget: a target does not exist.
        """
        return [self._one(classifier, scan, targets, seed, progress) for scan in scans]

    def _one(self, classifier: Classifier, scan: Scan, targets: Targets, seed: int, progress: Progress) -> Attribution:
        check(classifier, targets, scan.label)
        geometry, board = set_up(classifier, scan, self._shared(), seed)
        random = np.random.default_rng(seed)
        first = np.concatenate([np.ones((1, board.players), bool), random.random((5, board.players)) < 0.5])
        asked = put(
            classifier, scan, targets, geometry, board, first,
            score="probability", engine=self.engine, batch=self.batch, seed=seed,
        )  # fmt: skip
        memory, rows = asked.memory, asked.rows
        (whole,) = asked.answers(first[:1])
        events = [event_of(row, whole) for row in rows]
        wanted = Search(self.precision, self.slack, self.risk, self.largest, self.beam, self.tolerance)
        pool = Pool(asked.answers, board.players, random)
        found: list[Anchor] = []
        for event in events:
            stop = len(memory) + self.samples
            found.append(search(pool, event, wanted, lambda stop=stop: stop - len(memory)))  # type: ignore[misc]
            progress("anchors", len(found), len(rows))
        return Attribution(
            method="anchors",
            quantity="precision lost without it",
            **asked.about,
            segments=board.segments,
            weights=np.stack(list(map(partial(lost_without, pool), found, events))).astype(np.float32),
            evaluations=len(memory),
            diagnosis=tuple(_diagnose(*each, whole, self.precision) for each in zip(found, rows, strict=True)),
            measured={
                "precision": [each.precision for each in found],
                "precision lower bound": [each.lower for each in found],
                "coverage": [0.5 ** int(each.members.sum()) for each in found],
            },
            settings={**asdict(self), **cut(self.superpixels, geometry, board)},
        )


def event_of(row: Float32[np.ndarray, " k"], whole: Float32[np.ndarray, " k"]) -> Event:
    """The rule of a target: that perturbed scans are to it what the whole scan is.

    Args:
        row: the target as weights of the logits: one-hot, or a contrast.
        whole: (k,) the logits of the scan with nothing hidden.
    """

    def holds(logits: Scores) -> Bool[np.ndarray, " m"]:
        return np.asarray(logits @ row > 0 if (row < 0).any() else logits.argmax(1) == row.argmax())

    before = bool(holds(whole[None])[0])
    return lambda logits: holds(logits) == before


def _diagnose(anchor: Anchor, row: np.ndarray, whole: np.ndarray, precision: float) -> str:
    """Whether there is an anchor, and of what, where it is not the prediction itself."""
    of = _turned_round(row, whole)
    if not anchor.reached:
        return f"no anchor reaches a precision of {precision:g}{of}"
    return f"there{of}" if anchor.members.any() else f"no superpixel is needed{of}"


def _turned_round(row: np.ndarray, whole: np.ndarray) -> str:
    """What the rule is of, where it speaks against the target: of a class not predicted, of a contrast not ahead."""
    if (row < 0).any():
        return "" if whole @ row > 0 else ", for its not being ahead"
    return "" if row.argmax() == whole.argmax() else ", for its not being predicted"
