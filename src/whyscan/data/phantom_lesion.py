"""Lesions of phantoms: how a glioma, a meningioma and a pituitary adenoma show in T1 after contrast.

Each is a `Lesion`: what it looks like, and how much of the head it covers. Where it covers nothing, the head's own
signal is left as it was to the last bit, so its region is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whyscan.data.phantom_head import Head
from whyscan.data.phantom_shapes import Plane, ellipse, field, inside, join, paint


@dataclass(frozen=True, eq=False)
class Lesion:
    """What is laid over a healthy head: signal, and cover from 0 (nothing of it) to 1 (nothing else)."""

    signal: Plane
    cover: Plane


def glioma(rng: np.random.Generator, head: Head) -> Lesion:
    """Large and irregular, in white matter: a dark necrotic core, a ragged bright ring, dark oedema around it."""
    size = head.signal.shape[0]
    radius = rng.uniform(0.15, 0.23)
    depth = np.minimum(-head.wall, head.fluid + np.float32(0.75 * radius))
    centre = _pick(rng, head, (depth > 1.15 * radius) & _away_from_sella(head, 0.20 + radius))
    ragged = field(rng, 9, size)
    axes = (radius * rng.uniform(0.8, 1.2), radius * rng.uniform(0.8, 1.2))
    edge = ellipse(head.x, head.y, centre, axes, rng.uniform(0, np.pi)) + np.float32(0.22 * radius) * ragged
    rim = np.float32(radius * rng.uniform(0.26, 0.42)) * np.clip(1 + np.float32(0.7) * field(rng, 9, size), 0.6, 3)
    swollen = edge - np.float32(radius * rng.uniform(0.25, 0.5)) * np.clip(
        1 + np.float32(0.5) * field(rng, 7, size), 0.1, 2
    )
    swollen = np.minimum(swollen, edge)
    within = inside(head.brain, head.soft)
    signal = np.clip(head.signal, 0.14, None) * np.float32(rng.uniform(0.60, 0.72))
    ring = np.float32(rng.uniform(0.64, 0.80)) + np.float32(0.10) * field(rng, 13, size)
    signal = paint(signal, inside(edge, head.soft), ring)
    core = np.float32(0.17) + np.float32(0.05) * field(rng, 11, size)
    signal = paint(signal, inside(edge + rim, 1.5 * head.soft), core)
    return Lesion(signal, within * inside(swollen, 2 * head.soft))


def meningioma(rng: np.random.Generator, head: Head) -> Lesion:
    """Round, bright and even, sitting broadly on the skull's inside or on the falx, with a short dural tail."""
    size = head.signal.shape[0]
    radius = rng.uniform(0.11, 0.17)
    centre, dura = _on_the_dura(rng, head, radius)
    axes = (radius * rng.uniform(0.9, 1.1), radius * rng.uniform(0.9, 1.1))
    body = ellipse(head.x, head.y, centre, axes, rng.uniform(0, np.pi)) + np.float32(0.05 * radius) * field(
        rng, 7, size
    )
    near = np.hypot(head.x - np.float32(centre[0]), head.y - np.float32(centre[1])) - np.float32(1.5 * radius)
    tail = np.maximum(dura - np.float32(0.024), near)
    signal = np.float32(rng.uniform(0.66, 0.80)) + np.float32(0.015) * field(rng, 9, size)
    return Lesion(signal, inside(head.brain, head.soft) * inside(join(body, tail, 0.03), head.soft))


def pituitary(rng: np.random.Generator, head: Head) -> Lesion:
    """Small and bright, rising from the sella at the midline of the skull's base; at times with a waist."""
    size = head.signal.shape[0]
    radius = rng.uniform(0.085, 0.125)
    x, y = head.sella[0] + rng.normal(0, 0.008), head.sella[1] - rng.uniform(0.0, 0.5) * radius
    body = ellipse(head.x, head.y, (x, y), (radius * rng.uniform(0.9, 1.2), radius))
    if rng.random() < 0.4 and head.view != "axial":
        body = join(body, ellipse(head.x, head.y, (x, y - 1.1 * radius), (0.7 * radius, 0.6 * radius)), 0.02)
    body = body + np.float32(0.05 * radius) * field(rng, 9, size)
    signal = np.float32(rng.uniform(0.62, 0.78)) + np.float32(0.03) * field(rng, 13, size)
    return Lesion(signal, inside(head.brain, head.soft) * inside(body, head.soft))


LESIONS: dict[str, Callable[[np.random.Generator, Head], Lesion]] = {
    "glioma": glioma,
    "meningioma": meningioma,
    "pituitary": pituitary,
}


def _away_from_sella(head: Head, distance: float) -> np.ndarray:
    gap = np.hypot(head.x - np.float32(head.sella[0]), head.y - np.float32(head.sella[1]))
    return np.asarray(gap > distance)


def _pick(rng: np.random.Generator, head: Head, allowed: np.ndarray) -> tuple[float, float]:
    """The anatomical coordinates of a random allowed pixel, or of the deepest one where none is allowed."""
    rows, columns = np.nonzero(allowed)
    share = rng.random()
    if len(rows) == 0:
        at = np.unravel_index(int(head.wall.argmin()), head.wall.shape)
    else:
        index = int(share * len(rows))
        at = (rows[index], columns[index])
    return float(head.x[at]), float(head.y[at])


def _on_the_dura(rng: np.random.Generator, head: Head, radius: float) -> tuple[tuple[float, float], Plane]:
    """A centre from which a ball of this radius touches dura, and every pixel's distance to that dura."""
    on_falx = rng.random() < 0.25
    along, side = rng.uniform(0.25, 0.85), rng.choice([-1.0, 1.0])
    if head.falx is not None and on_falx:
        (_, top), (_, bottom) = head.falx
        dura = np.maximum(np.abs(head.x), np.maximum(np.float32(top) - head.y, head.y - np.float32(bottom)))
        return (float(side * 0.8 * radius), float(top + along * (bottom - top))), dura
    touching = np.abs(head.wall + np.float32(0.75 * radius)) < 2.0 / head.wall.shape[0]
    high = head.y < np.float32(head.sella[1] if head.view != "axial" else 1)
    return _pick(rng, head, touching & high & _away_from_sella(head, 0.22 + radius)), -head.wall
