"""The one door for models: a run's model folder, or a network in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models import checkpoint, weights
from whyscan.models.blackbox import Answers, looks_like_probabilities
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
    scores: Answers = "logit",
) -> Classifier:
    """Open a model. For anything else that answers, a function or a service, see `black_box`.

    Args:
        model: a folder of `whyscan train` (or its model.json), or an nn.Module from normalised images
            (n, 3, h, w) to logits (n, k), or (n, 1) for two classes with one sigmoid output.
        classes: the class names in the order of the scores. A model folder knows its own.
        input_size: pixels a side, or (height, width). A model folder knows its own.
        preprocess: "/255", "x/127.5-1", "imagenet", or "auto": "imagenet" for a module, the model folder's own.
        fit: how scans are brought to that size: "stretch" or "pad".
        name: what a module is called in tables.
        scores: what a module answers with. Of "probability" (its last step is a softmax or a sigmoid) the logarithm
            is taken; but where a model is certain, gradients have vanished in that last step, and only a module
            without it brings them back.

    Raises:
        BadModel: the folder is not a model, classes or input size are missing, the network's head has another
            width than there are classes, or it answers with probabilities where logits are expected.
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
    if scores not in ("logit", "probability"):
        raise BadModel(f"scores {scores!r}", '"logit" or "probability"', "say which of them the module answers with")
    mean, std = PREPROCESSING["imagenet" if preprocess == "auto" else preprocess]
    size = (input_size, input_size) if isinstance(input_size, int) else input_size
    network: nn.Module = Network(model, nn.Identity(), mean, std).eval()
    answers = _probe(network, size)
    width = answers.shape[1]
    if not (width == len(classes) or (width == 1 and len(classes) == 2)):
        raise BadModel(
            f"{len(classes)} classes: {', '.join(classes)}", f"{width}, the width of the head", "name as many"
        )
    if scores == "probability":
        network = LogProbabilities(network).eval()
    elif looks_like_probabilities(answers) or (width == 1 and isinstance(list(model.modules())[-1], nn.Sigmoid)):
        raise BadModel(
            "the module answered with what look like probabilities",
            "logits",
            'leave out its last softmax or sigmoid, or pass scores="probability"',
        )
    elif width == 1:
        network = TwoClass(network).eval()
    return Classifier(
        name, tuple(classes), size, network, find_layers(network, size), fit=fit, hash=weights.digest(network)
    )


class LogProbabilities(nn.Module):
    """A network that answers with probabilities (n, k), or (n, 1) for the second of two classes, as logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        answers: Tensor = self.network(pixels)
        both = answers if answers.shape[1] > 1 else torch.cat([1 - answers, answers], dim=1)
        return both.clamp_min(torch.finfo(torch.float32).eps).log()


def _probe(network: nn.Module, size: tuple[int, int]) -> np.ndarray:
    """What it says of a black, a grey and a white image, (3, k)."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    levels = torch.tensor([0.0, 0.5, 1.0], device=device).view(3, 1, 1, 1)
    try:
        with torch.inference_mode():
            out = network(levels.expand(3, 3, *size))
    except (RuntimeError, ValueError, TypeError) as error:
        wide = all(parameter.dtype == torch.float32 for parameter in network.parameters())
        mend = "check input_size" if wide else "its weights are not float32: pass model.float()"
        raise BadModel(f"the module failed on (3, 3, {size[0]}, {size[1]}): {error}", "logits", mend) from error
    if isinstance(out, Mapping):
        came = f"the module answered with a dict of {', '.join(map(repr, out))}"
        raise BadModel(came, "a tensor of logits (n, k)", "wrap the module so that it returns the one with the logits")
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != 3:
        came = f"the module answered 3 images with {type(out).__name__} {tuple(getattr(out, 'shape', ()))}"
        raise BadModel(came, "a tensor of logits (n, k)", "wrap the module so that it returns its logits")
    return np.asarray(out.float().cpu().numpy())
