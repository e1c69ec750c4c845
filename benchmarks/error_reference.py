"""Scans, 50,000 judged coalitions of each, and from them what every estimator ought to have said. All of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from whyscan.data.scan import Scan
from whyscan.explain.games.emulator import Emulator, emulate
from whyscan.explain.games.hierarchy import Merges, hierarchy
from whyscan.explain.games.lime import LIME, kernel, lime_weights
from whyscan.explain.games.link import Link, link_of
from whyscan.explain.games.measure import Estimand, by_size, shapley
from whyscan.explain.games.owen import evaluations_needed, owen_values
from whyscan.explain.games.perturb import Game, Memory, game, play
from whyscan.explain.games.sampling import Plan, draw, log_binomial
from whyscan.explain.games.segments import Superpixels, segment
from whyscan.explain.games.shap import SHAP
from whyscan.models import openvino_engine
from whyscan.models.classifier import Classifier, Predict, softmax
from whyscan.records import files
from whyscan.records.attribution import Score

SCORES = ("probability", "logit")
HELD_OUT = ("test-clean", "validation")
BUDGETS = (50, 100, 200, 500, 1000, 2000)
_CHOICE, _PLAN = 7, 12345  # seeds
_PAIRS = 750  # that the control variate learns from
_CHECKED, _SAME = 24, 1e-3
_KERNEL_WIDTH = 0.25

Truth = dict[str, np.ndarray]
"""By estimand: (t, s) its value; by "shap, half width" and "lime, half width" how far off the reference may be."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The game of one scan; what was judged once is remembered.

    Attributes:
        plan: the reference's coalitions.
        tree: the hierarchy of superpixels for Owen values.
    """

    board: Game
    tree: Merges
    plan: Plan
    predict: Predict
    memory: Memory

    @property
    def players(self) -> int:
        return self.board.players

    def answers(self, coalitions: np.ndarray) -> np.ndarray:
        """(m, s) -> (m, k) logits."""
        return play(self.predict, self.board, np.asarray(coalitions, bool), memory=self.memory)

    def scores(self, coalitions: np.ndarray, score: str) -> np.ndarray:
        """(m, s) -> (m, t), for all classes."""
        logits = self.answers(coalitions).astype(float)
        return softmax(logits) if score == "probability" else logits

    def link(self, score: Score) -> Link | None:
        """What whyscan is told of how the scores come about."""
        classes = len(next(iter(self.memory.values())))
        return link_of(score, self.answers, np.eye(classes, dtype=np.float32))


def choose(splits: Path, count: int) -> list[dict[str, str]]:
    """Rows of held-out scans, classes in turn: the first of 20 are those of 5."""
    rows = [row for row in files.read_rows(splits) if row["split"] in HELD_OUT]
    labels = sorted({row["label"] for row in rows})
    random = np.random.default_rng(_CHOICE)
    chosen: list[dict[str, str]] = []
    for i in range(count):
        left = [row for row in rows if row["label"] == labels[i % len(labels)] and row not in chosen]
        chosen.append(left[random.integers(len(left))])
    return chosen


def float32(classifier: Classifier) -> Predict:
    """Its logits without rounding: what is measured here is the estimators, not an engine."""
    if not openvino_engine.is_installed():
        return classifier.logits
    return openvino_engine.compile_network(
        classifier.network, classifier.input_size, precision="f32", streams=torch.get_num_threads()
    )


def judged(file: Path, classifier: Classifier, predict: Predict, scan: Scan, samples: int) -> Judged:
    """The scan's game with the reference's coalitions judged: read from `file` if these are they, else made."""
    pixels, _ = classifier.prepare(scan)
    board = game(pixels[0], segment(pixels[0], Superpixels()))
    plan = draw(board.players, [LIME().sizes(board.players), SHAP().sizes(board.players)], samples, _PLAN)
    found = Judged(board, hierarchy(board.pixels, board.segments), plan, predict, {})
    logits = _read(file, found) if file.exists() else None
    if logits is None:
        logits = play(predict, board, plan.coalitions)
        with files.atomic(file) as out:
            np.savez(
                out, coalitions=np.packbits(plan.coalitions, axis=1), players=board.players, segments=board.segments,
                log_chance=plan.log_chance, pairs=plan.pairs, logits=logits,
            )  # fmt: skip
    keys = (row.tobytes() for row in np.packbits(plan.coalitions, axis=1))
    found.memory.update(zip(keys, logits, strict=True))
    return found


def remember(file: Path, scan: Judged) -> None:
    """Learn what was judged beside the reference's coalitions in an earlier run."""
    if file.exists():
        with np.load(file) as kept:
            scan.memory.update(zip((row.tobytes() for row in kept["coalitions"]), kept["logits"], strict=True))


