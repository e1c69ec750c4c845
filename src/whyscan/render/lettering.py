"""Lettering: words as pixels, without a figure around them, which would take longer to lay out than they to draw."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from whyscan.render import colour

INK = colour.INK


def pitch(size: int) -> int:
    """From one line to the next, in pixels."""
    return round(1.3 * size)


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Lines no wider than so many pixels: broken between words, and inside a word that is too long."""
    lines: list[str] = []
    for part in text.splitlines():
        line = ""
        for word in part.split():
            longer = f"{line} {word}" if line else word
            if _length(longer, size) <= width:
                line = longer
                continue
            *full, line = [*filter(None, [line]), *_pieces(word, size, width)]
            lines += full
        lines.append(line)
    return lines


def write(
    page: Image.Image,
    lines: Sequence[str],
    at: tuple[int, int],
    size: int,
    *,
    anchor: Literal["l", "m"] = "m",
    ink: tuple[int, int, int] = INK,
) -> None:
    """Set lines one below the other.

    Args:
        at: (x, y) of the first line's top: in its middle, or at its left with the anchor "l".
        size: of the letters, in pixels.
    """
    draw, (x, y) = ImageDraw.Draw(page), at
    for number, line in enumerate(lines):
        draw.text((x, y + number * pitch(size) + size), line, ink, _font(size), anchor=f"{anchor}s")


def upwards(lines: Sequence[str], size: int, ink: tuple[int, int, int] = INK) -> Image.Image:
    """Lines that are read from below, on white, no larger than they are."""
    strip = Image.new("RGB", (widest(lines, size) + 2, pitch(size) * len(lines) + 2), "white")
    write(strip, lines, (strip.width // 2, 0), size, ink=ink)
    return strip.transpose(Image.Transpose.ROTATE_90)


def widest(lines: Sequence[str], size: int) -> int:
    """Pixels of the widest line."""
    return max((_length(line, size) for line in lines), default=0)


def _pieces(word: str, size: int, width: int) -> list[str]:
    """A word in pieces that fit; they end with a dot, a dash or the like where there is one."""
    pieces = []
    while _length(word, size) > width and len(word) > 1:
        fit = max(1, bisect_right(range(1, len(word) + 1), width, key=lambda n: _length(word[:n], size)))
        at = max((n + 1 for n, letter in enumerate(word[:fit]) if letter in "._-/,:"), default=fit)
        pieces.append(word[:at])
        word = word[at:]
    return [*pieces, word]


def _length(text: str, size: int) -> int:
    return round(_font(size).getlength(text))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # a fifth of a second, for the folder of its fonts: only those who draw wait

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
