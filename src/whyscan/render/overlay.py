"""Overlays: maps laid over a scan so that the anatomy stays visible."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from whyscan.render import colour

_GREY = 110  # the background of a colour bar: between black air and bright tissue


def heat(
    values: Float[np.ndarray, "h w"],
    background: UInt8[np.ndarray, "h w *c"],
    *,
    signed: bool,
    limit: float | None = None,
    alpha: float = 0.7,
) -> UInt8[np.ndarray, "h w 3"]:
    """A map over its scan. The tint grows with the magnitude; a blank map leaves the scan as it is.

    Args:
        values: raw; what is not finite stays untinted.
        background: the scan, grey or RGB, on the same grid.
        signed: whether negative values mean "against"; where not, they are treated as 0.
        limit: the end of the scale, the same for all panels that are to be compared; the map's own if None.
        alpha: the opacity at the end of the scale, in [0, 1].
    """
    strength = colour.strength(values, signed=signed, limit=limit)
    # a power below 1 keeps moderate values visible where one place dominates the scale
    opacity = alpha * np.abs(strength)[..., None] ** 0.75
    return _blend(rgb(background), colour.paint(strength, signed=signed), opacity)


def superpixels(
    weights: Float[np.ndarray, "h w"],
    segments: Int[np.ndarray, "h w"],
    background: UInt8[np.ndarray, "h w *c"],
    *,
    top: int = 10,
    alpha: float = 0.45,
) -> UInt8[np.ndarray, "h w 3"]:
    """LIME's classic picture: the superpixels of largest magnitude, tinted by their sign alone, with their borders.

    Args:
        weights: each pixel its superpixel's weight.
        segments: superpixel labels; negative labels lie outside the game and are never shown.
        background: the scan.
        top: how many superpixels at most; those of weight 0 are never shown.
        alpha: the opacity of the tint.
    """
    chosen = _strongest(weights, segments, top)
    out = rgb(background)
    labels = np.where(chosen, segments, -1)
    border = edges(labels)
    for sign, tint in ((1, colour.FOR), (-1, colour.AGAINST)):
        inside = chosen & (np.sign(np.nan_to_num(weights)) == sign)
        opacity = np.where(border, 1.0, alpha)[..., None] * inside[..., None]
        out = _blend(out, np.broadcast_to(np.array(tint, np.uint8), out.shape), opacity)
    return out


def contour(image: UInt8[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The outline of a known lesion, one pixel wide, just inside it."""
    out = image.copy()
    out[edges(region.astype(np.int8)) & region] = colour.OUTLINE
    return out


def bar(*, signed: bool, alpha: float = 0.7, steps: int = 11) -> UInt8[np.ndarray, "steps 3"]:
    """The colours of a colour bar from the low end to the high end, as `heat` lays them over mid grey."""
    ramp = np.linspace(-1 if signed else 0, 1, steps)[None]
    return np.asarray(heat(ramp, np.full(ramp.shape, _GREY, np.uint8), signed=signed, limit=1.0, alpha=alpha)[0])


def rgb(background: UInt8[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w 3"]:
    """A grey or RGB picture as RGB."""
    grey = background[..., None] if background.ndim == 2 else background
    return np.repeat(grey, 3, axis=2) if grey.shape[2] == 1 else grey[..., :3]


def edges(labels: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels with a neighbour (left, right, above, below) of another label; the picture's rim is no edge."""
    out = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    out[:, 1:] |= across
    out[:, :-1] |= across
    out[1:] |= down
    out[:-1] |= down
    return out


def _strongest(weights: np.ndarray, segments: np.ndarray, top: int) -> np.ndarray:
    labels, first = np.unique(segments, return_index=True)
    size = np.abs(np.nan_to_num(weights.ravel()[first]))
    order = [i for i in np.argsort(-size, kind="stable") if labels[i] >= 0 and size[i] > 0]
    return np.isin(segments, labels[order[:top]])


def _blend(below: np.ndarray, above: np.ndarray, opacity: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    mixed = below + (above.astype(np.float32) - below) * opacity
    return np.asarray(np.round(mixed), np.uint8)
