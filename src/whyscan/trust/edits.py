"""Edits: the same scan with one cue taken away, to see whether a model's answer hangs on it.

Every edit is a pure function of a scan and of what is known of its head: pixels change and nothing else does. It
answers with None where it cannot be made (no head was found, no mask). What is filled in is never black by habit:
the background is already black on most scans, so black removes nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import binary_dilation

from whyscan.data.head import Head
from whyscan.data.scan import Scan
from whyscan.records.geometry import resize

Mask = Bool[np.ndarray, "h w"]
Make = Callable[[Scan, Head], Scan | None]
FRAME = 0.06
"""The share of each side that counts as the image's border."""
SIDE = 224
"""The common size, and back: finer detail tells which scanner or archive a scan came from."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One cue that can be taken away.

    Attributes:
        make: the scan without it.
        removes: what is gone, in words.
        cues: the audit's cues that rest on it.
        control: whether it is no cue but what a model should look at.
    """

    make: Make
    removes: str
    cues: tuple[str, ...] = ()
    control: bool = False


def without_background(scan: Scan, head: Head) -> Scan | None:
    """Outside the head all is the median of the outside: no marks, no noise, no table; its level stays."""
    if head.head is None or head.head.all():
        return None
    return _filled(scan, ~head.head, [float(np.median(channel[~head.head])) for channel in scan.pixels])


def without_level(scan: Scan, head: Head) -> Scan | None:
    """Outside the head all is black, whatever level the file had there."""
    return None if head.head is None or head.head.all() else _filled(scan, ~head.head, [0.0] * len(scan.pixels))


def without_corners(scan: Scan, head: Head) -> Scan | None:
    """The four corners, outside the head, at the level of the background: where letters and marks are burnt in."""
    if head.head is None:
        return None
    height, width = scan.shape
    corners = np.zeros(scan.shape, bool)
    tall, wide = max(1, height // 5), max(1, width // 5)
    for rows in (slice(None, tall), slice(-tall, None)):
        for columns in (slice(None, wide), slice(-wide, None)):
            corners[rows, columns] = True
    outside = ~head.head
    if not (corners & outside).any():
        return None
    return _filled(scan, corners & outside, [float(np.median(channel[outside])) for channel in scan.pixels])


def without_border(scan: Scan, head: Head) -> Scan | None:
    """A frame around the image, where it is not head, at the median of the ring of pixels just inside it.

    The head is left alone where it is known: cutting it off would add a border instead of taking one away.
    """
    height, width = scan.shape
    tall, wide = max(1, round(FRAME * height)), max(1, round(FRAME * width))
    if height <= 4 * tall or width <= 4 * wide:
        return None
    frame = np.ones(scan.shape, bool)
    frame[tall:-tall, wide:-wide] = False
    ring = binary_dilation(frame, iterations=3) & ~frame
    if head.head is not None:
        frame, ring = frame & ~head.head, ring & ~head.head
    if not frame.any() or not ring.any():
        return None
    return _filled(scan, frame, [float(np.median(channel[ring])) for channel in scan.pixels])


def without_skull(scan: Scan, head: Head) -> Scan | None:
    """What of the head lies around the brain (skull, scalp, face), at the mean of the brain."""
    if head.head is None or head.brain is None or not (head.head & ~head.brain).any():
        return None
    return _filled(scan, head.head & ~head.brain, [float(channel[head.brain].mean()) for channel in scan.pixels])


def without_size(scan: Scan, _: Head) -> Scan | None:
    """Resampled to a common size and back: what only the file's own size left in the pixels is gone."""
    pixels = resize(resize(scan.pixels, (SIDE, SIDE)), scan.shape)
    return replace(scan, pixels=np.clip(pixels, 0, 1).astype(np.float32))


def without_shape(scan: Scan, _: Head) -> Scan | None:
    """Padded to a square at the level of its edge, so that the aspect ratio no longer bends the anatomy."""
    height, width = scan.shape
    if height == width:
        return None
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    around = ((0, 0), (top, side - height - top), (left, side - width - left))
    edge = np.concatenate([scan.pixels[:, 0], scan.pixels[:, -1], scan.pixels[:, :, 0], scan.pixels[:, :, -1]], axis=1)
    pixels = np.stack([
        np.pad(channel, around[1:], constant_values=float(np.median(level)))
        for channel, level in zip(scan.pixels, edge, strict=True)
    ])  # fmt: skip
    region = None if scan.region is None else np.pad(scan.region, around[1:])
    return replace(scan, pixels=pixels.astype(np.float32), region=region)


def without_brightness(scan: Scan, head: Head) -> Scan | None:
    """Inside the head the mean becomes 0.35 and the spread 0.2, for every scan the same."""
    if head.head is None:
        return None
    inside = scan.pixels[:, head.head]
    spread = float(inside.std())
    if spread == 0:
        return None
    even = np.clip((scan.pixels - float(inside.mean())) / spread * 0.2 + 0.35, 0, 1)
    return replace(scan, pixels=np.where(head.head, even, scan.pixels).astype(np.float32))


def without_tumour(scan: Scan, head: Head) -> Scan | None:
    """The known tumour, and a rim of 2 pixels, at the mean of the tissue around it."""
    if scan.region is None or not scan.region.any():
        return None
    hidden = binary_dilation(scan.region, iterations=2)
    around = binary_dilation(hidden, iterations=max(3, scan.shape[0] // 40)) & ~hidden
    if head.head is not None:
        around &= head.head
    return _filled(scan, hidden, [float(channel[around].mean()) for channel in scan.pixels]) if around.any() else None


def without_mirror(scan: Scan, head: Head) -> Scan | None:
    """As much as the tumour's area on the other side of the brain: what hiding a healthy patch does."""
    if scan.region is None or not scan.region.any() or head.head is None:
        return None
    columns = np.flatnonzero(head.head.any(axis=0))
    mirrored = np.roll(scan.region[:, ::-1], int(columns[0] + columns[-1] + 1 - scan.shape[1]), axis=1)
    if (mirrored & scan.region).any() or not mirrored.any():
        return None
    hidden = without_tumour(replace(scan, region=mirrored), head)
    return None if hidden is None else replace(hidden, region=scan.region)


EDITS: Mapping[str, Edit] = {
    "border": Edit(without_border, "the image's border", ("border brightness",)),
    "background": Edit(without_background, "marks and noise outside the head", ("border brightness",)),
    "background level": Edit(without_level, "the grey level outside the head", ("border brightness", "black share")),
    "corner marks": Edit(without_corners, "what is burnt into the corners"),
    "skull": Edit(without_skull, "skull, scalp and face"),
    "image size": Edit(without_size, "what the file's own size left in the pixels", ("image size", "JPEG quality")),
    "aspect ratio": Edit(without_shape, "the stretch of a scan that is not square", ("aspect ratio", "image size")),
    "brightness": Edit(without_brightness, "brightness and contrast inside the head", ("mean intensity",)),
    "tumour": Edit(without_tumour, "the tumour itself", control=True),
    "healthy patch": Edit(without_mirror, "as much tissue on the other side", control=True),
}
"""By name; those that are controls are no cues: hiding the tumour should change an answer, a healthy patch not."""


def _filled(scan: Scan, where: Mask, levels: list[float]) -> Scan:
    pixels: Float32[np.ndarray, "c h w"] = scan.pixels.copy()
    for channel, level in zip(pixels, levels, strict=True):
        channel[where] = level
    return replace(scan, pixels=pixels)
