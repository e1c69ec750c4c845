"""Ranking: the pixels of a map in steps of equal size, as the players of a game.

Deletion, insertion, AOPC, ROAD and monotonicity hide the same steps of the same ranking, so they share evaluations.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from whyscan.checks import at_least, one_of
from whyscan.explain.games.fills import hidden
from whyscan.explain.games.perturb import Game, play
from whyscan.explain.games.segments import head as find_tissue
from whyscan.explain.games.segments import renumber
from whyscan.models.classifier import Pixels, Scores, softmax
from whyscan.models.compiled import Engine, Judge, appoint
from whyscan.records.geometry import Geometry
from whyscan.trust.case import Case, Fill
from whyscan.trust.flat import flat
from whyscan.trust.impute import Imputed

Within = Literal["image", "head"]
Scale = Literal["probability", "logit"]

_PROBED, _HIDDEN = 7, (0.1, 0.5, 0.9)
"""Cells along a side, and the shares of them that are hidden, of the scans that an engine is tried on."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How pixels are removed.

    Attributes:
        steps: of how many equal parts the ranking is made.
        fill: see `Fill`.
        within: whether all pixels of the scan are ranked and removed, or those of the head.
        batch: how many perturbed scans are judged at once.

    Raises:
        BadInput: fewer than 2 steps, or a fill or a place that there is not.
    """

    steps: int = 20
    fill: Fill = "tissue"
    within: Within = "image"
    batch: int = 8

    def __post_init__(self) -> None:
        at_least(2, steps=self.steps)
        at_least(1, batch=self.batch)
        one_of(("tissue", "blur", "road"), fill=self.fill)
        one_of(("image", "head"), within=self.within)


def unfit(case: Case, within: Within) -> tuple[Literal["skipped", "failed"], str] | None:
    """Why a map cannot be judged by hiding pixels; None where it can be."""
    grid = case.attribution.grid[case.attribution.index(case.target)]
    if not np.isfinite(grid).all():
        return "failed", "the map holds NaN or infinity"
    if within == "head" and case.head is None:
        return "skipped", "it is not known where the head is"
    if within == "head" and case.head is not None and case.head.shape != case.scan.shape:
        return "failed", f"the head has shape {case.head.shape} and the scan {case.scan.shape}"
    counted = places(case, within)
    if counted.sum() < 2:
        return "skipped", "there are fewer than two pixels to rank"
    values = on_model(case)[counted]
    if flat(values):
        return "skipped", "every pixel is alike in the map"
    return None


def on_model(case: Case) -> Float32[np.ndarray, "mh mw"]:
    """The map on the model's grid, where pixels are hidden."""
    grid = case.attribution.grid[case.attribution.index(case.target)]
    model = case.prepared[1].model
    if grid.shape == model:
        return np.asarray(grid, np.float32)
    return np.asarray(Geometry(model, model, (0, 0, *model)).to_scan(grid[None])[0], np.float32)


def places(case: Case, within: Within) -> Bool[np.ndarray, "mh mw"]:
    """Which pixels of the model's grid are ranked: what the scan fills, or its head."""
    geometry = case.prepared[1]
    region = np.ones(case.scan.shape, bool) if within == "image" or case.head is None else case.head
    return np.asarray(geometry.region_to_model(region))


def bins(
    values: Float32[np.ndarray, "h w"], counted: Bool[np.ndarray, "h w"], steps: int, seed: int
) -> Int32[np.ndarray, "h w"]:
    """Step 0 holds the largest values, the last step the smallest; -1 is not counted.

    Steps are of equal size to one pixel, whatever is tied: ties are broken by lot, from the seed, so that a step of
    5 % removes 5 %. With fewer pixels than steps there are as many steps as pixels.
    """
    rows, columns = np.nonzero(counted)
    lot = np.random.default_rng(seed).permutation(len(rows))
    order = np.lexsort((lot, -values[rows, columns]))
    labels = np.full(values.shape, -1, np.int32)
    labels[rows[order], columns[order]] = np.arange(len(rows)) * min(steps, len(rows)) // len(rows)
    return labels


def cells(counted: Bool[np.ndarray, "h w"], side: int) -> Int32[np.ndarray, "h w"]:
    """A grid of side x side cells over what counts, the same for every map; -1 is not counted."""
    height, width = counted.shape
    across = np.arange(width) * min(side, width) // width
    down = np.arange(height) * min(side, height) // height
    return renumber(np.where(counted, down[:, None] * min(side, width) + across, -1))


def logits(case: Case, segments: Int32[np.ndarray, "mh mw"], shown: Bool[np.ndarray, "m s"], how: Removal) -> Scores:
    """(m, k) of the scan with only some players shown. What another metric has asked is not asked again."""
    pixels = case.prepared[0][0]
    judge = judge_of(case, how.batch)
    noise = f"road {case.seed}" if how.fill == "road" else how.fill
    about = (*_about(case), noise, judge.engine)
    name = f"{'/'.join(about)}/{zlib.crc32(pixels.tobytes()):08x}{zlib.crc32(segments.tobytes()):08x}"
    memory = case.memories.setdefault(name, {})
    return play(judge.predict, _board(case, segments, how.fill), shown, memory=memory, batch=how.batch)


def judge_of(case: Case, batch: int) -> Judge:
    """Who answers for the perturbed scans: of the engines the fastest that agrees with float32 on this very scan.

    It is shown the scan as it is, and with shares of it hidden, few and many cells and in both ways of filling, as the
    metrics will show it.
    """
    key = "/".join((*_about(case), case.engine))
    if key not in case.judges:
        # a black box has no faster engine, and every question to it may cost money
        asked: Engine = case.engine if case.classifier.white_box else "float32"
        case.judges[key] = appoint(case.classifier, asked, _probe(case, asked), batch=batch)
    return case.judges[key]


def _about(case: Case) -> tuple[str, str, str]:
    return case.classifier.name, case.classifier.hash, case.attribution.scan


def _probe(case: Case, engine: Engine) -> Pixels:
    pixels = case.prepared[0]
    if engine == "float32":
        return pixels[:0]
    counted = np.asarray(case.prepared[1].region_to_model(np.ones(case.scan.shape, bool)))
    segments = cells(counted, _PROBED)
    lot = np.random.default_rng(0).permutation(int(segments.max()) + 1)
    shown = np.stack([lot >= round(share * len(lot)) for share in _HIDDEN])
    fills: tuple[Fill, ...] = ("tissue", "blur")
    parts = [_board(case, segments, fill).mask(shown) for fill in fills]
    return np.concatenate([pixels, *parts])


def _board(case: Case, segments: Int32[np.ndarray, "mh mw"], fill: Fill) -> Game | Imputed:
    pixels = case.prepared[0][0]
    if fill == "road":
        return Imputed(pixels, segments, case.seed)
    tissue = float(pixels[:, find_tissue(pixels)].mean().clip(0, 1))
    return Game(pixels, hidden(pixels, segments, tissue if fill == "tissue" else "blur"), segments)


def scored(case: Case, scores: Scores, scale: Scale) -> Float64[np.ndarray, " m"]:
    """What the target gets: its logit (or the difference of a contrast's two), or a probability.

    The probability of a contrast a-b is that of a where only a and b are possible.
    """
    row = case.classifier.target(case.target)
    if scale == "logit":
        return np.asarray(scores @ row, np.float64)
    if (row < 0).any():
        return np.asarray(softmax(scores[:, np.flatnonzero(row)[np.argsort(row[row != 0])]])[:, 1], np.float64)
    return np.asarray(softmax(scores) @ row, np.float64)
