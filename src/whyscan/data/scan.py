"""Scan: the pixels of one image, who they are, and how they were read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from whyscan.records.place import Place


@dataclass(frozen=True, eq=False)
class Scan:
    """One slice.

    Attributes:
        pixels: (c, h, w) in [0, 1], c = 1 (grey) or 3 (RGB), before any model's normalisation.
        content: hash of the decoded pixels before scaling: two files with the same pixels have the same one.
        source: the name it goes by in a run (a path relative to its data set).
        label: the true class, or None.
        patient: the patient's id in the data set, or None where unknown.
        region: (h, w) the tumour, or None where no mask is known. Unknown is not "no tumour".
        reading: what was done to the file's values on the way, one sentence each.
        place: where it lies in its volume, for slices of one.
    """

    pixels: Float32[np.ndarray, "c h w"]
    content: str
    source: str = ""
    label: str | None = None
    patient: str | None = None
    region: Bool[np.ndarray, "h w"] | None = None
    reading: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def thumbnail(self) -> UInt8[np.ndarray, "h w *c"]:
        """The pixels as 8 bit on the scan's own grid, (h, w) or (h, w, 3): something to draw on.

        Made once and read-only: the attributions of forty layers share it.
        """
        return self._thumbnail

    @cached_property
    def _thumbnail(self) -> UInt8[np.ndarray, "h w *c"]:
        bytes_ = np.round(self.pixels * 255).astype(np.uint8)
        drawn = bytes_[0] if bytes_.shape[0] == 1 else np.moveaxis(bytes_, 0, -1).copy()
        drawn.flags.writeable = False
        return drawn


def content_hash(decoded: Shaped[np.ndarray, "h w *c"]) -> str:
    """SHA-256 of an image's shape, type and decoded values; independent of the file's compression."""
    head = f"{decoded.shape}{decoded.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(decoded).tobytes()).hexdigest()
