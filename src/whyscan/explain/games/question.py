"""One scan, parts of which can be hidden, and what is asked about it: what most methods that hide parts begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from whyscan.data.scan import Scan
from whyscan.explain.games.link import Link, link_of
from whyscan.explain.games.perturb import Game, Memory, play, remembered
from whyscan.explain.targets import Targets, facts, resolve, scored
from whyscan.models.classifier import Classifier, Predict, Scores
from whyscan.models.compiled import Engine, appoint
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Score
from whyscan.records.geometry import Geometry

MOVES = 1e-4
"""A score that moves less than this, whatever is hidden, is not explained."""


def moved(spans: Iterable[float]) -> tuple[str, ...]:
    """A diagnosis for each target, from how far its score moved."""
    return tuple("there" if span > MOVES else "score hardly moves" for span in spans)


@dataclass(frozen=True, eq=False)
class Question:
    """A game whose coalitions an engine judges, each once.

    Attributes:
        board: the scan and its parts.
        predict: the engine: Pixels -> logits.
        rows: the targets as weights of the logits.
        memory: what was judged; its length is the number of evaluations.
        about: the fields of an attribution that every method fills alike.
        score: what is asked for: probabilities, or logits.
        batch: how many perturbed scans are judged at once.
    """

    board: Game
    predict: Predict
    rows: Float32[np.ndarray, "t k"]
    memory: Memory
    about: Mapping[str, Any]
    score: Score
    batch: int

    def answers(self, coalitions: Bool[np.ndarray, "m s"], progress: Progress = quiet) -> Scores:
        """(m, k) logits."""
        return play(self.predict, self.board, coalitions, memory=self.memory, batch=self.batch, progress=progress)

    def scores(self, coalitions: Bool[np.ndarray, "m s"], progress: Progress = quiet) -> Float64[np.ndarray, "m t"]:
        """(m, t) every target's score."""
        return scored(self.answers(coalitions, progress), self.rows, self.score)

    def link(self) -> Link | None:
        """How the scores come about, where something smoother is better learned."""
        return link_of(self.score, self.answers, self.rows)


def put(
    classifier: Classifier,
    scan: Scan,
    targets: Targets,
    geometry: Geometry,
    board: Game,
    probe: Bool[np.ndarray, "n s"],
    *,
    score: Score,
    engine: Engine,
    batch: int,
    seed: int,
) -> Question:
    """Put a question to a classifier, whose engine is checked on a probe.

    Args:
        probe: coalitions like those to come; the first is the whole scan.
        seed: that of the method, for the record.

    Returns:
        the question, with the probe judged already.

    Raises:
        BadTarget: a target does not exist.
    """
    judge = appoint(classifier, engine, board.mask(probe), batch=batch)
    # what is predicted is said by the float32 model, whichever engine judges the perturbed scans
    answer = judge.plain[0]
    names, rows = resolve(classifier, targets, answer, scan.label)
    about = {
        **facts(classifier, scan, geometry, answer, names),
        "score": score, "engine": judge.engine, "deviation": judge.deviation, "seed": seed,
    }  # fmt: skip
    return Question(board, judge.predict, rows, remembered(probe, judge.said), about, score, batch)
