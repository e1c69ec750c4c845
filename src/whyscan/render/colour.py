"""Colours: the one convention of sign, and the tables that carry it.

Green speaks for the explained class, magenta speaks against it, no tint says nothing. Lightness and strength of tint
grow with the magnitude, so that the order of values survives colour blindness and a grey printer; green and magenta
differ along the yellow-blue axis too, which red-green colour blindness leaves intact.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

FOR = (0x6C, 0xD4, 0x2A)
"""sRGB of "speaks for the explained class"."""
AGAINST = (0xF0, 0x55, 0xC8)
"""sRGB of "speaks against the explained class"."""
INK = (0x24, 0x30, 0x3C)
"""sRGB of words."""
OUTLINE = (0xFF, 0xC8, 0x57)
"""sRGB of a known lesion's outline: neither for nor against."""

SIGNED = "Green speaks for the explained class, magenta against it; no tint: close to 0."
LARGER = "From green to yellow: ever larger; no tint: close to 0."
UNSIGNED = "From green to yellow: speaks ever more strongly for the explained class; no tint: close to 0."

# Lightness rises evenly in OKLab from one anchor to the next (the positive table), or falls to the middle and rises
# again (the signed one, whose ends are equally light).
_POSITIVE = ((0x1C, 0x66, 0x4E), (0x3F, 0x9A, 0x46), (0x8C, 0xCB, 0x45), (0xF4, 0xF4, 0x5C))
_SIGNED = (AGAINST, (0xA8, 0x4A, 0x90), (0x66, 0x66, 0x66), (0x56, 0x91, 0x36), FOR)

_SIZE = 257  # odd: the middle row is exactly 0


def convention(signed: bool, quantity: str = "") -> str:
    """The sentence that every picture's caption carries.

    Args:
        quantity: what the values are, where they are no argument for the class: the size of a gradient, say.
    """
    return SIGNED if signed else LARGER if quantity else UNSIGNED


def limit_of(*maps: Float[np.ndarray, " *shape"], share: float = 1.0) -> float:
    """The end of the scale that some maps share: their largest finite magnitude. 0 where all are blank.

    Args:
        share: below 1, the magnitude that this share of a map's values other than 0 do not exceed.
    """
    return max((_end(np.abs(m[np.isfinite(m)]), share) for m in maps), default=0.0)


def _end(sizes: Float[np.ndarray, " n"], share: float) -> float:
    sizes = sizes[sizes > 0]
    if not sizes.size:
        return 0.0
    return float(sizes.max() if share >= 1 else np.quantile(sizes, share))


def strength(
    values: Float[np.ndarray, "h w"], *, signed: bool, limit: float | None = None
) -> Float32[np.ndarray, "h w"]:
    """Values as fractions of the scale: [-1, 1] where signed, [0, 1] where not.

    A value that is not finite, and every value of a blank map, is 0. Beyond the limit the scale is clipped.
    """
    end = limit_of(values) if limit is None else limit
    if not end > 0:
        return np.zeros(values.shape, np.float32)
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.asarray(np.clip(finite / end, -1.0 if signed else 0.0, 1.0), np.float32)


def paint(strengths: Float[np.ndarray, "*shape"], *, signed: bool) -> UInt8[np.ndarray, "*shape 3"]:
    """Strengths, as `strength` returns them, as opaque colours."""
    position = (strengths + 1) / 2 if signed else strengths
    return np.asarray(table(signed)[np.round(position * (_SIZE - 1)).astype(int)], np.uint8)


@cache
def table(signed: bool) -> UInt8[np.ndarray, "n 3"]:
    """The colours from one end of the scale to the other."""
    anchors = _to_oklab(np.array(_SIGNED if signed else _POSITIVE, np.float64) / 255)
    at = np.linspace(0, len(anchors) - 1, _SIZE)
    mixed = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, i]) for i in range(3)], axis=1)
    colours = np.round(np.clip(_from_oklab(mixed), 0, 1) * 255).astype(np.uint8)
    colours.setflags(write=False)
    return np.asarray(colours, np.uint8)


def hexadecimal(rgb: tuple[int, int, int] | UInt8[np.ndarray, " 3"]) -> str:
    """`#rrggbb`."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb)


# OKLab: Ottosson, "A perceptual color space for image processing" (2020).
_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def _to_oklab(srgb: np.ndarray) -> np.ndarray:
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def _from_oklab(lab: np.ndarray) -> np.ndarray:
    linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
    linear = np.clip(linear, 0, None)
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))
