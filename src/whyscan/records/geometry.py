"""How a scan's grid maps to a model's grid and back. Pixels, masks and maps follow the same one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Shaped
from scipy.sparse import csr_array

Fit = Literal["stretch", "pad"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """A scaling and an offset per axis, on pixel edges: model = scan * scale + offset.

    Attributes:
        scan: (height, width) of the scan, in pixels.
        model: (height, width) of the model's input, in pixels.
        box: (top, left, height, width) of the part of the model's input that the scan fills, in pixels;
            the whole input where the scan was stretched, a letterbox where its aspect ratio was kept.
    """

    scan: tuple[int, int]
    model: tuple[int, int]
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, scan: tuple[int, int], model: tuple[int, int], fit: Fit = "stretch") -> Geometry:
        if fit == "stretch":
            return cls(scan, model, (0, 0, *model))
        scale = min(model[0] / scan[0], model[1] / scan[1])
        height, width = (max(1, round(side * scale)) for side in scan)
        return cls(scan, model, ((model[0] - height) // 2, (model[1] - width) // 2, height, width))

    def to_model(self, image: Float32[np.ndarray, "c h w"]) -> Float32[np.ndarray, "c mh mw"]:
        """Resample an image with an antialiased triangle filter; outside the box it is 0."""
        top, left, height, width = self.box
        out = np.zeros((image.shape[0], *self.model), np.float32)
        out[:, top : top + height, left : left + width] = resize(image, (height, width))
        return out

    def region_to_model(self, region: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "mh mw"]:
        """Carry a mask to the model's grid: each pixel takes the mask's value at its centre."""
        top, left, height, width = self.box
        out = np.zeros(self.model, region.dtype)
        out[top : top + height, left : left + width] = _nearest(region, (height, width))
        return out

    def to_scan(self, maps: Float32[np.ndarray, "t gh gw"]) -> Float32[np.ndarray, "t h w"]:
        """Carry maps from any grid over the model's input back to the scan's grid, bilinearly.

        A grid cell stands for the area it covers, so the samples sit at cell centres; beyond the outermost
        centres the edge value goes on.
        """
        grid = maps.shape[-2:]
        top, left, height, width = self.box
        rows = self._grid_coordinates(self.scan[0], top, height, grid[0], self.model[0])
        columns = self._grid_coordinates(self.scan[1], left, width, grid[1], self.model[1])
        return _bilinear(_bilinear(maps, rows, axis=1), columns, axis=2)

    def labels_to_scan(self, labels: Shaped[np.ndarray, "gh gw"]) -> Shaped[np.ndarray, "h w"]:
        """Carry a label map (superpixels) back to the scan's grid, without making new labels."""
        top, left, height, width = self.box
        rows = self._grid_coordinates(self.scan[0], top, height, labels.shape[0], self.model[0])
        columns = self._grid_coordinates(self.scan[1], left, width, labels.shape[1], self.model[1])
        return np.asarray(labels[np.ix_(_round(rows, labels.shape[0]), _round(columns, labels.shape[1]))])

    @staticmethod
    def _grid_coordinates(n: int, start: int, length: int, cells: int, model: int) -> Float[np.ndarray, " n"]:
        """Where the centres of n scan pixels fall on a grid of `cells` over `model` pixels."""
        on_model = start + (np.arange(n) + 0.5) * length / n
        return on_model * cells / model - 0.5


def resize(image: Float32[np.ndarray, "c h w"], shape: tuple[int, int]) -> Float32[np.ndarray, "c nh nw"]:
    """Separable triangle filter, widened when shrinking (the antialiased bilinear of Pillow and torch)."""
    if image.shape[1:] == shape:
        return image
    rows, columns = (_triangles(old, size) for old, size in zip(image.shape[1:], shape, strict=True))
    out = np.empty((len(image), *shape), np.float32)
    for plane, new in zip(image, out, strict=True):
        new[:] = (columns @ np.ascontiguousarray((rows @ plane).T)).T
    return out


@lru_cache(maxsize=8)  # the scans of one folder are mostly of one size, and these weights take longer than their use
def _triangles(old: int, size: int) -> csr_array:
    """(size, old), a row of weights for each new sample: nearly all are 0."""
    ratio = old / size
    centres = (np.arange(size) + 0.5) * ratio
    distance = np.abs(np.arange(old)[None, :] + 0.5 - centres[:, None]) / max(ratio, 1.0)
    weights = np.clip(1.0 - distance, 0.0, None)
    return csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _bilinear(maps: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    last = maps.shape[axis] - 1
    at = np.clip(at, 0, last)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, last)
    shape = [1] * maps.ndim
    shape[axis] = at.size
    share = (at - low).reshape(shape).astype(np.float32)
    return np.asarray(np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share, np.float32)


def _nearest(region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows = ((np.arange(shape[0]) + 0.5) * region.shape[0] / shape[0]).astype(int)
    columns = ((np.arange(shape[1]) + 0.5) * region.shape[1] / shape[1]).astype(int)
    return np.asarray(region[np.ix_(rows, columns)])


def _round(at: np.ndarray, cells: int) -> np.ndarray:
    return np.asarray(np.clip(np.floor(at + 0.5).astype(int), 0, cells - 1))
