"""Features: the little that the audit keeps of each scan, taken in one pass over the files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from whyscan.data.catalogue import Entry
from whyscan.data.decode import decode
from whyscan.data.read import read_region
from whyscan.data.scan import content_hash
from whyscan.errors import BadScan
from whyscan.progress import Progress, quiet

SIDE = 64
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Features:
    """What is known of one file once it was read.

    Attributes:
        content: its content hash; "" if it could not be read.
        thumbnail: (64, 64) grey, bilinear with antialiasing, the aspect ratio not kept.
        size: (width, height) in pixels.
        format, mode, quality: as decoded; quality is None for what is not a JPEG.
        reading: how it was read, one sentence each.
        trouble: why it, or its mask, cannot be used; "" if it can.
    """

    content: str = ""
    thumbnail: UInt8[np.ndarray, "64 64"] | None = None
    size: tuple[int, int] = (0, 0)
    format: str = ""
    mode: str = ""
    quality: float | None = None
    reading: tuple[str, ...] = ()
    trouble: str = ""


def examine(entry: Entry) -> Features:
    """Read one scan and its mask; what cannot be read says why, so that the others can go on."""
    try:
        decoded = decode(entry.path)
        if entry.mask is not None:
            read_region(entry.mask, decoded.values.shape[:2])
    except BadScan as error:
        return Features(trouble=str(error))
    height, width = decoded.values.shape[:2]
    small = Image.fromarray(decoded.grey8()).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return Features(
        decoded.content or content_hash(decoded.values),
        np.asarray(small),
        (width, height),
        decoded.format,
        decoded.mode,
        decoded.quality,
        decoded.reading,
    )


def examine_all(entries: Sequence[Entry], *, progress: Progress = quiet) -> list[Features]:
    """Every scan's features, in order. Files are read once, a few at a time, and only the features are kept."""
    found: list[Features] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow and hashlib let go of the interpreter while they work
        for start in range(0, len(entries), _AT_ONCE):
            for features in pool.map(examine, entries[start : start + _AT_ONCE]):
                found.append(features)
                progress("reading scans", len(found), len(entries))
    return found


def stack(features: Sequence[Features]) -> UInt8[np.ndarray, "n 64 64"]:
    """All thumbnails; black where there is none."""
    blank = np.zeros((SIDE, SIDE), np.uint8)
    return np.stack([each.thumbnail if each.thumbnail is not None else blank for each in features])
