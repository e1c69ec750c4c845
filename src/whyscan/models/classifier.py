"""Classifier: pixels in, scores out. Normalisation is inside it; layers are listed shallow to deep."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel, BadTarget
from whyscan.models.batches import halving
from whyscan.models.layout import laid_out
from whyscan.models.modes import device_of, evaluating, plain_float32
from whyscan.records.attribution import find
from whyscan.records.geometry import Fit, Geometry

Pixels = Float32[np.ndarray, "n c h w"]
"""Pixels in [0, 1] on a model's grid, before its normalisation."""

Scores = Float32[np.ndarray, "n k"]
Predict = Callable[[Pixels], Scores]
"""All that LIME, SHAP, occlusion and the trust metrics ever need of a model."""


Form = Literal["nchw", "nhwc", "tokens"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A place in the network whose output a map can be made of.

    Attributes:
        name: the name people use (timm's own).
        path: the dotted path of the module inside `Classifier.network`.
        alias: its name in keras.applications, or "".
        form: how its output is laid out: (n, c, h, w), (n, h, w, c), or (n, tokens, c).
        prefix: how many tokens, such as a class token, stand before those of the grid.
        grid: (h, w) of the tokens, row by row; None for the other forms, whose shape says it.
    """

    name: str
    path: str
    alias: str = ""
    form: Form = "nchw"
    prefix: int = 0
    grid: tuple[int, int] | None = None


def layer_name(path: str) -> str:
    """A module's name without that of the trunk that it is in, also where the whole network is wrapped once more."""
    return path.removeprefix("network.trunk.").removeprefix("trunk.")


class Network(nn.Module):
    """pixels in [0, 1] -> logits: normalisation, trunk and head in one differentiable module.

    Attributes:
        flip: whether the trunk wants blue first; `mean` and `std` are for red, green, blue all the same.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, mean: Sequence[float], std: Sequence[float], flip: bool = False
    ) -> None:
        super().__init__()
        self.trunk, self.head, self.flip = trunk, head, flip
        device = next((each.device for each in chain(trunk.parameters(), trunk.buffers())), None)
        self.register_buffer("mean", torch.tensor(mean, device=device).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, device=device).view(1, -1, 1, 1))

    mean: Tensor
    std: Tensor

    def features(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The trunk's pooled output."""
        normal = (pixels - self.mean) / self.std
        out: Tensor = self.trunk(normal.flip(1) if self.flip else normal)
        return out

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        out: Tensor = self.head(self.features(pixels))
        return out


@dataclass(frozen=True, eq=False)
class Classifier:
    """An image classifier: a network, or a black box (see `black_box`).

    Attributes:
        name: what it is called in tables and on pictures.
        classes: the k class names, in the order of the scores.
        input_size: (height, width) of its input, in pixels.
        network: pixels (n, 3, h, w) in [0, 1] -> logits (n, k). It answers in eval mode, whatever mode it is in. A
            network with a single sigmoid output z is wrapped in `TwoClass`, whose logits are (-z/2, +z/2).
        layers: where Grad-CAM can look, in order of execution.
        fit: how scans are brought to `input_size`.
        hash: SHA-256 of the weights as they were when this was made. Load a network anew after training it on.
        about: backbone, recipe, versions: what model.json says.
        white_box: whether the network can be looked into and differentiated; a black box only answers.
    """

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    network: nn.Module
    layers: tuple[Layer, ...]
    fit: Fit = "stretch"
    hash: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    white_box: bool = True

    @property
    def device(self) -> torch.device:
        """Where the network's weights are; the CPU for a network that has none."""
        return device_of(self.network)

    def layer(self, name: str) -> Layer:
        """A layer by its name or its Keras alias; "last" or "final"; or any other module, by its dotted name.

        "last" is the last of `layers`: the output of a convolution. "final" is the map that is pooled: the same after
        normalisation and activation. Methods that multiply by the activation, place by place, look there, since what
        a convolution gives may be negative where the network sees 0.

        Raises:
            BadTarget: no such layer: the nearest names are suggested; or a module that cannot serve: the reason.
        """
        if not self.layers:
            scripted = any(isinstance(module, torch.jit.ScriptModule) for module in self.network.modules())
            why = "is a TorchScript program, whose layers cannot be reached" if scripted else "has no layer with a grid"
            raise BadTarget(f"{self.name} {why}", "a network with 2D convolutions or attention", "use LIME or SHAP")
        if name == "last":
            return self.layers[-1]
        if name == "final":
            return self._final
        for layer in self.layers:
            if name and name in (layer.name, layer.alias, layer.path):
                return layer
        modules = {layer_name(path): path for path, _ in self.network.named_modules() if path}
        modules |= {label: path for path, label in self._labels.items()}
        if path := modules.get(name, modules.get(layer_name(name))):
            from whyscan.models.layers import find_layer  # it makes Layers, so it imports this module

            return self._labelled(find_layer(self.network, self.input_size, path))
        if name == "all":
            raise BadTarget('layer "all" where one is asked for', "one layer", "ask for all with explain_layers")
        known = [each for layer in self.layers for each in (layer.name, layer.alias) if each]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known[-3:]
        raise BadTarget(
            f"layer {name!r} is not in {self.name}", f"one of its {len(self.layers)} layers", f"try {', '.join(near)}"
        )

    @cached_property
    def _final(self) -> Layer:
        from whyscan.models.layers import final_layer

        return self._labelled(final_layer(self.network, self.input_size, self.layers[-1]))

    @cached_property
    def _labels(self) -> dict[str, str]:
        """By module path: the names of layers that have others than their modules, as those of Keras have."""
        found = {path: getattr(module, "label", None) for path, module in self.network.named_modules()}
        return {path: label for path, label in found.items() if isinstance(label, str)}

    def _labelled(self, layer: Layer) -> Layer:
        return replace(layer, name=self._labels.get(layer.path, layer.name))

    def target(self, name: str) -> Float32[np.ndarray, " k"]:
        """The row of logit weights of a class ("glioma": 1 at glioma) or a contrast ("a-b": 1 at a, -1 at b).

        Raises:
            BadTarget: not a class, and not two classes joined by "-".
        """
        row = np.zeros(len(self.classes), np.float32)
        for part, sign in zip(self._parts(name), (1.0, -1.0), strict=False):
            row[self.classes.index(part)] += sign
        return row

    def target_name(self, name: str) -> str:
        """The full name of a target: "glioma-men" -> "glioma_tumor-meningioma_tumor"."""
        return "-".join(self._parts(name))

    def _parts(self, name: str) -> tuple[str, ...]:
        """A class as a whole comes first, since its name may hold a "-"; then every way of cutting it in two."""
        cuts = [(name[:i], name[i + 1 :]) for i, letter in enumerate(name) if letter == "-"]
        try:
            return (find(name, self.classes, "class"),)
        except BadTarget:
            if not cuts:
                raise
        pairs = {pair for cut in cuts if (pair := self._pair(cut)) is not None}
        exact = pairs.intersection(cuts)
        if len(exact or pairs) == 1:
            return (exact or pairs).pop()
        came = f"target {name!r} is neither a class nor two different ones joined by '-'"
        if pairs:
            came = f"target {name!r} could be {' or '.join(sorted(' against '.join(pair) for pair in pairs))}"
        raise BadTarget(came, f"one or two of {', '.join(self.classes)}", "write the names in full")

    def _pair(self, cut: tuple[str, str]) -> tuple[str, str] | None:
        try:
            first, second = (find(part, self.classes, "class") for part in cut)
        except BadTarget:
            return None
        return (first, second) if first != second and all(cut) else None

    def prepare(self, scan: Scan) -> tuple[Pixels, Geometry]:
        """One scan on the model's grid, (1, 3, h, w), in memory of its own, and how it got there."""
        geometry = Geometry.of(scan.shape, self.input_size, self.fit)
        pixels = geometry.to_model(scan.pixels)
        return np.broadcast_to(pixels, (3, *self.input_size)).copy()[None], geometry

    def logits(self, scans: Scan | Sequence[Scan] | Pixels, *, batch: int = 16) -> Float32[np.ndarray, "*n k"]:
        """Scores before softmax: (k,) for one Scan, else (n, k).

        Raises:
            BadInput: pixels of another size.
            BadModel: the network answered with something other than finite (n, k), or memory is short for one scan.
        """
        if isinstance(scans, Scan):
            return np.asarray(self.logits(self.prepare(scans)[0])[0])
        if not isinstance(scans, np.ndarray):
            parts = [
                self.logits(np.concatenate([self.prepare(scan)[0] for scan in scans[start : start + batch]]))
                for start in range(0, len(scans), batch)
            ]
            return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)
        if scans.ndim != 4 or scans.shape[1:] != (3, *self.input_size):
            raise BadInput(
                f"pixels of shape {scans.shape}", f"(n, 3, {', '.join(map(str, self.input_size))})", "use prepare()"
            )

        def run(part: slice) -> Tensor:
            pixels = laid_out(self.network, _tensor(scans[part]).to(self.device))
            scores: Tensor = self.network(pixels).float().cpu()
            return scores

        with evaluating(self.network), torch.inference_mode(), plain_float32(self.device):
            out = list(halving(run, len(scans), batch))
        scores = np.asarray(torch.cat(out).numpy()) if out else np.zeros((0, len(self.classes)), np.float32)
        if scores.shape != (len(scans), len(self.classes)) or not np.isfinite(scores).all():
            came = f"{self.name} answered with shape {scores.shape}" + (
                "" if np.isfinite(scores).all() else " and NaN or infinity"
            )
            raise BadModel(came, f"finite logits (n, {len(self.classes)})", "check the weights and the class names")
        return scores

    def predict(self, scans: Scan | Sequence[Scan] | Pixels, *, batch: int = 16) -> Float32[np.ndarray, "*n k"]:
        """Probabilities in the order of `classes`: (k,) for one Scan, else (n, k)."""
        return softmax(self.logits(scans, batch=batch))


class TwoClass(nn.Module):
    """A network with one sigmoid output z, as two classes with logits (-z/2, +z/2): their softmax is the sigmoid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2"]:
        half = self.network(pixels) / 2
        return torch.cat([-half, half], dim=1)


def _tensor(pixels: Pixels) -> Tensor:
    """The same memory where torch can take it; a copy of read-only, reversed or other-typed arrays."""
    return torch.from_numpy(np.require(pixels, np.float32, ("C", "W")))


def softmax(logits: Float[np.ndarray, "*n k"]) -> Float[np.ndarray, "*n k"]:
    """In the precision of the logits: float32 knows nothing of 1 - p below 6e-8, where differences may still matter."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True), logits.dtype)
