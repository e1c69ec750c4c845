"""Superpixels that turn from for to against, or back: told apart by hatching and by a sign, not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, UInt8

from whyscan.render import colour, overlay

_DIM = 0.62  # of the scan's brightness, so that bright tissue does not drown the hatching
_TINT, _HATCH, _DOTS = 0.22, 0.85, 0.75  # opacities
_PERIOD, _LINE = 8, 2  # of the hatching, in pixels
_DISC, _ARM = 7, 4  # radius of a sign's dark disc and half its length, in pixels


def turned(
    segments: Int[np.ndarray, "h w"],
    background: UInt8[np.ndarray, "h w *c"],
    *,
    lost: Sequence[int],
    gained: Sequence[int],
    perhaps_lost: Sequence[int] = (),
    perhaps_gained: Sequence[int] = (),
) -> UInt8[np.ndarray, "h w 3"]:
    """The scan with its turned superpixels: falling hatching and a minus for those that speak against now, rising
    hatching and a plus for those that speak for. Where the turn is not sure, a dotted outline and a small sign.

    Args:
        segments: superpixel labels; negative ones lie outside the game.
        background: the scan, on the same grid.
        lost, gained: labels of superpixels that surely turned from for to against, and from against to for.
        perhaps_lost, perhaps_gained: those whose sign could as well be the other in one of the two explanations.
    """
    out = np.asarray(np.round(overlay.rgb(background) * _DIM), np.uint8)
    y, x = np.indices(segments.shape)
    falling, rising = (x - y) % _PERIOD < _LINE, (x + y) % _PERIOD < _LINE
    dotted = (x + y) % 4 < 2
    for labels, tint in ((perhaps_lost, colour.AGAINST), (perhaps_gained, colour.FOR)):
        for label in labels:
            out = _blend(out, tint, _DOTS * (_rim(segments == label) & dotted))
    for labels, tint, hatch in ((lost, colour.AGAINST, falling), (gained, colour.FOR, rising)):
        for label in labels:
            inside = segments == label
            rim = _rim(inside)
            rim |= _rim(inside & ~rim)  # two pixels wide
            out = _blend(out, tint, np.where(rim, 1.0, np.where(hatch, _HATCH, _TINT)) * inside)
    for labels, plus, sure in (
        (perhaps_lost, False, False), (perhaps_gained, True, False), (lost, False, True), (gained, True, True),
    ):  # fmt: skip
        for label in labels:
            if (inside := segments == label).any():
                out = _sign(out, _middle(inside), plus=plus, sure=sure)
    return out


def _rim(inside: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    return np.asarray(overlay.edges(inside.astype(np.int8)) & inside)


def _middle(inside: Bool[np.ndarray, "h w"]) -> tuple[int, int]:
    """A pixel as deep inside as any: superpixels are often bent, and their centre of mass may lie in another."""
    core = inside
    while (smaller := core & ~overlay.edges(np.pad(core, 1).astype(np.int8))[1:-1, 1:-1]).any():
        core = smaller
    rows, columns = np.nonzero(core)
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return int(rows[nearest]), int(columns[nearest])


def _sign(
    image: UInt8[np.ndarray, "h w 3"], at: tuple[int, int], *, plus: bool, sure: bool
) -> UInt8[np.ndarray, "h w 3"]:
    """White on a dark disc; small and without the disc where the turn is not sure."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    down, right = np.abs(y - at[0]), np.abs(x - at[1])
    arm, half = (_ARM, 1) if sure else (_ARM - 2, 0)
    bars = (down <= half) & (right <= arm)
    if plus:
        bars = bars | ((right <= half) & (down <= arm))
    if sure:
        image = _blend(image, (0, 0, 0), 0.8 * (down**2 + right**2 <= _DISC**2))
    return _blend(image, (255, 255, 255), 1.0 * bars)


def _blend(below: UInt8[np.ndarray, "h w 3"], tint: tuple[int, int, int], opacity: np.ndarray) -> np.ndarray:
    mixed = below + (np.array(tint, np.float32) - below) * opacity[..., None]
    return np.asarray(np.round(mixed), np.uint8)
