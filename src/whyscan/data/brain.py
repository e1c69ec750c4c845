"""The brain's edge in a head: a closed path around the head's core, found by dynamic programming on rays.

On the path brightness falls as steeply as it can going outwards, short of the dark ring that the skull is in MR under
the brighter scalp. It is a contour of what lies inside the skull. On sagittal and coronal slices its lower part, along
the base of the skull, is the least sure.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.transform import resize

SIDE = 224
"""The head is brought to so many pixels on its longer side before its brain is looked for."""
ANGLES = 180
STEP = 2
"""By so many pixels the contour may move in or out from one ray to the next."""
DARK, RISE = 0.03, 0.3
"""What the contour pays for each dark pixel that it leaves inside, and for leaving a dark place below a bright one."""
FALL, PEAK = 0.35, 1.15
"""From scalp to skull brightness falls by so much of the brain's own, mostly from above so much of it."""
UP = (0.0, 0.3, 0.5)
"""Where a face is on the slice the brain lies above the head's middle: so far, in radii of the head's core."""
LOW = 0.35
"""A contour that stays so far below the crown, in the same measure, is taken only if no other centre gives a higher."""

Plane = Float32[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]
Rays = Float64[np.ndarray, "angles radii"]


def find_brain(level: Plane, head: Mask) -> tuple[Mask | None, str]:
    """What lies inside the skull, or why that cannot be told. Without a skull it is all of the head.

    Args:
        level: the image, 0 for its darkest and 1 for its brightest values.
        head: where the head is.
    """
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    start, stop = np.array([rows[0], columns[0]]), np.array([rows[-1], columns[-1]]) + 1
    box = tuple(slice(*ends) for ends in zip(start, stop, strict=True))
    height, width = np.maximum(16, np.round((stop - start) * SIDE / max(stop - start)).astype(int))
    shape = int(height), int(width)
    small, inside = resized(level[box], shape), resized(head[box], shape) > 0.5
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    deepest, core = np.array(np.unravel_index(int(depth.argmax()), shape), float), float(depth.max())
    crown = int(np.flatnonzero(inside.any(axis=1))[0])
    found, reasons = [], []
    for up in UP:
        contour, reason = _around(small, inside, np.maximum(deepest - (up * core, 0), 0), core)
        if contour is None and not reason:
            return head, ""
        if contour is None or reason:
            reasons.append(reason)
            continue
        found.append(contour)
        if contour[:, 0].min() - crown < LOW * core:
            found = [contour]
            break
    if not found:
        return None, reasons[0]
    points = (found[0] + 0.5) * ((stop - start) / shape) - 0.5 + start
    brain: Mask = polygon2mask(head.shape, points)  # type: ignore[no-untyped-call]
    return brain & head, ""


def resized(image: Plane | Mask, shape: tuple[int, int]) -> Plane:
    """The image on another grid, without aliasing where it is coarser."""
    coarser = shape[0] < image.shape[0]
    found = resize(image.astype(np.float32), shape, order=1, anti_aliasing=coarser)  # type: ignore[no-untyped-call]
    return np.asarray(found, np.float32)


def _around(small: Plane, head: Mask, centre: np.ndarray, core: float) -> tuple[np.ndarray | None, str]:
    """The best contour around a centre, (row, column) of its points, and why it is not to be trusted.

    Neither a contour nor a reason where there is no skull.
    """
    rows, columns = np.indices(head.shape)
    near = np.hypot(rows - centre[0], columns - centre[1]) < 0.6 * core
    level = float(np.median(small[near]))
    if not head[tuple(np.round(centre).astype(int))] or level < 0.04:
        return None, "the middle of the head is as dark as the background"
    angles = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radii = np.arange(int(np.hypot(*head.shape)))
    points = centre[:, None, None] + np.stack([np.sin(angles), np.cos(angles)])[:, :, None] * radii
    smooth = ndimage.gaussian_filter(small, 0.7)
    rays = ndimage.map_coordinates(smooth, points, order=1, mode="constant") / level
    within = ndimage.map_coordinates(head.astype(np.float32), points, order=0, mode="constant") > 0.5
    edge = np.array([np.flatnonzero(ray).max() for ray in within])
    bound, skull = _reach(rays, edge, core)
    if skull != "there":
        return None, "" if skull == "none" else "it is unclear whether there is a skull around the brain"
    cost, steep = _cost(rays, bound, core)
    path = _closed_path(cost)
    at = np.arange(ANGLES)
    return points[:, at, path].T, _doubt(path, edge, rays, steep, cost[at, path], core)


