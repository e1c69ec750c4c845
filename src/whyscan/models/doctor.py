"""What a model is, as far as it can be found out without data: for people who were given one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from whyscan.models.adopt import probe
from whyscan.models.classifier import Classifier, Layer, Network, TwoClass, softmax
from whyscan.models.layers import unserving
from whyscan.models.preprocess import Normalisation, name_of
from whyscan.models.tokens import attention_blocks

_FRAMEWORKS = {"keras": "Keras", "onnx": "ONNX", "torch": "PyTorch"}


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer: its name, its Keras name if it has another, and the shape of its output, channels last."""

    name: str
    alias: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What `examine` found.

    Attributes:
        name, framework, architecture: "" where it is not known.
        parameters: how many numbers were learned.
        input_size: (height, width).
        fit: how scans are brought to it.
        scaling: how pixels are scaled, by name; "" where the model does it out of sight.
        scaling_from: where that comes from: asked for, said by the file, or a guess.
        head: what the last step is and how logits are had.
        classes: names, in the order of the scores.
        classes_from: where the names come from.
        layers: where Grad-CAM can look, shallow to deep.
        unserving: by name, why a convolution or an attention block is none of them.
        white_box: whether it can be looked into.
        reason: why it cannot be, where that is known.
        attention: how many attention blocks it has.
        blank_answer: probabilities of an empty image.
        hash: of the weights.
    """

    name: str
    framework: str
    architecture: str
    parameters: int
    input_size: tuple[int, int]
    fit: str
    scaling: str
    scaling_from: str
    head: str
    classes: tuple[str, ...]
    classes_from: str
    layers: tuple[LayerFacts, ...]
    unserving: Mapping[str, str]
    white_box: bool
    reason: str
    attention: int
    blank_answer: tuple[float, ...]
    hash: str

    def row(self) -> dict[str, Any]:
        """For a JSON document."""
        return asdict(self)


def examine(classifier: Classifier) -> ModelFacts:
    """Look at a classifier; three forward passes, nothing of it is changed.

    Raises:
        BadModel: it does not answer with finite scores.
    """
    about = classifier.about
    size = classifier.input_size
    scaling = normalisation_of(classifier)
    blank = softmax(classifier.logits(np.zeros((1, 3, *size), np.float32)))[0]
    return ModelFacts(
        name=classifier.name,
        framework=_framework(classifier),
        architecture=str(about.get("architecture") or about.get("backbone") or ""),
        parameters=sum(each.numel() for each in classifier.network.parameters()),
        input_size=size,
        fit=classifier.fit,
        scaling=name_of(scaling) if scaling else "",
        scaling_from=_scaling_from(classifier),
        head=_head(classifier),
        classes=classifier.classes,
        classes_from=str(about.get("classes_from") or ""),
        layers=layer_facts(classifier),
        unserving=unserving_of(classifier),
        white_box=classifier.white_box,
        reason="" if classifier.white_box else _reason(classifier),
        attention=len(attention_blocks(classifier.network)) if classifier.white_box else 0,
        blank_answer=tuple(float(p) for p in blank),
        hash=classifier.hash,
    )


def layer_facts(classifier: Classifier) -> tuple[LayerFacts, ...]:
    """The layers with the shapes of their outputs, from one forward pass."""
    if not classifier.white_box or not classifier.layers:
        return ()
    shapes = _shapes(classifier)
    return tuple(LayerFacts(layer.name, layer.alias, shapes.get(layer.path, ())) for layer in classifier.layers)


def unserving_of(classifier: Classifier) -> dict[str, str]:
    """By name, why a convolution or an attention block is none of its layers."""
    return unserving(classifier.network, classifier.input_size, classifier.layers) if classifier.white_box else {}


def _shapes(classifier: Classifier) -> dict[str, tuple[int, ...]]:
    """By path, channels last and without the batch."""
    found: dict[str, tuple[int, ...]] = {}

    def seen(layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                each = output[0].permute(1, 2, 0) if layer.form == "nchw" else output[0]
                found[layer.path] = tuple(each.shape)

        return look

    network = classifier.network
    handles = [network.get_submodule(each.path).register_forward_hook(seen(each)) for each in classifier.layers]
    try:
        with torch.inference_mode():
            network(probe(classifier.input_size, rows=1).to(classifier.device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def normalisation_of(classifier: Classifier) -> Normalisation | None:
    """How pixels are scaled before the network sees them; None where that happens out of sight."""
    network = classifier.network
    if isinstance(network, TwoClass) and isinstance(network.network, nn.Module):
        network = network.network
    if isinstance(network, Network) and network.mean.numel() == 3:
        return Normalisation(_triple(network.mean.flatten()), _triple(network.std.flatten()), network.flip)
    about = classifier.about
    if "mean" not in about or "std" not in about:
        return None
    return Normalisation(_triple(about["mean"]), _triple(about["std"]), bool(about.get("bgr", False)))


def _triple(values: Iterable[Any]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _framework(classifier: Classifier) -> str:
    about = classifier.about
    known = str(about.get("framework", ""))
    name = _FRAMEWORKS.get(known, known or ("PyTorch" if classifier.white_box else "a function"))
    words = [name, str(about.get("version", "")), str(about.get("format", ""))]
    return " ".join(word for word in words if word)


def _scaling_from(classifier: Classifier) -> str:
    """The sentence of an adapter that guesses; "as it was trained" for models of `whyscan train`."""
    if "preprocess" in classifier.about:
        return str(classifier.about["preprocess"])
    if classifier.about.get("training"):
        return "as it was trained"
    return "" if normalisation_of(classifier) else "done inside the model, out of sight"


def _reason(classifier: Classifier) -> str:
    said = str(classifier.about.get("white box", ""))
    return said.removeprefix("no: ") if said else "it only answers: nothing of its inside is known"


def _head(classifier: Classifier) -> str:
    answer = str(classifier.about.get("answer", ""))
    k = len(classifier.classes)
    last = {"softmax": f"softmax over {k}", "logsoftmax": f"log-softmax over {k}"}.get(answer, "")
    if isinstance(classifier.network, TwoClass):
        return "one sigmoid output, taken as two classes; its logit is used"
    if last and classifier.white_box:
        return f"{last}; the logits before it are used"
    if last:
        return f"{last}; {'its logarithm stands' if answer == 'softmax' else 'it stands'} for logits"
    if not classifier.white_box:
        return f"{k} scores; their logarithm stands for logits where they are probabilities"
    return f"{k} logits"
