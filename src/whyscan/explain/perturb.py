"""The perturbation engine: coalitions of superpixels -> perturbed scans -> scores of all classes.

It works for any function from pixels to scores. LIME, SHAP and whatever else hides parts of a scan stand on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from whyscan.errors import BadModel, BadScan
from whyscan.explain.fills import UNCHANGED, Fill, hidden
from whyscan.models.classifier import Pixels, Predict, Scores
from whyscan.progress import Progress, quiet

Memory = dict[bytes, Scores]
"""Coalitions that were judged already; its length is the number of evaluations."""


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

    def mask(self, coalitions: Bool[np.ndarray, "m s"]) -> Pixels:
        """The scan as each coalition shows it, (m, c, h, w)."""
        # label -1 finds the column at the end, where everything is shown
        shown = np.take(np.pad(coalitions, ((0, 0), (0, 1)), constant_values=True), self.segments, axis=1)
        return np.where(shown[:, None], self.pixels, self.hidden)


def game(pixels: Float32[np.ndarray, "c h w"], segments: Int32[np.ndarray, "h w"], fill: Fill = "mean") -> Game:
    """Set up a game; superpixels that the fill leaves as they are do not play.

    Hiding a black corner of the background behind black changes nothing: its weight is 0 by definition, and
    every evaluation spent on it is lost. A corner with a marker in it is changed, so it plays.

    Raises:
        BadScan: hiding changes nothing anywhere: the scan is blank, or of the fill's own value.
        BadInput: an unknown fill.
    """
    fillings = hidden(pixels, segments, fill)
    change = np.abs(pixels - fillings).max(0)
    plays = [label for label in np.unique(segments[segments >= 0]) if change[segments == label].max() > UNCHANGED]
    if not plays:
        raise BadScan(
            "hiding any superpixel leaves the scan as it is", "a scan with something to hide", "choose another fill"
        )
    lookup = np.full(int(segments.max()) + 2, -1, np.int32)
    lookup[plays] = np.arange(len(plays), dtype=np.int32)
    return Game(pixels, fillings, lookup[segments])


def play(
    predict: Predict,
    game: Game,
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
    keys = [row.tobytes() for row in np.packbits(coalitions, axis=1)]
    fresh = {key: i for i, key in reversed(list(enumerate(keys))) if key not in memory}
    order = sorted(fresh.values())
    parts = [order[start : start + batch] for start in range(0, len(order), batch)]
    done = 0
    for part, pixels in zip(parts, _ahead(lambda part: game.mask(coalitions[part]), parts), strict=True):
        scores = np.asarray(predict(pixels), np.float32)
        if scores.ndim != 2 or len(scores) != len(part) or not np.isfinite(scores).all():
            came = f"the model answered {len(part)} perturbed scans with shape {scores.shape}, or with NaN"
            raise BadModel(came, "finite scores, one row a scan", "check the model on a grey image")
        memory.update(zip((keys[i] for i in part), scores, strict=True))
        done += len(part)
        progress("perturbed scans", done, len(order))
    return np.stack([memory[key] for key in keys])


def _ahead(build: Callable[[Sequence[int]], Pixels], parts: Sequence[Sequence[int]]) -> Iterator[Pixels]:
    """Build each part while the one before it is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(build, part) for part in parts[:1]]
        for part in [*parts[1:], None]:
            if not coming:
                return
            ready = coming.pop().result()
            if part is not None:
                coming.append(pool.submit(build, part))
            yield ready
