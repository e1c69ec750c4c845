"""The one door for models: a run's model folder, or a network in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from whyscan.errors import BadModel
from whyscan.models import checkpoint, weights
from whyscan.models.classifier import Classifier, Network, TwoClass
from whyscan.models.layers import find_layers
from whyscan.records.geometry import Fit

PREPROCESSING = {
    "/255": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "x/127.5-1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""What a network expects, by the name people know it under: (mean, std) of pixels in [0, 1]."""


def load(
    model: str | Path | nn.Module,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str = "auto",
    fit: Fit = "stretch",
    name: str = "model",
) -> Classifier:
    """Open a model.

    Args:
        model: a folder of `whyscan train` (or its model.json), or an nn.Module from normalised images
            (n, 3, h, w) to logits (n, k), or (n, 1) for two classes with one sigmoid output.
        classes: the class names in the order of the scores. A model folder knows its own.
        input_size: pixels a side, or (height, width). A model folder knows its own.
        preprocess: "/255", "x/127.5-1", "imagenet", or "auto": "imagenet" for a module, the model folder's own.
        fit: how scans are brought to that size: "stretch" or "pad".
        name: what a module is called in tables.

    Raises:
        BadModel: the folder is not a model, classes or input size are missing, or the network's head has another
            width than there are classes.
    """
    if not isinstance(model, nn.Module):
        classifier = checkpoint.load(Path(model))
        if classes is not None and tuple(classes) != classifier.classes:
            raise BadModel(
                f"classes {', '.join(classes)}",
                f"the model's own, {', '.join(classifier.classes)}",
                "leave classes out",
            )
        return classifier
    if not classes or input_size is None:
        raise BadModel("a module without class names or input size", "both", "pass classes=[...] and input_size=...")
    if preprocess != "auto" and preprocess not in PREPROCESSING:
        raise BadModel(f"preprocess {preprocess!r}", f"auto or one of {', '.join(PREPROCESSING)}", "name one of these")
    mean, std = PREPROCESSING["imagenet" if preprocess == "auto" else preprocess]
    size = (input_size, input_size) if isinstance(input_size, int) else input_size
    network: nn.Module = Network(model, nn.Identity(), mean, std).eval()
    width = _width(network, size)
    if width == 1 and len(classes) == 2:
        network = TwoClass(network).eval()
    elif width != len(classes):
        raise BadModel(
            f"{len(classes)} classes: {', '.join(classes)}", f"{width}, the width of the head", "name as many"
        )
    return Classifier(
        name, tuple(classes), size, network, find_layers(network, size), fit=fit, hash=weights.digest(network)
    )


def _width(network: nn.Module, size: tuple[int, int]) -> int:
    device = next(network.parameters()).device
    try:
        with torch.inference_mode():
            out = network(torch.zeros(1, 3, *size, device=device))
    except (RuntimeError, ValueError, TypeError) as error:
        raise BadModel(
            f"the module failed on (1, 3, {size[0]}, {size[1]}): {error}", "logits", "check input_size"
        ) from error
    if not isinstance(out, torch.Tensor) or out.ndim != 2:
        came = f"the module answered with {type(out).__name__} {tuple(getattr(out, 'shape', ()))}"
        raise BadModel(came, "a tensor of logits (n, k)", "wrap the module so that it returns its logits")
    return int(out.shape[1])