def _reach(rays: Rays, edge: np.ndarray, core: float) -> tuple[np.ndarray, str]:
    """How far out the brain can reach on each ray, and whether a skull is "there", "unclear", or "none".

    Going inwards from the head's edge the scalp is bright, or at least visible, and the skull dark: the brain ends at
    the darkest place of that first fall. Where the skull was taken off hardly any ray falls so close to the edge.
    """
    bound, bright, fallen = edge + 1, *np.zeros((2, len(rays)), bool)
    reach, close, width = (max(least, round(part * core)) for least, part in ((4, 0.35), (4, 0.22), (2, 0.08)))
    for at, (ray, last) in enumerate(zip(rays, edge, strict=True)):
        inwards = ray[max(0, last - reach) : last + 1][::-1]
        peak = np.maximum.accumulate(inwards)
        falls = np.flatnonzero(peak - inwards > FALL)
        fallen[at] = ((inwards < 0.55 * peak) & (peak > 0.15))[:close].any()
        if falls.size:
            lowest = falls[0] + int(inwards[falls[0] : falls[0] + width].argmin())
            if inwards[lowest] < 0.85:
                bound[at], bright[at] = last - lowest + 1, peak[falls[0]] > PEAK
    rim = np.median([rays[np.arange(len(rays)), np.maximum(edge - back, 0)] for back in range(2, 2 + width)])
    scalp, skull = float(bright.mean()), float(fallen.mean())
    if scalp >= 0.22 or rim >= 1.2 or skull >= 0.45:
        return bound, "there"
    return bound, "none" if skull < 0.28 else "unclear"


def _cost(rays: Rays, bound: np.ndarray, core: float) -> tuple[Rays, Rays]:
    """What it costs the contour to pass a ray at a radius, and how steeply brightness falls outwards there."""
    radii = np.arange(rays.shape[1])
    bounded = np.clip(rays, 0, 1.2)
    sums = np.pad(np.cumsum(bounded, axis=1), ((0, 0), (1, 0)))

    def mean(start: int, stop: int) -> Rays:
        first, last = (np.clip(radii + at, 0, rays.shape[1]) for at in (start, stop))
        return np.asarray((sums[:, last] - sums[:, first]) / np.maximum(last - first, 1), np.float64)

    inner = mean(-4, 1)
    steep = np.clip(inner - mean(1, 4), -1, 1)
    outer = radii > 0.65 * core
    dark = np.cumsum(np.where(outer, np.clip(0.75 - bounded, 0, None), 0), axis=1)
    lowest = np.minimum.accumulate(np.where(outer, bounded, 1.2), axis=1)
    cost = -steep + DARK * dark + RISE * np.clip(inner - lowest - 0.25, 0, None)
    cost[(radii > bound[:, None]) | (radii < 0.6 * core) | (radii > 2 * core)] += 3
    return cost, steep


def _closed_path(cost: Rays) -> np.ndarray:
    """The cheapest closed path, a radius for each angle, that moves by at most `STEP` from angle to angle.

    Dynamic programming over two turns, of which the middle is kept: by then where it began does not matter.
    """
    turns = np.concatenate([cost, cost])
    total, came = turns[0].copy(), np.zeros(turns.shape, np.int64)
    for angle in range(1, len(turns)):
        options = np.full((2 * STEP + 1, total.size), np.inf)
        for row, move in enumerate(range(-STEP, STEP + 1)):
            moved = total[max(0, -move) : total.size - max(0, move)]
            options[row, max(0, move) : total.size - max(0, -move)] = moved + 0.1 * abs(move)
        best = options.argmin(axis=0)
        came[angle] = np.arange(total.size) - (best - STEP)
        total = options[best, np.arange(total.size)] + turns[angle]
    path = np.zeros(len(turns), np.int64)
    path[-1] = int(total.argmin())
    for angle in range(len(turns) - 1, 0, -1):
        path[angle - 1] = came[angle, path[angle]]
    half = len(cost) // 2
    return np.roll(path[half : half + len(cost)], half)


def _doubt(path: np.ndarray, edge: np.ndarray, rays: Rays, steep: Rays, paid: np.ndarray, core: float) -> str:
    """Why the contour is not to be trusted; empty where it is."""
    at = np.arange(ANGLES)
    without = float(np.mean(steep[at, path] < 0.1))
    if without > 0.3:
        return f"no edge goes around the brain (there is none on {without:.0%} of the way)"
    if paid.mean() > -0.1:
        return "no edge goes around the brain without crossing dark or bright tissue"
    if np.mean(path**2) < 0.5 * core**2:
        return "the edge that was found encloses too little to be the brain's"
    rim = np.concatenate([rays[at, np.maximum(path - back, 0)] for back in (2, 3, 4)])
    if np.median(edge - path) < 5 and np.median(rim) > 1.25:
        return "the rim of what was found is too bright for brain: scalp or skull that lies close on it"
    return ""
