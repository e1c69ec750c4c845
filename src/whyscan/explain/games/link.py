"""Scores that are a known function of something smoother: learn that, and put it through the function.

A probability is the softmax of logits. Where a model is sure, hiding one superpixel changes nothing and hiding two a
lot: much of what superpixels seem to do together is the softmax's doing, and the softmax is known. So an emulator
learns the logits, which are nearer to a sum over superpixels, and its mean, put through the softmax, foretells
probabilities better than one that learned these (docs/explanation/estimators.md has by how much).

What is asked of the foretold scores has no closed form any more. Its closed form for an emulator of the scores
themselves is taken instead, and the difference of the two is summed over many coalitions, which costs no evaluation
of the model: a control variate (Owen, Monte Carlo theory, methods and examples, section 8.9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from whyscan.explain.games.emulator import Emulator, emulate
from whyscan.explain.games.measure import Estimand
from whyscan.models.classifier import softmax
from whyscan.records.attribution import Score

SAMPLE = 8192
"""How many coalitions stand for all: none of them costs an evaluation."""

_CLASSES = 16  # more are lumped, or too dear to foretell
_FLOOR = 1e-6  # of a probability that matters
_PART = 2048  # coalitions foretold at once

Answers = Callable[[Bool[np.ndarray, "m s"]], Float32[np.ndarray, "m k"]]
"""The model's logits for coalitions; those judged before cost nothing."""

Read = Callable[[Float64[np.ndarray, "m k"]], Float64[np.ndarray, "m t"]]

Integral = Callable[[Float64[np.ndarray, "m t"]], tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s"]]]
"""Values at a sample's coalitions -> what an estimand of them is estimated to be, and the estimate's variance."""


@dataclass(frozen=True, eq=False)
class Link:
    """Scores (m, t) as a function of something smoother.

    Attributes:
        smooth: coalitions -> (m, k).
        read: (m, k) -> the scores.
    """

    smooth: Callable[[Bool[np.ndarray, "m s"]], Float64[np.ndarray, "m k"]]
    read: Read


@dataclass(frozen=True, eq=False)
class Sample:
    """Coalitions that stand for all, and by method how its sums over all are estimated from these."""

    coalitions: Bool[np.ndarray, "m s"]
    integrals: Mapping[str, Integral]


@dataclass(frozen=True, eq=False)
class Through:
    """What emulators learn in place of the scores, and the sample over which the difference is summed."""

    link: Link
    sample: Sample


@dataclass(frozen=True, eq=False)
class Sampled:
    """An estimand in closed form, and as a sum over a sample."""

    estimand: Estimand
    integral: Integral


@dataclass(frozen=True, eq=False)
class Linked:
    """An emulator of scores and, beside them, of what they are a function of.

    Attributes:
        emulator: its first columns are the scores', the others those of the smoother values.
        scores: (n, t) those judged.
        smooth: (n, k) likewise.
        read: smooth -> scores.
        sample: (m, s) coalitions for what has no closed form.
    """

    emulator: Emulator
    scores: Float64[np.ndarray, "n t"]
    smooth: Float64[np.ndarray, "n k"]
    read: Read
    sample: Bool[np.ndarray, "m s"]

    def integrate(self, what: Sampled, /) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s s"]]:
        """Mean and covariance of the functionals of every score."""
        means, known = self.emulator.moments(what.estimand)
        gained, variance = what.integral(self._gain)
        targets, players = gained.shape
        covariance: np.ndarray = self._scale[:, None, None] * known
        covariance[:, range(players), range(players)] += variance
        return means[:targets] + gained, covariance

    @property
    def coalitions(self) -> Bool[np.ndarray, "n s"]:
        return self.emulator.coalitions

    def predict(self, coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, "m t"]:
        """The scores that it expects of coalitions."""
        columns = self.emulator.predict(coalitions)
        return np.asarray(columns[:, : self.scores.shape[1]] + self._trust * self._apart(columns))

    @cached_property
    def _gain(self) -> Float64[np.ndarray, "m t"]:
        """At the sample: how much else the scores are foretold through the function."""
        parts = np.array_split(self.sample, -(-len(self.sample) // _PART))
        return np.asarray(np.concatenate([self._apart(self.emulator.predict(part)) for part in parts]) * self._trust)

    def _apart(self, foretold: Float64[np.ndarray, "m c"]) -> Float64[np.ndarray, "m t"]:
        targets = self.scores.shape[1]
        return np.asarray(self.read(foretold[:, targets:]) - foretold[:, :targets])

    @cached_property
    def _left_out(self) -> tuple[Float64[np.ndarray, "j t"], Float64[np.ndarray, "j t"]]:
        """For the rows that judge, each foretold from all others and in units of how well it could be: what the scores'
        own emulator misses, and how much else is foretold through the function.
        """
        judges = self.emulator.judges
        missed = self.emulator.missed[judges]
        unit = np.sqrt(np.diag(self.emulator.inverse)[judges, None])
        seen = np.hstack([self.scores, self.smooth])[judges]
        return missed[:, : self.scores.shape[1]] * unit, self._apart(seen - missed) * unit

    @cached_property
    def _trust(self) -> Float64[np.ndarray, " t"]:
        """From 0 to 1: how far to go from the one to the other, by least squares on the rows that judge.

        Nearly 1 where the model's classes are what the function says; 0 where the detour through it misleads.
        """
        missed, gained = self._left_out
        return np.asarray(((missed * gained).sum(0) / np.maximum((gained**2).sum(0), 1e-300)).clip(0, 1))

    @property
    def _scale(self) -> Float64[np.ndarray, " t"]:
        missed, gained = self._left_out
        return np.asarray(((missed - self._trust * gained) ** 2).mean(0))


def learn(
    through: Through,
    coalitions: Bool[np.ndarray, "n s"],
    scores: Float64[np.ndarray, "n t"],
    pairs: Int64[np.ndarray, " n"],
) -> list[Linked]:
    """As `emulate`, with rates that the smoother values taught."""
    smooth = through.link.smooth(coalitions)
    both = np.hstack([scores, smooth])
    emulators = emulate(coalitions, both, pairs, slice(scores.shape[1], None))
    return [Linked(each, scores, smooth, through.link.read, through.sample.coalitions) for each in emulators]


def link_of(score: Score, answers: Answers, rows: Float32[np.ndarray, "t k"]) -> Link | None:
    """Probabilities, or contrasts of them, through log probabilities.

    None for logits, which are learned as they are, and for more classes than are worth it. Where a model has many,
    those that are not asked for count as one.

    Args:
        answers: the model's logits.
        rows: the targets as weights of the classes.
    """
    if score == "logit":
        return None
    classes = rows.shape[1]
    kept = np.arange(classes) if classes <= _CLASSES else np.flatnonzero(rows.any(0))
    if len(kept) > _CLASSES:
        return None
    others = np.setdiff1d(np.arange(classes), kept)

    def smooth(coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, "m k"]:
        chances = softmax(answers(coalitions).astype(np.float64))
        lumped = [chances[:, others].sum(1, keepdims=True)] if len(others) else []
        logs = np.log(np.maximum(np.hstack([chances[:, kept], *lumped]), _FLOOR))
        return np.asarray(logs - logs.mean(1, keepdims=True))

    weights = rows[:, kept].T

    def read(values: Float64[np.ndarray, "m k"]) -> Float64[np.ndarray, "m t"]:
        return np.asarray(softmax(values)[:, : len(kept)] @ weights)

    return Link(smooth, read)
