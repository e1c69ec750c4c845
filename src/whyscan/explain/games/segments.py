"""Superpixels: the parts of a scan that LIME and SHAP hide and show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int32, Integer
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import felzenszwalb, quickshift, slic

from whyscan.checks import at_least, between, one_of, plain
from whyscan.errors import BadInput
from whyscan.records.geometry import Geometry

Algorithm = Literal["slic", "quickshift", "felzenszwalb", "grid"]
Background = Literal["keep", "leave out"]


@dataclass(frozen=True)
class Superpixels:
    """How a scan is cut up. Nothing is drawn: the same pixels give the same superpixels.

    Attributes:
        algorithm: "slic" (Achanta et al. 2012), "quickshift" (what lime uses), "felzenszwalb", or a plain "grid".
        count: about how many; quickshift and felzenszwalb take it as a hint for their scale.
        compactness: for slic, in units of the scan's intensity range: higher is squarer.
        background: "keep" it in the game, or "leave out" what is not the head. It is kept by default, because
            a marker in a corner is exactly what an audit must be able to see, and because black superpixels
            hidden behind black drop out of the game anyway.

    Raises:
        BadInput: an unknown algorithm or background, fewer than 2 superpixels, or no compactness.
    """

    algorithm: Algorithm = "slic"
    count: int = 50
    compactness: float = 0.1
    background: Background = "keep"

    def __post_init__(self) -> None:
        plain(self)
        one_of(get_args(Algorithm), **{"superpixels by": self.algorithm})
        one_of(get_args(Background), background=self.background)
        at_least(2, superpixels=self.count)
        between(0, np.inf, compactness=self.compactness)


def segment(pixels: Float32[np.ndarray, "c h w"], settings: Superpixels) -> Int32[np.ndarray, "h w"]:
    """Labels 0..s-1 on the pixels' own grid; -1 is not in the game."""
    labels = _ALGORITHMS[settings.algorithm](pixels, settings)
    if settings.background == "leave out":
        labels = np.where(head(pixels), labels, -1)
    return renumber(labels)


def own(labels: Integer[np.ndarray, "h w"], geometry: Geometry) -> Int32[np.ndarray, "mh mw"]:
    """A label map of the user's, on the scan's grid or on the model's, as labels 0..s-1 on the model's grid.

    Negative labels, and whatever the scan does not fill, are not in the game.

    Raises:
        BadInput: it has another shape, or is not made of whole numbers.
    """
    return within(_on_model_grid(labels, geometry), geometry)


def called(
    labels: Integer[np.ndarray, "h w"], geometry: Geometry, segments: Int32[np.ndarray, "mh mw"]
) -> Integer[np.ndarray, " s"]:
    """What the user's label map calls each of the players 0..s-1 that it became.

    Args:
        segments: the players on the model's grid, -1 outside the game.
    """
    players, first = np.unique(segments, return_index=True)
    return _on_model_grid(labels, geometry).ravel()[first[players >= 0]]


def _on_model_grid(labels: Integer[np.ndarray, "h w"], geometry: Geometry) -> Integer[np.ndarray, "mh mw"]:
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape not in (geometry.scan, geometry.model):
        raise BadInput(
            f"a label map of {labels.dtype} and shape {labels.shape}",
            f"whole numbers on the scan's grid {geometry.scan} or the model's {geometry.model}",
            "resize it without interpolation",
        )
    if labels.shape == geometry.scan:
        shifted = np.where(labels < 0, 0, labels.astype(np.int64) + 1)
        labels = geometry.region_to_model(shifted) - 1
    return labels


def within(labels: Integer[np.ndarray, "mh mw"], geometry: Geometry) -> Int32[np.ndarray, "mh mw"]:
    """The same parts without a letterbox's margin: what that does to a score could not be shown on the scan."""
    return renumber(np.where(geometry.region_to_model(np.ones(geometry.scan, bool)), labels, -1))


def renumber(labels: Integer[np.ndarray, "h w"]) -> Int32[np.ndarray, "h w"]:
    """The same parts with labels 0..s-1 in the order of their old labels; negative ones become -1."""
    old = np.unique(labels[labels >= 0])
    return np.where(labels < 0, -1, np.searchsorted(old, labels)).astype(np.int32)


def head(pixels: Float32[np.ndarray, "c h w"]) -> Bool[np.ndarray, "h w"]:
    """Where the head is: smoothed intensity above half of Otsu's threshold, largest piece, holes filled.

    Half of the threshold, because Otsu's own separates bright from dark tissue in contrast-enhanced slices.
    The whole image where that finds next to nothing or nearly all.
    """
    grey = ndimage.gaussian_filter(pixels.mean(0), 0.01 * min(pixels.shape[1:]))
    everything = np.ones(grey.shape, bool)
    if np.ptp(grey) < 1e-3:
        return everything
    pieces, number = ndimage.label(grey > 0.5 * threshold_otsu(grey))  # type: ignore[no-untyped-call]
    if number == 0:
        return everything
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    mask: np.ndarray = ndimage.binary_fill_holes(pieces == largest)
    return mask if 0.05 < mask.mean() < 0.98 else everything


def _slic(pixels: np.ndarray, settings: Superpixels) -> np.ndarray:
    # in grey where the scan is grey: three equal channels would be turned to Lab, another scale for compactness
    grey = bool((pixels == pixels[:1]).all())
    image = pixels[0] if grey else np.moveaxis(pixels, 0, -1)
    compactness = settings.compactness if grey else 100 * settings.compactness
    labels: np.ndarray = slic(
        image,
        n_segments=settings.count,
        compactness=compactness,
        sigma=1,
        start_label=0,
        channel_axis=None if grey else -1,
    )
    return labels


def _quickshift(pixels: np.ndarray, settings: Superpixels) -> np.ndarray:
    image = _rgb(pixels)
    distance = 0.5 * float(np.sqrt(image.shape[0] * image.shape[1] / settings.count))
    width = max(distance / 4, 1)
    return np.asarray(quickshift(image, ratio=0.2, kernel_size=width, max_dist=distance, rng=0))  # type: ignore[no-untyped-call]


def _felzenszwalb(pixels: np.ndarray, settings: Superpixels) -> np.ndarray:
    image = _rgb(pixels)
    area = image.shape[0] * image.shape[1] / settings.count
    labels: np.ndarray = felzenszwalb(image, scale=100, sigma=0.8, min_size=max(1, round(area / 4)))
    return labels


def _grid(pixels: np.ndarray, settings: Superpixels) -> np.ndarray:
    height, width = pixels.shape[1:]
    side = np.sqrt(height * width / settings.count)
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    across: np.ndarray = np.arange(width) * columns // width
    down: np.ndarray = np.arange(height) * rows // height
    return np.asarray(columns * down[:, None] + across)


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1).astype(np.float64)


_ALGORITHMS = {"slic": _slic, "quickshift": _quickshift, "felzenszwalb": _felzenszwalb, "grid": _grid}
