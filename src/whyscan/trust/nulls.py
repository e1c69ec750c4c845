"""Explanations that know nothing of the model: what every figure of a method has to be compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from whyscan.data.scan import Scan
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import Attribution
from whyscan.trust import names
from whyscan.trust.localisation import centre_prior

Plane = Float32[np.ndarray, "h w"]

GRAIN = 1 / 16
"""Width of the random map's blobs, as a share of the model's input: about that of a Grad-CAM map."""


def edges(grey: Plane, _rng: np.random.Generator) -> Plane:
    """Sobel's edges of the scan (Adebayo et al. 2018: many maps are little else)."""
    return np.asarray(np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)), np.float32)


def random(grey: Plane, rng: np.random.Generator) -> Plane:
    """Smooth noise, above 0."""
    noise = ndimage.gaussian_filter(rng.standard_normal(grey.shape), GRAIN * max(grey.shape), mode="wrap")
    return np.asarray(noise - noise.min(), np.float32)


def centre(grey: Plane, _rng: np.random.Generator) -> Plane:
    """A bump in the middle of the image, where things usually are."""
    return centre_prior((grey.shape[0], grey.shape[1]))


def intensity(grey: Plane, _rng: np.random.Generator) -> Plane:
    """The scan itself: bright is important."""
    return grey


NULLS: Mapping[str, Callable[[Plane, np.random.Generator], Plane]] = {
    "edges": edges, "random": random, "centre": centre, "intensity": intensity
}  # fmt: skip
assert tuple(NULLS) == names.NULLS


def null_attributions(classifier: Classifier, scan: Scan, target: str, *, seed: int) -> dict[str, Attribution]:
    """One attribution of each kind, by "null: edges" and so on, on the model's grid.

    Args:
        target: what they are said to explain; it changes nothing.
        seed: of the random map, which is another one for every scan.
    """
    pixels, _ = classifier.prepare(scan)
    grey = np.asarray(pixels[0].mean(axis=0), np.float32)
    words = np.frombuffer(hashlib.sha256(scan.content.encode()).digest(), np.uint32)
    drawn = {names.NULL + name: make(grey, np.random.default_rng([seed, *words]))[None] for name, make in NULLS.items()}
    return drawn_attributions(classifier, scan, target, drawn, seed=seed)


def drawn_attributions(
    classifier: Classifier, scan: Scan, target: str, drawn: Mapping[str, Float32[np.ndarray, "1 h w"]], *, seed: int
) -> dict[str, Attribution]:
    """Maps that were drawn on the model's grid, by name, as if a method had made them of this model."""
    _, geometry = classifier.prepare(scan)
    about: dict[str, Any] = {
        "targets": (classifier.target_name(target),), "geometry": geometry, "classes": classifier.classes,
        "probabilities": classifier.predict(scan), "label": scan.label, "region": scan.region, "model": classifier.name,
        "model_hash": classifier.hash, "scan": scan.content, "source": scan.source, "seed": seed,
        "quantity": "nothing of the model",
    }  # fmt: skip
    return {name: Attribution(method=name, maps=maps, **about) for name, maps in drawn.items()}