def keep(file: Path, scan: Judged) -> None:
    """Write down what was judged beside the reference's coalitions."""
    first = {row.tobytes() for row in np.packbits(scan.plan.coalitions, axis=1)}
    more = {key: row for key, row in scan.memory.items() if key not in first}
    with files.atomic(file) as out:
        coalitions = np.frombuffer(b"".join(more), np.uint8).reshape(len(more), -(-scan.players // 8))
        np.savez(out, coalitions=coalitions, logits=np.array(list(more.values())))


def kept_truths(file: Path, scan: Judged) -> dict[str, Truth]:
    """By score; read from `file`, or made and written."""
    if not file.exists():
        made = {f"{score}/{name}": array for score in SCORES for name, array in truth(scan, score).items()}
        with files.atomic(file) as out:
            np.savez(out, **made)
    with np.load(file) as kept:
        found = {name: kept[name] for name in kept.files}
    return {
        score: {name.split("/")[1]: array for name, array in found.items() if name.startswith(f"{score}/")}
        for score in SCORES
    }


def _read(file: Path, now: Judged) -> np.ndarray | None:
    """The logits in a file; None if they are of other coalitions, or the model answers otherwise today."""
    with np.load(file) as kept:
        same = np.array_equal(kept["segments"], now.board.segments) and np.array_equal(
            kept["coalitions"], np.packbits(now.plan.coalitions, axis=1)
        )
        logits = kept["logits"]
    if not same:
        return None
    rows = np.random.default_rng(0).choice(len(logits), _CHECKED, replace=False)
    again = play(now.predict, now.board, now.plan.coalitions[rows])
    return logits if np.abs(softmax(again) - softmax(logits[rows])).max() < _SAME else None


def truth(scan: Judged, score: str) -> Truth:
    """Owen values exactly; the others by an emulator of some coalitions and a regression of what it missed on the rest.

    The emulator's own estimands are known in closed form, so it is a control variate: it narrows the reference's
    intervals and cannot bend it, since the rows that it learned from are left out of the regression.
    """
    y = scan.scores(scan.plan.coalitions, score)
    learned = _learned(scan.plan)
    known = scan.plan.coalitions[learned]
    emulators = emulate(known, y[learned], scan.plan.pairs[learned])
    missed = y - _predict(emulators, scan.plan.coalitions)
    keep = np.setdiff1d(np.arange(len(y)), learned[2:])
    plan, missed = _rest(scan.plan, keep), missed[keep]
    found: Truth = {}
    for name, (estimand, fit) in _estimands(scan.players).items():
        weights, half = fit(plan, missed)
        found[name] = weights + _integral(emulators, estimand)
        if half is not None:
            found[f"{name}, half width"] = half
    value = partial(scan.scores, score=score)
    found["owen"] = owen_values(value, scan.tree, evaluations_needed(scan.tree)).values
    return found


_Fit = Callable[[Plan, np.ndarray], tuple[np.ndarray, np.ndarray | None]]


def _estimands(players: int) -> dict[str, tuple[Estimand, _Fit]]:
    """What each estimator estimates. lime's depends on the number of samples, since its ridge penalty does not."""
    table: dict[str, tuple[Estimand, _Fit]] = {
        "shap": (shapley(players), partial(_regress, SHAP())),
        "lime": (LIME().estimand(players), partial(_regress, LIME())),
    }
    near = kernel(np.arange(players + 1.0), players, _KERNEL_WIDTH)
    binomial = np.exp(log_binomial(players) - players * np.log(2))
    for n in BUDGETS:
        # lime's first sample is the whole scan; captum draws all of them
        for name, drawn, whole in (("lime", n - 1, 1.0), ("captum", n, 0.0)):
            sizes = drawn * near * binomial
            sizes[-1] += whole
            table[f"{name} of {n}"] = (by_size(drawn * near, whole, 1.0), partial(_lime, sizes))
    return table


def _regress(method: LIME | SHAP, plan: Plan, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = method.regress(plan, y)
    assert found.intervals is not None
    return found.weights, np.ptp(found.intervals, axis=-1) / 2


def _lime(sizes: np.ndarray, plan: Plan, y: np.ndarray) -> tuple[np.ndarray, None]:
    """Ridge regression with a penalty of 1 where coalitions of each size weigh `sizes` in all."""
    weights = plan.weights(sizes)
    return lime_weights(plan.coalitions, y, weights * sizes.sum() / weights.sum()), None


def _learned(plan: Plan) -> np.ndarray:
    """Both ends and some pairs, none of a size that was taken whole."""
    drawn = np.flatnonzero(plan.log_chance < 0)[: 2 * _PAIRS]
    return np.concatenate([[0, 1], drawn])


def _rest(plan: Plan, keep: np.ndarray) -> Plan:
    """The plan without the others; what is left of each size stands for all of that size."""
    players = plan.coalitions.shape[1]
    size = plan.coalitions.sum(1)
    stratum = np.minimum(size, players - size)
    left = np.bincount(stratum[keep], minlength=players) / np.maximum(np.bincount(stratum, minlength=players), 1)
    chance = plan.log_chance[keep] + np.log(left[stratum[keep]])
    numbers = np.unique(plan.pairs[keep], return_inverse=True)[1]
    return replace(plan, coalitions=plan.coalitions[keep], log_chance=chance, pairs=numbers)


def _predict(emulators: Sequence[Emulator], coalitions: np.ndarray, part: int = 5000) -> np.ndarray:
    parts = [coalitions[start : start + part] for start in range(0, len(coalitions), part)]
    return np.concatenate([np.mean([each.predict(rows) for each in emulators], 0) for rows in parts])


def _integral(emulators: Sequence[Emulator], estimand: Estimand) -> np.ndarray:
    """(t, s) the emulators' own estimand. (Their mean has none.)"""
    parts = [each.coefficients.T @ estimand.embed(each.coalitions, each.differing) for each in emulators]
    return np.asarray(np.mean(parts, 0))
