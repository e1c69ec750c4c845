"""Sheet: finished pictures in reading order, each under its name, with what their colours mean, as pixels.

It is laid out by arithmetic and lettered by Pillow. A figure with an axis a picture took longer to lay out and to draw
than the explanations took to compute, up to sixty times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from whyscan.render import lettering
from whyscan.render.scale import Scale, bar

_MARGIN, _GAP, _BESIDE = 6, 9, 28  # pixels around everything, between tiles, between the tiles and the bar
_HEADING, _NOTE = 14, 11  # sizes of letters
_NARROWEST = 600  # pixels of a page's width, so that its words have room
_COLUMN = 110  # pixels of a tile's width, so that its name has room
_LOWEST, _TALLEST = 120, 480  # pixels of a bar's height

Pixels = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, slots=True)
class _Row:
    names: list[list[str]]
    pictures: list[Pixels]
    top: int
    head: int


def page(
    tiles: Sequence[tuple[str, Pixels]],
    *,
    columns: int,
    title: str = "",
    notes: Sequence[str] = (),
    scale: Scale | None = None,
    size: int = 11,
) -> Pixels:
    """Tiles of one size, in rows.

    Args:
        tiles: (name, picture); a name is broken after its commas.
        title: lines above all.
        notes: sentences below all.
        scale: of the colour bar at the right, where they share one.
        size: of the names' letters, in pixels.
    """
    tiles = [(name, _widened(picture)) for name, picture in tiles]
    height, width = tiles[0][1].shape[:2]
    columns = min(columns, len(tiles))
    rows = _rows(tiles, columns, size)
    below = rows[-1].top + rows[-1].head + height
    across = columns * (width + _GAP) - _GAP
    drawn = None if scale is None else bar(scale, min(max(round(0.72 * below), _LOWEST), _TALLEST))
    below = below if drawn is None else max(below, drawn.shape[0])
    inside = across + (0 if drawn is None else _BESIDE + drawn.shape[1])
    page_width = max(inside, _NARROWEST) + 2 * _MARGIN
    heading = lettering.wrapped(title, _HEADING, page_width - 2 * _MARGIN)
    words = [line for each in notes for line in lettering.wrapped(each, _NOTE, page_width - 2 * _MARGIN)]

    top = _MARGIN + _room(heading, _HEADING)
    foot = top + below + _GAP
    whole = Image.new("RGB", (page_width, foot + _room(words, _NOTE)), "white")
    left = (page_width - inside) // 2
    lettering.write(whole, heading, (page_width // 2, _MARGIN), _HEADING)
    for row in rows:
        for number, (name, picture) in enumerate(zip(row.names, row.pictures, strict=True)):
            x, y = left + number * (width + _GAP), top + row.top
            above = y + row.head - _room(name, size)
            lettering.write(whole, name, (x + width // 2, above), size)
            whole.paste(Image.fromarray(picture), (x, y + row.head))
    if drawn is not None:
        middle = (below + rows[0].head - drawn.shape[0]) // 2  # beside the pictures, not their names
        whole.paste(Image.fromarray(drawn), (left + across + _BESIDE, top + min(middle, below - drawn.shape[0])))
    lettering.write(whole, words, (page_width // 2, foot), _NOTE)
    return np.asarray(whole)


def stacked(pages: Sequence[Pixels]) -> Pixels:
    """Pages one below the other, on white."""
    width = max(page.shape[1] for page in pages)
    return np.concatenate(
        [np.pad(page, ((0, 0), (0, width - page.shape[1]), (0, 0)), constant_values=255) for page in pages]
    )


def fitting(shape: tuple[int, ...], width: int) -> int:
    """The longer side of a picture of this shape in a tile so wide, and at most a quarter higher than wide."""
    shrink = min(width / shape[1], 1.25 * width / shape[0])
    return max(1, round(shrink * max(shape[:2])))


def _widened(picture: Pixels) -> Pixels:
    """On white, where it is too narrow for a name above it."""
    missing = max(_COLUMN - picture.shape[1], 0)
    return np.pad(picture, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)), constant_values=255)


def _rows(tiles: Sequence[tuple[str, Pixels]], columns: int, size: int) -> list[_Row]:
    height, width = tiles[0][1].shape[:2]
    rows, top = [], 0
    for start in range(0, len(tiles), columns):
        some = tiles[start : start + columns]
        names = [lettering.wrapped(name.replace(", ", ",\n"), size, width + _GAP - 3) for name, _ in some]
        head = max(_room(name, size) for name in names)
        rows.append(_Row(names, [picture for _, picture in some], top, head))
        top += head + height + _GAP
    return rows


def _room(lines: Sequence[str], size: int) -> int:
    """Pixels of lines and of the space below them."""
    return lettering.pitch(size) * len(lines) + (size // 2 if lines else 0)
