"""Occlusion: how far the score falls where a window is covered. Zeiler and Fergus, ECCV 2014, section 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil

import numpy as np
from jaxtyping import Float32, Float64, Int32

from whyscan.checks import between, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.explain.games.fills import ANOTHER, Fill
from whyscan.explain.games.perturb import Game, Memory, game, play
from whyscan.explain.games.question import moved, put
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.targets import Targets, check, scored
from whyscan.models.classifier import Classifier, Predict, Scores
from whyscan.models.compiled import Engine
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

_PROBED = 6


@dataclass(frozen=True)
class Occlusion:
    """A window slides over the scan; a pixel's value is the mean fall of the score over the windows that cover it.

    Negative where covering raises the score: what is there speaks against the target.

    Attributes:
        window: side of the square: pixels of the model's grid if a whole number, else a share of its shorter side.
        stride: from one window to the next, in the same units; not more than the window.
        fill: what covers a window; see `Fill`. "mean" is the window's own mean, "inpaint" goes on from its rim.
        score: "logit", because one covered window leaves a sure model sure, whose probability then does not move.
        engine: "fast" (where it agrees with float32 on this very scan) or "float32".
        batch: how many covered scans are judged at once.
    """

    window: int | float = 1 / 7
    stride: int | float = 1 / 14
    fill: Fill = "mean"
    score: Score = "logit"
    engine: Engine = "fast"
    batch: int = 8

    def __post_init__(self) -> None:
        plain(self)
        Perturbation(fill=self.fill, score=self.score, engine=self.engine, batch=self.batch)  # refuses the unknown
        between(0, np.inf, window=self.window, stride=self.stride)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, for all targets from the same evaluations. Nothing is drawn but the fill "noise".

        Raises:
            BadInput: a window or stride that does not fit.
            BadScan: covering changes nothing.
            BadTarget: a target does not exist.
        """
        return [self._one(classifier, scan, targets, seed, progress) for scan in scans]

    def _one(self, classifier: Classifier, scan: Scan, targets: Targets, seed: int, progress: Progress) -> Attribution:
        check(classifier, targets, scan.label)
        pixels, geometry = classifier.prepare(scan)
        shorter = min(classifier.input_size)
        window, stride = _length("window", self.window, shorter), _length("stride", self.stride, shorter)
        boards, coverage = cover(pixels[0], window, stride, self.fill, seed)
        probe = _probe(boards[0].players)
        asked = put(
            classifier, scan, targets, geometry, boards[0], probe,
            score=self.score, engine=self.engine, batch=self.batch, seed=seed,
        )  # fmt: skip
        whole = asked.scores(probe[:1])
        covered = leave_one_out(asked.predict, boards, asked.memory, self.batch, progress)
        falls = [whole - scored(each, asked.rows, self.score) for each in covered]
        furthest = np.abs(np.concatenate(falls)).max(0)
        return Attribution(
            method="occlusion",
            **asked.about,
            maps=spread(falls, boards, coverage),
            signed=True,
            evaluations=1 + sum(map(len, falls)),
            diagnosis=moved(furthest),
            settings={**asdict(self), "window": window, "stride": stride},
        )


def cover(
    pixels: Float32[np.ndarray, "c h w"], window: int, stride: int, fill: Fill, seed: int = 0
) -> tuple[list[Game], Int32[np.ndarray, "h w"]]:
    """The windows as games of windows that do not overlap, and how many windows cover each pixel.

    Every ceil(window / stride)-th window along each axis goes into the same game, so that each can be filled in its
    own way. Windows that the fill leaves as they are (black background behind black) do not play.

    Raises:
        BadInput: the windows leave gaps.
        BadScan: no window changes anything.
    """
    if stride > window:
        raise BadInput(f"a stride of {stride} with a window of {window}", "windows without gaps", "lower the stride")
    down, across = (_strips(side, window, stride) for side in pixels.shape[1:])
    width = 1 + max(int(strip.max()) for strip in across)
    boards, coverage = [], np.zeros(pixels.shape[1:], np.int32)
    for y in down:
        for x in across:
            labels = np.where((y[:, None] >= 0) & (x >= 0), y[:, None] * width + x, -1).astype(np.int32)
            coverage += labels >= 0
            try:
                boards.append(game(pixels, labels, fill, seed))
            except BadScan:
                continue
    if not boards:
        raise BadScan(
            "covering any window leaves the scan as it is",
            "something to cover",
            ANOTHER,
        )
    return boards, coverage


def leave_one_out(
    predict: Predict, boards: Sequence[Game], known: Memory, batch: int = 8, progress: Progress = quiet
) -> list[Scores]:
    """For each game the scores (players, k) of the scan with one player hidden.

    Args:
        known: what was judged of the first game.
    """
    total = sum(board.players for board in boards)
    found: list[Scores] = []
    for i, board in enumerate(boards):
        alone, memory = ~np.eye(board.players, dtype=bool), {} if i else known
        report = _after(sum(map(len, found)) + board.players, total, progress)
        found.append(play(predict, board, alone, memory=memory, batch=batch, progress=report))
    return found


def _after(last: int, total: int, progress: Progress) -> Progress:
    """Counts up to `last`, whatever number of scans it takes to get there."""
    return lambda _, done, asked: progress("covered scans", last - asked + done, total)


def spread(
    falls: Sequence[Float64[np.ndarray, "s t"]], boards: Sequence[Game], coverage: Int32[np.ndarray, "h w"]
) -> Float32[np.ndarray, "t h w"]:
    """Each pixel the mean over the windows that cover it; those that do not play count as 0."""
    total = np.zeros((falls[0].shape[1], *coverage.shape))
    for fall, board in zip(falls, boards, strict=True):
        # one column at the end: label -1 finds 0 there
        total += np.pad(fall, ((0, 1), (0, 0))).T[:, board.segments]
    return np.asarray(total / coverage, np.float32)


def _strips(side: int, window: int, stride: int) -> list[Int32[np.ndarray, " side"]]:
    """Along one axis: for each set of windows without overlap, the window at each pixel, or -1.

    The last window is cut off at the edge, as captum does it.
    """
    numbers = np.arange(ceil(max(side - window, 0) / stride) + 1)
    apart = ceil(window / stride)
    strips = []
    for first in range(min(apart, len(numbers))):
        strip = np.full(side, -1, np.int32)
        for number in numbers[first::apart]:
            strip[number * stride : number * stride + window] = number
        strips.append(strip)
    return strips


def _length(name: str, value: int | float, side: int) -> int:
    """Pixels, from pixels or a share."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (1 <= value <= side if whole else isinstance(value, float) and 0 < value <= 1):
        raise BadInput(f"{name} {value!r}", f"1 to {side} pixels, or a share such as 0.15", "choose such a size")
    return int(value) if whole else max(1, round(value * side))


def _probe(players: int) -> np.ndarray:
    """Nobody hidden, and some windows one by one: what is to come, for the check of the engine."""
    chosen = np.unique(np.linspace(0, players - 1, _PROBED).astype(int))
    return np.concatenate([np.ones((1, players), bool), ~np.eye(players, dtype=bool)[chosen]])
