"""Montage: the slices of a volume in reading order, each with its map, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whyscan.render.scale import Scale
from whyscan.render.sheet import Pixels, page


def montage(tiles: Sequence[tuple[str, Pixels]], *, scale: Scale, title: str = "", notes: Sequence[str] = ()) -> Pixels:
    """Finished overlays of one size, each under its label, with the colour bar that they share.

    Args:
        tiles: (label, picture), in order; a label may have two lines.
        scale: that the overlays were painted with.
        notes: sentences below it, such as what the colours mean.
    """
    return page(
        tiles, columns=_columns(len(tiles), *tiles[0][1].shape[:2]), title=title, notes=notes, scale=scale, size=10
    )


def _columns(count: int, height: int, width: int) -> int:
    """So many that the whole is about a third wider than high, and that the last row is not nearly empty."""
    wanted = min(count, 16, max(4, math.ceil(math.sqrt(1.33 * count * height / width))))
    return math.ceil(count / math.ceil(count / wanted))
