"""Where the head is on a slice: background, what lies around the brain (scalp, skull, face), and brain.

Two contours, both found without a model. The head is what differs from the level of the image's corners. The brain's
edge is the closed path around the head's core on which brightness falls most steeply outwards, short of the dark ring
that the skull is in MR. Either is given only where it passes checks of shape and of contrast: a share of attribution
on the wrong tissue would be worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage
from skimage.filters import threshold_li
from skimage.measure import regionprops

from whyscan.data.brain import find_brain, resized
from whyscan.data.scan import Scan

SIDE = 256
"""The longer side, in pixels, of the grid on which the head is looked for."""

FULL = 0.93
"""A head fills less of the box around it; what fills more is a rectangle."""

Plane = Float32[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Head:
    """Where the head is on a scan's own grid.

    Attributes:
        head: the head with all that is in it; None where it could not be told from the background.
        brain: what lies inside the skull, a part of `head`; None where it could not be told from what is around it.
            On a skull-stripped slice it is nearly all of the head.
        reason: why one of them is None; empty where none is.
    """

    head: Mask | None
    brain: Mask | None
    reason: str = ""


def find_head(scan: Scan) -> Head:
    """Find head and brain on one slice, of any plane. Never raises: what is uncertain is None, with the reason."""
    return find_in(scan.pixels.mean(axis=0, dtype=np.float32))


def find_in(image: Plane) -> Head:
    """The same, for values of any scale; NaN and infinity leave nothing to be found."""
    height, width = image.shape
    if min(image.shape) < 16 or not np.isfinite(image).all() or np.ptp(image) == 0:
        return Head(None, None, "the image is blank, too small, or holds values that are not numbers")
    low, high = np.quantile(image, (0.002, 0.998))
    level = np.clip((image - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    scale = SIDE / max(height, width)
    small = resized(level, (max(16, round(height * scale)), max(16, round(width * scale))))
    head, reason = _outline(small)
    if head is None:
        return Head(None, None, reason)
    full = resized(head, (height, width)) > 0.5
    return Head(full, *find_brain(level, full))


def _outline(small: Plane) -> tuple[Mask | None, str]:
    """The head: the largest thing that differs from the corners, closed and filled.

    A full rectangle is the picture of a head on a wider canvas: the head is looked for inside it.
    """
    mask, reason = _standing_out(small)
    if mask is None:
        return None, reason
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if mask[box].mean() < FULL:
        return mask, ""
    margin = 2  # of the canvas that the picture's edge is blended with
    box = slice(rows[0] + margin, rows[-1] + 1 - margin), slice(columns[0] + margin, columns[-1] + 1 - margin)
    inner, reason = _standing_out(small[box])
    if inner is None or inner.mean() >= FULL:
        return None, reason or "what stands out from the background is a rectangle"
    found = np.zeros_like(mask)
    found[box] = inner
    return found, ""


def _standing_out(small: Plane) -> tuple[Mask | None, str]:
    background, noise = _background(small)
    contrast = np.abs(ndimage.gaussian_filter(small, 1.0) - background)
    threshold = max(0.4 * float(threshold_li(contrast)), 3 * noise, 0.02)  # type: ignore[no-untyped-call]
    found, count = ndimage.label(ndimage.binary_opening(contrast > threshold, _disk(2)))
    if not count:
        return None, "nothing stands out from the background"
    sizes = np.bincount(found.ravel())[1:]
    largest = found == int(sizes.argmax()) + 1
    mask = _filled(largest)
    share = float(mask.mean())
    (region,) = regionprops(mask.astype(np.uint8))  # type: ignore[no-untyped-call]
    if share < 0.1:
        return None, f"what stands out from the background covers only {share:.0%} of the image"
    if share > 0.97:
        return None, "no background is to be seen"
    if region.solidity < 0.8:
        return None, f"what stands out from the background is not a head's shape (solidity {region.solidity:.2f})"
    if sizes.max() < 0.7 * sizes.sum():
        return None, "several things stand out from the background"
    middle = tuple(slice(side // 3, side - side // 3) for side in small.shape)
    if mask[middle].mean() < 0.5:
        return None, "what stands out from the background is not in the middle of the image"
    return mask, ""


def _background(small: Plane) -> tuple[float, float]:
    """The level that most corners agree on, the darker one in doubt, and its noise."""
    side = max(4, SIDE // 20)
    corners = [small[rows, columns] for rows in (slice(0, side), slice(-side, None))
               for columns in (slice(0, side), slice(-side, None))]  # fmt: skip
    levels = np.array([np.median(corner) for corner in corners])
    agree = np.abs(levels[:, None] - levels[None]) < 0.06
    best = max(range(4), key=lambda i: (int(agree[i].sum()), -levels[i]))
    own = np.concatenate([corners[i].ravel() for i in np.flatnonzero(agree[best])])
    spread = np.abs(own - np.median(own))
    return float(np.median(own)), 1.4826 * float(np.median(spread))


def _filled(mask: Mask) -> Mask:
    """Closed over sulci, eyes and airways, without growing where the head is cut off by the image's edge."""
    reach = SIDE // 24
    padded = np.pad(mask, reach, mode="edge")
    closed = ndimage.binary_closing(padded, _disk(reach // 2), iterations=2)
    inner = closed[reach:-reach, reach:-reach] | mask
    return np.asarray(ndimage.binary_fill_holes(inner), bool)


def _disk(radius: int) -> Mask:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(np.hypot(rows, columns) <= radius)
