"""What is seen where a superpixel is hidden."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import cg

from whyscan.checks import is_number
from whyscan.errors import BadInput
from whyscan.explain.games.segments import head

Fill = Literal["mean", "blur", "noise", "inpaint"] | float
"""What hides a superpixel: its own mean colour, the blurred scan, noise of the scan's own tissue, what the pixels
around it lead one to expect, or one value in [0, 1]."""

UNCHANGED = 2 / 255
"""A superpixel that a fill changes by no more than this is not hidden by it."""

ANOTHER = "choose another fill, such as a number from 0 to 1"
"""How to mend it where a fill hides nothing."""

_BLUR = 0.05
_GRAIN = 0.015
_CLOSE = 1e-3


def check_fill(fill: Fill) -> None:
    """Raises BadInput for an unknown one."""
    words = ("mean", "blur", "noise", "inpaint")
    if not (fill in words if isinstance(fill, str) else is_number(fill) and 0 <= fill <= 1):
        known = '"mean", "blur", "noise", "inpaint" or a number from 0 to 1'
        raise BadInput(f"fill {fill!r}", known, "choose one of them")


def hidden(
    pixels: Float32[np.ndarray, "c h w"], segments: Int32[np.ndarray, "h w"], fill: Fill, seed: int = 0
) -> Float32[np.ndarray, "c h w"]:
    """What replaces the scan where a superpixel is hidden; within [0, 1] wherever the scan is.

    Args:
        pixels: the scan in [0, 1].
        segments: labels 0..s-1; what is -1 is never hidden.
        fill: see `Fill`.
        seed: of the noise; the scan itself goes into it too, so that no two scans share their noise.

    Raises:
        BadInput: an unknown fill.
    """
    check_fill(fill)
    if fill == "mean":
        return _mean(pixels, segments)
    if fill == "blur":
        sigma = _BLUR * min(pixels.shape[1:])
        return np.asarray(gaussian_filter(pixels, (0, sigma, sigma)), np.float32)
    if fill == "noise":
        return _noise(pixels, np.random.default_rng([seed, zlib.crc32(pixels.tobytes())]))
    if fill == "inpaint":
        return _inpaint(pixels, segments)
    return np.full_like(pixels, fill)


def _mean(pixels: np.ndarray, segments: np.ndarray) -> Float32[np.ndarray, "c h w"]:
    labels = segments + 1
    area = np.maximum(np.bincount(labels.ravel()), 1)
    means = [np.bincount(labels.ravel(), channel.ravel()) / area for channel in pixels.astype(np.float64)]
    return np.stack([mean[labels] for mean in means]).astype(np.float32)


def _noise(pixels: np.ndarray, random: np.random.Generator) -> Float32[np.ndarray, "c h w"]:
    """A random field with the smoothness of tissue and exactly the intensities of the scan's own head.

    Grain by grain rather than pixel by pixel: white noise has edges everywhere, which no scan has, and a network's
    first layers answer to edges. Ranks of the field pick whole pixels of the head, so grey stays grey.
    """
    shape = pixels.shape[1:]
    field = gaussian_filter(random.standard_normal(shape), max(_GRAIN * min(shape), 0.5), mode="wrap")
    tissue = pixels[:, head(pixels)]
    tissue = tissue[:, np.argsort(tissue.mean(0), kind="stable")]
    ranks = np.empty(field.size, np.int64)
    ranks[np.argsort(field, axis=None)] = np.arange(field.size)
    chosen: np.ndarray = tissue[:, ranks * tissue.shape[1] // field.size]
    return chosen.reshape(pixels.shape)


def _inpaint(pixels: np.ndarray, segments: np.ndarray) -> Float32[np.ndarray, "c h w"]:
    """Each superpixel as the harmonic function that meets the scan just outside of it (Laplace's equation).

    On the grid of pixels: each hidden pixel is the mean of its four neighbours, of which those outside the superpixel
    are the scan's. A superpixel that is the whole image has no surroundings; it becomes its mean. Superpixels are
    filled from the scan, not from a coalition: two neighbours that are hidden together still lend each other their
    edges, and background beside the head fills with what spills over from it.
    """
    start = _mean(pixels, segments).reshape(len(pixels), -1).astype(np.float64)
    matrix, outside, inside = _laplace(segments)
    found: list[np.ndarray] = []
    for c, channel in enumerate(pixels.reshape(len(pixels), -1).astype(np.float64)):
        twin = next((before for before in range(c) if np.array_equal(pixels[before], pixels[c])), None)
        if twin is not None:  # a grey scan is solved once
            found.append(found[twin])
            continue
        right = np.where(inside, outside @ channel, start[c])
        solution, _ = cg(matrix, right, x0=start[c], rtol=0, atol=_CLOSE, maxiter=10 * sum(segments.shape))
        found.append(np.clip(solution, channel.min(), channel.max()))
    return np.stack(found).astype(np.float32).reshape(pixels.shape)


def _laplace(segments: np.ndarray) -> tuple[csr_array, csr_array, np.ndarray]:
    """The graph Laplacian within superpixels, the sum over neighbours outside of them, and whom it concerns.

    Pixels of -1, and of a superpixel without surroundings, are left alone: identity rows.
    """
    count = segments.size
    number = np.arange(count, dtype=np.int32).reshape(segments.shape)
    ways = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    one = np.concatenate([end.ravel() for first, second in ways for end in (first, second)])
    two = np.concatenate([end.ravel() for first, second in ways for end in (second, first)])
    labels = segments.ravel()
    same = labels[one] == labels[two]
    surrounded = np.zeros(int(labels.max(initial=0)) + 2, bool)
    surrounded[labels[one[~same]]] = True
    surrounded[-1] = False  # label -1 is found at the end
    inside = surrounded[labels]
    near, far = same & inside[one], ~same & inside[one]
    diagonal = np.where(inside, np.bincount(one, minlength=count), 1)
    values = np.concatenate([diagonal, np.full(near.sum(), -1)]).astype(np.float64)
    rows, columns = (np.concatenate([number.ravel(), end[near]]) for end in (one, two))
    shape = (count, count)
    matrix = coo_array((values, (rows, columns)), shape).tocsr()
    outside = coo_array((np.ones(far.sum()), (one[far], two[far])), shape).tocsr()
    return matrix, outside, inside
