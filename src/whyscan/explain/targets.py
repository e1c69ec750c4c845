"""What is asked about a scan: classes and contrasts by name, as rows of logit weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from whyscan.data.scan import Scan
from whyscan.errors import BadTarget
from whyscan.models.classifier import Classifier, Layer, softmax
from whyscan.records.geometry import Geometry

Targets = str | Sequence[str]
""""all", "predicted", "true", a class (or an unmistakable beginning), a contrast "a-b", or several of those."""


def resolve(
    classifier: Classifier, targets: Targets, logits: Float32[np.ndarray, " k"], label: str | None
) -> tuple[tuple[str, ...], Float32[np.ndarray, "t k"]]:
    """The targets' full names, each once, and their rows.

    Raises:
        BadTarget: none, not a class, or "true" for a scan whose label is unknown.
    """
    names: list[str] = []
    for each in [targets] if isinstance(targets, str) else targets:
        names += _names(classifier, each, logits, label)
    unique = tuple(dict.fromkeys(names))
    if not unique:
        raise BadTarget("no target was given", '"all", "predicted", "true" or names of classes', "name one")
    return unique, np.stack([classifier.target(name) for name in unique])


def _names(classifier: Classifier, target: str, logits: Float32[np.ndarray, " k"], label: str | None) -> Sequence[str]:
    if target in classifier.classes:
        return [target]
    if target == "all":
        return classifier.classes
    if target == "predicted":
        return [classifier.classes[int(np.argmax(logits))]]
    if target == "true":
        if label is None:
            raise BadTarget('target "true"', "a scan whose label is known", 'give the label, or ask for "predicted"')
        return [classifier.target_name(label)]
    return [classifier.target_name(target)]


def check(classifier: Classifier, targets: Targets, label: str | None) -> None:
    """Raise what `resolve` would raise, before any work is done."""
    resolve(classifier, targets, np.zeros(len(classifier.classes), np.float32), label)


def stacked(rows: Sequence[Float32[np.ndarray, "_ k"]]) -> Float32[np.ndarray, "n t k"]:
    """Several scans' rows as one array: "predicted" and "true" may be one class or two, so that shorter ones are
    filled up with rows of 0.
    """
    most = max(len(each) for each in rows)
    return np.stack([np.pad(each, ((0, most - len(each)), (0, 0))) for each in rows])


def choose_layers(classifier: Classifier, layers: str | Sequence[str]) -> list[Layer]:
    """Layers by their names, each once, in the order asked for; "all" is shallow to deep.

    Raises:
        BadTarget: none, or one that does not exist.
    """
    if layers == "all":
        classifier.layer("last")  # raises where there is none
        return list(classifier.layers)
    chosen = list(dict.fromkeys(classifier.layer(name) for name in ([layers] if isinstance(layers, str) else layers)))
    if not chosen:
        raise BadTarget("no layer was asked for", '"all" or names of layers', "take the names from classifier.layers")
    return chosen


def facts(
    classifier: Classifier, scan: Scan, geometry: Geometry, logits: Float32[np.ndarray, " k"], names: Sequence[str]
) -> dict[str, Any]:
    """The fields of an Attribution that say what it is about."""
    return {
        "targets": tuple(names),
        "geometry": geometry,
        "classes": classifier.classes,
        "probabilities": softmax(logits),
        "label": scan.label,
        "thumbnail": scan.thumbnail(),
        "region": scan.region if scan.region is not None and scan.region.any() else None,
        "model": classifier.name,
        "model_hash": classifier.hash,
        "scan": scan.content,
        "source": scan.source,
        "place": scan.place,
    }
