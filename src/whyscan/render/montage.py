"""Montage: the slices of a volume in reading order, each with its map, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from whyscan.render import colour, figures

_TILE = 1.35  # inches
_LINE = 0.15
_BAR = 0.9


def montage(
    tiles: Sequence[tuple[str, UInt8[np.ndarray, "h w 3"]]],
    *,
    signed: bool,
    limit: float,
    unit: str,
    title: str = "",
    caption: str | None = None,
    notes: Sequence[str] = (),
    alpha: float = 0.7,
) -> Figure:
    """Finished overlays of one size, each under its label, with the colour bar that they share.

    Args:
        tiles: (label, picture), in order; a label may have two lines.
        limit: the end of the scale that the overlays were painted with.
        unit: what the colour bar is labelled with.
        caption: what the colours mean; the convention if left out.
        notes: sentences below it.
    """
    height, width = tiles[0][1].shape[:2]
    columns = _columns(len(tiles), height, width)
    rows = -(-len(tiles) // columns)
    per_inch = width / (0.96 * _TILE)
    line = 6 / 72 * per_inch  # pixels of the tiles to a line of their labels
    lines = max(label.count("\n") + 1 for label, _ in tiles)
    head, pitch = round((1.3 * lines + 0.8) * line), round(_TILE * per_inch)
    whole = np.full((rows * (height + head), columns * pitch, 3), 255, np.uint8)
    inches = max(_TILE * columns + _BAR, 6.0)
    words = [caption or colour.convention(signed), *(part for each in notes for part in wrap(each, round(14 * inches)))]
    heading = "\n".join(part for each in title.splitlines() for part in wrap(each, round(13 * inches)))
    extra = 0.25 + _LINE * (len(words) + heading.count("\n") + 1)
    figure = figures._figure(inches, whole.shape[0] / per_inch + extra)
    axis = figure.subplots()
    axis.set_axis_off()
    for number, (label, picture) in enumerate(tiles):
        top, left = (number // columns) * (height + head) + head, (number % columns) * pitch
        whole[top : top + height, left : left + width] = picture
        axis.text(
            left + width / 2, top - 0.35 * line, label, fontsize=6, color=figures.INK, ha="center", parse_math=False
        )
    axis.imshow(whole)
    _bar(figure, signed=signed, limit=limit, unit=unit, alpha=alpha)
    figure.suptitle(heading, fontsize=9, parse_math=False)
    figure.supxlabel("\n".join(words), fontsize=7.5, parse_math=False)
    return figure


def _columns(count: int, height: int, width: int) -> int:
    """So many that the whole is about a third wider than high, and that the last row is not nearly empty."""
    wanted = min(count, 16, max(4, math.ceil(math.sqrt(1.33 * count * height / width))))
    return math.ceil(count / math.ceil(count / wanted))


def _bar(figure: Figure, *, signed: bool, limit: float, unit: str, alpha: float) -> None:
    figures._colour_bar(figure, figure.axes, signed=signed, limit=limit, unit=unit, alpha=alpha)
