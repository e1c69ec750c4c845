"""What is asked about a scan: classes and contrasts by name, as rows of logit weights."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

from whyscan.data.scan import Scan
from whyscan.errors import BadTarget
from whyscan.explain.trace import tracing
from whyscan.explain.whitebox import need_gradients
from whyscan.models.classifier import Classifier, Layer, softmax
from whyscan.records.attribution import Score
from whyscan.records.geometry import Geometry

Target = str | int
""""all", "predicted", "true", a class (or an unmistakable beginning, or its number from 0), or a contrast "a-b"."""
Targets = Target | Sequence[Target]


def resolve(
    classifier: Classifier, targets: Targets, logits: Float32[np.ndarray, " k"], label: str | None
) -> tuple[tuple[str, ...], Float32[np.ndarray, "t k"]]:
    """The targets' full names, each once, and their rows.

    Raises:
        BadTarget: none, not a class, or "true" for a scan whose label is unknown.
    """
    names: list[str] = []
    for each in _one_by_one(classifier, targets):
        names += _names(classifier, each, logits, label)
    unique = tuple(dict.fromkeys(names))
    if not unique:
        raise BadTarget("no target was given", '"all", "predicted", "true" or names of classes', "name one")
    return unique, np.stack([classifier.target(name) for name in unique])


def _one_by_one(classifier: Classifier, targets: Any) -> list[str]:
    """Each as a text; of a number, which other libraries go by, the class's name."""
    try:
        several = [targets] if isinstance(targets, str) or _number(targets) is not None else list(targets)
    except TypeError:
        several = [targets]
    return [_text(classifier, each) for each in several]


def _number(target: Any) -> int | None:
    """A whole number, also numpy's or torch's; but True and False are none."""
    try:
        return None if isinstance(target, bool) else operator.index(target)
    except TypeError:
        return None


def _text(classifier: Classifier, target: Any) -> str:
    classes, number = classifier.classes, _number(target)
    if number is not None and not 0 <= number < len(classes):
        numbered = ", ".join(f"{i} {name}" for i, name in enumerate(classes))
        raise BadTarget(
            f"class number {number}", f"one from 0 to {len(classes) - 1}: {numbered}", "choose one, or name it"
        )
    if number is None and not isinstance(target, str):
        known = f'"all", "predicted", "true", or one or several of {", ".join(classes)}'
        raise BadTarget(f"target {target!r}", known, "name a class, or give its number from 0")
    return str(target) if number is None else classes[number]


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


def scored(
    logits: Float32[np.ndarray, "m k"], rows: Float32[np.ndarray, "t k"], score: Score
) -> Float64[np.ndarray, "m t"]:
    """The score of every target: its probability or its logit; the difference of the two for a contrast.

    In float64, so that a model that is sure still has probabilities that move when something is hidden.
    """
    exact = logits.astype(np.float64)
    return np.asarray((softmax(exact) if score == "probability" else exact) @ rows.T)


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
    """Layers by their names, each once, shallow to deep whatever the order asked for; "all" are those listed.

    Raises:
        BadModel: the classifier is a black box.
        BadTarget: none, or one that does not exist.
    """
    need_gradients(classifier, "a look at its layers")
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise BadTarget(f"layers {layers!r}", '"all" or names of layers', "take the names from classifier.layers")
    chosen: list[Layer] = []
    for name in names:
        found = classifier.layer("last" if name == "all" else name)  # raises where there is none
        chosen += classifier.layers if name == "all" else [found]
    if not chosen:
        raise BadTarget("no layer was asked for", '"all" or names of layers', "take the names from classifier.layers")
    return _in_order(classifier, list(dict.fromkeys(chosen)))


def _in_order(classifier: Classifier, layers: list[Layer]) -> list[Layer]:
    """Shallow to deep. Modules that are not listed follow no order that is known: a pass over a black scan tells it."""
    if len(layers) < 2:
        return layers
    order = [layer.path for layer in classifier.layers]
    if any(layer.path not in order for layer in layers):
        with tracing(classifier.network, [layer.path for layer in layers]) as run:
            black = torch.zeros(1, 3, *classifier.input_size, device=classifier.device)
            order = list(run.look(black).activations)
    return sorted(layers, key=lambda layer: order.index(layer.path))


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
        "reading": scan.reading,
    }
