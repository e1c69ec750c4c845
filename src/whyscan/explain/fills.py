"""What is seen where a superpixel is hidden."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32
from scipy.ndimage import gaussian_filter

from whyscan.errors import BadInput

Fill = Literal["mean", "blur"] | float
"""What hides a superpixel: its own mean colour, the blurred scan, or one value in [0, 1]."""

UNCHANGED = 2 / 255
"""A superpixel that a fill changes by no more than this is not hidden by it."""

_BLUR = 0.05


def hidden(
    pixels: Float32[np.ndarray, "c h w"],
    segments: Int32[np.ndarray, "h w"],
    fill: Fill,
    seed: int = 0,  # noqa: ARG001
) -> Float32[np.ndarray, "c h w"]:
    """What replaces the scan where a superpixel is hidden.

    Raises:
        BadInput: an unknown fill.
    """
    if fill == "mean":
        labels = segments + 1
        area = np.maximum(np.bincount(labels.ravel()), 1)
        means = [np.bincount(labels.ravel(), channel.ravel()) / area for channel in pixels.astype(np.float64)]
        return np.stack([mean[labels] for mean in means]).astype(np.float32)
    if fill == "blur":
        sigma = _BLUR * min(pixels.shape[1:])
        return np.asarray(gaussian_filter(pixels, (0, sigma, sigma)), np.float32)
    if not isinstance(fill, int | float) or not 0 <= fill <= 1:
        raise BadInput(f"fill {fill!r}", '"mean", "blur" or a number from 0 to 1', "choose one of them")
    return np.full_like(pixels, fill)
