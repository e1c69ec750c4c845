"""The perturbation engine: coalitions of superpixels -> perturbed scans -> scores of all classes.

It works for any function from pixels to scores. LIME, SHAP and whatever else hides parts of a scan stand on it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32, Int32, Integer

from whyscan.errors import BadModel, BadScan
from whyscan.explain.games.fills import ANOTHER, UNCHANGED, Fill, hidden
from whyscan.models.classifier import Pixels, Predict, Scores
from whyscan.progress import Progress, quiet

Memory = dict[bytes, Scores]
"""Coalitions that were judged already; its length is the number of evaluations."""


class Board(Protocol):
    """Whatever shows a scan as coalitions would have it."""

    def mask(self, coalitions: Bool[np.ndarray, "m s"]) -> Pixels:
        """(m, c, h, w)"""


@dataclass(frozen=True, eq=False)
class Game:
    """One scan whose superpixels can be hidden.

    Attributes:
        pixels: (c, h, w) the scan on the model's grid.
        hidden: (c, h, w) what is seen in its place where a superpixel is hidden.
        segments: (h, w) the players 0..s-1; -1 is always shown.
    """

    pixels: Float32[np.ndarray, "c h w"]
    hidden: Float32[np.ndarray, "c h w"]
    segments: Int32[np.ndarray, "h w"]

    @property
    def players(self) -> int:
        return int(self.segments.max()) + 1

    @cached_property
    def _columns(self) -> Integer[np.ndarray, "h w"]:
        """Where each pixel finds its player: label -1 finds the column at the end, where everything is shown."""
        return np.where(self.segments < 0, self.players, self.segments).astype(np.intp)

    @cached_property
    def _grey(self) -> bool:
        return all(bool((each == each[:1]).all()) for each in (self.pixels, self.hidden))

    def mask(self, coalitions: Bool[np.ndarray, "m s"]) -> Pixels:
        """The scan as each coalition shows it, (m, c, h, w)."""
        shown = np.take(np.pad(coalitions, ((0, 0), (0, 1)), constant_values=True), self._columns, axis=1)
        masked = np.empty((len(coalitions), *self.pixels.shape), np.float32)
        if self._grey:
            # one channel is masked and then copied, which is much cheaper than masking three alike
            first = masked[:, 0]
            first[:] = self.hidden[0]
            np.copyto(first, self.pixels[0], where=shown)
            masked[:, 1:] = masked[:, :1]
        else:
            masked[:] = self.hidden
            np.copyto(masked, self.pixels, where=shown[:, None])
        return masked


def game(
    pixels: Float32[np.ndarray, "c h w"], segments: Int32[np.ndarray, "h w"], fill: Fill = "mean", seed: int = 0
) -> Game:
    """Set up a game; superpixels that the fill leaves as they are do not play.

    Hiding a black corner of the background behind black changes nothing: its weight is 0 by definition, and
    every evaluation spent on it is lost. A corner with a marker in it is changed, so it plays.

    Raises:
        BadScan: hiding changes nothing anywhere: the scan is blank, or of the fill's own value.
        BadInput: an unknown fill.
    """
    fillings = hidden(pixels, segments, fill, seed)
    change = np.abs(pixels - fillings).max(0)
    plays = [label for label in np.unique(segments[segments >= 0]) if change[segments == label].max() > UNCHANGED]
    if not plays:
        raise BadScan(
            "hiding any superpixel leaves the scan as it is",
            "a scan with something to hide",
            ANOTHER,
        )
    lookup = np.full(int(segments.max()) + 2, -1, np.int32)
    lookup[plays] = np.arange(len(plays), dtype=np.int32)
    return Game(pixels, fillings, lookup[segments])


def remembered(coalitions: Bool[np.ndarray, "m s"], scores: Scores) -> Memory:
    """What `play` is not to ask again."""
    return dict(zip(_keys(coalitions), scores, strict=True))


def play(
    predict: Predict,
    game: Board,
    coalitions: Bool[np.ndarray, "m s"],
    *,
    memory: Memory | None = None,
    batch: int = 8,
    progress: Progress = quiet,
) -> Scores:
    """The scores (m, k) of each coalition. None is judged twice, not even in another call with the same memory.

    Args:
        predict: pixels -> scores, any k columns; a black box.
        batch: how many perturbed scans are judged together; the next are made while these are judged.

    Raises:
        BadModel: the model answered with NaN, infinity or another number of rows.
    """
    memory = {} if memory is None else memory
    keys = _keys(coalitions)
    fresh = {key: i for i, key in reversed(list(enumerate(keys))) if key not in memory}
    order = sorted(fresh.values())
    parts = [order[start : start + batch] for start in range(0, len(order), batch)]
    done = 0
    with ThreadPoolExecutor(1) as pool:  # whatever is raised, at most one batch is still built
        coming = [pool.submit(game.mask, coalitions[part]) for part in parts[:1]]
        for part, following in zip_longest(parts, parts[1:]):
            pixels = coming.pop().result()
            if following is not None:
                coming.append(pool.submit(game.mask, coalitions[following]))
            memory.update(zip((keys[i] for i in part), _judge(predict, pixels), strict=True))
            done += len(part)
            progress("perturbed scans", done, len(order))
    return np.stack([memory[key] for key in keys])


def _keys(coalitions: Bool[np.ndarray, "m s"]) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(coalitions, axis=1)]


def _judge(predict: Predict, pixels: Pixels) -> Scores:
    scores = np.asarray(predict(pixels), np.float32)
    if scores.ndim != 2 or len(scores) != len(pixels) or not np.isfinite(scores).all():
        came = f"the model answered {len(pixels)} perturbed scans with shape {scores.shape}, or with NaN"
        raise BadModel(came, "finite scores, one row a scan", "check the model on a grey image")
    return scores
