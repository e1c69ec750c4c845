"""The few shapes that phantoms are drawn with: smooth random fields, distances to outlines, soft edges.

All lengths are in half widths of the picture: x and y run from -1 to +1, y downwards.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from PIL import Image

Plane = Float32[np.ndarray, "n n"]
"""A value at every pixel of a square picture."""


def grid(size: int) -> tuple[Plane, Plane]:
    """(x, y) of the pixel centres."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(line, (size, size))), np.repeat(line[:, None], size, axis=1)


def field(rng: np.random.Generator, cells: int, size: int) -> Plane:
    """A smooth random field of about unit variance whose bumps are 2 / cells wide, whatever the size."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return np.asarray(smooth * np.float32(1.25), np.float32)


def inside(distance: Plane, soft: float) -> Plane:
    """1 where a signed distance is negative, 0 where it is positive, a ramp of width `soft` between."""
    return np.asarray(np.clip(0.5 - distance / np.float32(soft), 0, 1), np.float32)


def ellipse(x: Plane, y: Plane, centre: tuple[float, float], axes: tuple[float, float], tilt: float = 0.0) -> Plane:
    """Signed distance to an ellipse (exact to first order near its outline); `tilt` in radians."""
    cosine, sine = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    right, down = x - np.float32(centre[0]), y - np.float32(centre[1])
    u = (cosine * right + sine * down) / np.float32(axes[0])
    v = (cosine * down - sine * right) / np.float32(axes[1])
    radius = np.sqrt(u * u + v * v) + np.float32(1e-6)
    slope = np.sqrt((u / np.float32(axes[0])) ** 2 + (v / np.float32(axes[1])) ** 2) + np.float32(1e-6)
    return np.asarray(radius * (radius - 1) / slope, np.float32)


def join(first: Plane, second: Plane, round_: float) -> Plane:
    """Union of two distances, with its corner rounded by about `round_`."""
    mix = np.clip(np.float32(round_) - np.abs(first - second), 0, None)
    return np.asarray(np.minimum(first, second) - mix * mix / np.float32(4 * round_), np.float32)


def cut(first: Plane, second: Plane, round_: float) -> Plane:
    """Intersection of two distances, with its corner rounded by about `round_`."""
    return -join(-first, -second, round_)


def paint(image: Plane, cover: Plane, value: Plane | float) -> Plane:
    """Lay a value over an image; cover is 1 where it hides the image and 0 where it leaves it untouched."""
    return image + cover * (value - image)
