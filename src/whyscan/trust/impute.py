"""ROAD's removal: noisy linear imputation. Rong et al., ICML 2022, section 4.3."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Int32
from scipy.sparse import coo_array, identity
from scipy.sparse.linalg import cg

from whyscan.models.classifier import Pixels

NOISE = 0.01
"""Standard deviation, of the paper's own code, in units of pixels in [0, 1]."""

_WAYS = ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12))
_CLOSE = 1e-4


@dataclass(frozen=True, eq=False)
class Imputed:
    """A scan whose hidden pixels are the weighted means of their eight neighbours, hidden ones among them.

    Unlike a `Game`, what is seen in the place of a pixel depends on which others are hidden.

    Attributes:
        pixels: (c, h, w) the scan on the model's grid.
        segments: (h, w) the players; -1 is always shown.
        seed: of the noise.
    """

    pixels: Float32[np.ndarray, "c h w"]
    segments: Int32[np.ndarray, "h w"]
    seed: int = 0

    def mask(self, coalitions: Bool[np.ndarray, "m s"]) -> Pixels:
        """The scan as each coalition shows it, (m, c, h, w)."""
        players = np.pad(coalitions, ((0, 0), (0, 1)), constant_values=True)
        return np.stack([impute(self.pixels, ~row[self.segments], self.seed) for row in players])


def impute(
    pixels: Float32[np.ndarray, "c h w"], removed: Bool[np.ndarray, "h w"], seed: int = 0
) -> Float32[np.ndarray, "c h w"]:
    """The removed pixels solved for: 1/6 of each straight neighbour and 1/12 of each diagonal one, plus noise.

    At the edge the weights of the neighbours that there are add up to one. With nothing left the mean is shown.
    """
    if not removed.any():
        return pixels.copy()
    if removed.all():
        return np.broadcast_to(pixels.mean((1, 2), keepdims=True), pixels.shape).astype(np.float32)
    one, two, weight = _neighbours(pixels.shape[1:])
    count, flat = removed.size, removed.ravel()
    total = np.bincount(one, weight, count)
    number = np.cumsum(flat) - 1
    unknown = int(flat.sum())
    near, far = flat[one] & flat[two], flat[one] & ~flat[two]
    links = coo_array((-weight[near], (number[one[near]], number[two[near]])), (unknown, unknown)).tocsr()
    matrix = links + identity(unknown, format="csr").multiply(total[flat][:, None]).tocsr()
    out = pixels.reshape(len(pixels), -1).astype(np.float64)
    random = np.random.default_rng([seed, zlib.crc32(removed.tobytes())])
    noise = NOISE * random.standard_normal(unknown)
    grey = bool((pixels == pixels[:1]).all())
    for c, channel in enumerate(out):
        if c and grey:
            out[c] = out[0]
            continue
        right = np.bincount(number[one[far]], weight[far] * channel[two[far]], unknown)
        solution, _ = cg(matrix, right, x0=np.full(unknown, channel[~flat].mean()), rtol=0, atol=_CLOSE, maxiter=500)
        channel[flat] = solution + noise
    return out.astype(np.float32).reshape(pixels.shape)


@lru_cache(maxsize=2)
def _neighbours(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every ordered pair of neighbours, as flat positions, and its weight. Kept: it is the same for every picture."""
    height, width = shape
    number = np.arange(height * width).reshape(height, width)
    ones, twos, weights = [], [], []
    for down, right, weight in _WAYS:
        first = number[: height - down, max(0, -right) : width - max(0, right)].ravel()
        second = number[down:, max(0, right) : width - max(0, -right)].ravel()
        ones += [first, second]
        twos += [second, first]
        weights += [np.full(2 * len(first), weight)]
    found = np.concatenate(ones), np.concatenate(twos), np.concatenate(weights)
    for each in found:
        each.flags.writeable = False
    return found
