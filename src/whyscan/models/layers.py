"""Which layers a network has, in the order in which they are computed.

The outputs of its convolutions, and of its attention blocks. Convolutions rather than blocks of them, because several
backbones change a block's output in place (`+=`, in-place ReLU) after it was computed, and a map would then mix two
layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from whyscan.errors import BadTarget
from whyscan.models.classifier import Layer, layer_name
from whyscan.models.keras_names import keras_names
from whyscan.models.modes import device_of, evaluating
from whyscan.models.tokens import attention_blocks, form_of, token_grid


@dataclass(frozen=True, slots=True)
class _Call:
    """One run of a module; `came` and `made` identify the tensors that went in and out; `made` is 0 for no tensor."""

    path: str
    came: int
    made: int
    shape: tuple[int, ...]

    @property
    def has_grid(self) -> bool:
        return len(self.shape) == 4 and self.shape[2] * self.shape[3] > 1


@dataclass(frozen=True)
class _Pass:
    """What the convolutions of a network, and other modules that are of interest, did in one forward pass."""

    network: nn.Module
    input_size: tuple[int, int]
    convolutions: Mapping[str, nn.Conv2d]
    calls: Sequence[_Call]
    """In the order in which they ended."""

    @classmethod
    def of(cls, network: nn.Module, input_size: tuple[int, int], others: Mapping[str, nn.Module]) -> _Pass:
        convolutions = {path: module for path, module in network.named_modules() if isinstance(module, nn.Conv2d)}
        return cls(network, input_size, convolutions, _record(network, input_size, {**convolutions, **others}))

    @cached_property
    def last(self) -> Mapping[str, int]:
        """The position of each module's last run, shallow to deep."""
        found = {call.path: position for position, call in enumerate(self.calls)}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @cached_property
    def readers(self) -> Mapping[int, str]:
        """The convolutions that read an output, by its identity."""
        return {call.came: call.path for call in self.calls if call.path in self.convolutions}

    def layer(self, path: str) -> Layer | str:
        """What a module's last run makes of it as a layer, or why it makes it none."""
        if path not in self.last:
            return "it does not run"
        position = self.last[path]
        # a grid of tokens is that of a convolution before it
        before = [call for call in self.calls[:position] if call.path in self.convolutions and call.has_grid]
        grids = [(call.shape[2], call.shape[3]) for call in before]
        return _layer(self.network, self.calls[position], grids, self.input_size)

    def unfit(self, path: str) -> str:
        """Why a convolution that has a place as a layer is not to be listed; "" of all others."""
        if path not in self.convolutions or path not in self.last:
            return ""
        convolution, call = self.convolutions[path], self.calls[self.last[path]]
        if not call.has_grid:
            return "its output has no grid: it tells what was found and not where"
        # a depthwise one whose output goes straight into another one of the same unit
        reader = self.readers.get(call.made)
        depthwise = convolution.groups > 1 and convolution.groups == convolution.in_channels
        if depthwise and reader is not None and _parent(reader) == _parent(path):
            return "the first half of a separable convolution: the second half's output is the whole's"
        return ""


def find_layers(network: nn.Module, input_size: tuple[int, int], architecture: str = "") -> tuple[Layer, ...]:
    """Every convolution and attention block whose output has a spatial grid of more than 1x1, shallow to deep.

    One forward pass on an empty image tells the order and the grids. Squeeze-and-excitation convolutions have
    no grid and are left out. Of a separable convolution with nothing between its two halves, only the pointwise
    half counts: it is the unit's output (what keras calls SeparableConv2D), and the depthwise half has not yet
    mixed the channels. A module that is called several times is listed once, where it was called last, since
    that output is the one a hook sees.

    Where a transformer reads only its class token after the last block, the other tokens of that block's output have
    no gradient, whatever the image: the block's first norm stands in its place.

    Args:
        input_size: (height, width) in pixels.
        architecture: timm's name of the trunk; where keras.applications has the same one, layers get its names.
    """
    blocks = attention_blocks(network)
    seen = _Pass.of(network, input_size, blocks)
    layers = [
        layer
        for path in seen.last
        if not seen.unfit(path) and isinstance(layer := seen.layer(path), Layer)
        # an attention block with channels first is one of a convolutional network, whose convolutions are listed
        if not (path in blocks and layer.form == "nchw")
    ]
    layers = _reachable(network, input_size, layers)
    aliases = keras_names(architecture, [layer.name for layer in layers])
    return tuple(replace(layer, alias=aliases.get(layer.name, "")) for layer in layers)


def unserving(network: nn.Module, input_size: tuple[int, int], listed: Sequence[Layer]) -> dict[str, str]:
    """By name, why a convolution or an attention block is none of the listed layers and no part of one."""
    blocks = {
        path: module
        for path, module in attention_blocks(network).items()
        if not isinstance(module, nn.ModuleList | nn.ModuleDict)  # which hold blocks and never run themselves
    }
    seen = _Pass.of(network, input_size, blocks)
    found: dict[str, str] = {}
    for path in {**seen.convolutions, **blocks}:
        if any(f"{path}.".startswith(f"{layer.path}.") for layer in listed):
            continue
        reason = seen.unfit(path) or seen.layer(path)
        found[_called(network, path)] = _PASSED_BY[reason.form == "nchw"] if isinstance(reason, Layer) else reason
    return found


_PASSED_BY = {
    True: "a block of a convolutional network, whose convolutions are listed",
    False: "after it the network reads its first tokens alone, so that its grid has no gradient",
}


def _called(network: nn.Module, path: str) -> str:
    """As people know it: by the label of the innermost module around it that has one, as Keras's do, or by its path."""
    names = path.split(".")
    for end in range(len(names), 0, -1):
        label = getattr(network.get_submodule(".".join(names[:end])), "label", None)
        if isinstance(label, str):
            return label
    return layer_name(path)


def find_layer(network: nn.Module, input_size: tuple[int, int], path: str) -> Layer:
    """Any module of a network as a layer, listed by `find_layers` or not: a stage, a block, a norm, an activation.

    Raises:
        BadTarget: the module cannot serve, with the reason.
    """
    layer = _Pass.of(network, input_size, {path: network.get_submodule(path)}).layer(path)
    if isinstance(layer, Layer) and not _grid_is_read(network, input_size, layer):
        layer = f"after it the network reads only its first tokens ({layer.prefix}), so that its grid has no gradient"
    if isinstance(layer, str):
        name = layer_name(path)
        raise BadTarget(
            f"layer {name!r} cannot serve: {layer}", "a grid of channels on the way to the scores",
            "take one of classifier.layers; of a transformer the input or first norm of the last block",
        )  # fmt: skip
    return layer


def final_layer(network: nn.Module, input_size: tuple[int, int], deepest: Layer) -> Layer:
    """The last map before it is pooled: what the deepest convolution made, after its norm and its activation.

    Args:
        deepest: the last of `find_layers`; itself the answer where it is a grid of tokens.
    """
    if deepest.form != "nchw":
        return deepest
    calls = _record(network, input_size, {path: module for path, module in network.named_modules() if path})
    begin = max(position for position, call in enumerate(calls) if call.path == deepest.path)
    # of a module and those inside it that end together, the outermost ends last
    for call in reversed(calls[begin:]):
        found = _layer(network, call, (), input_size) if len(call.shape) == 4 else ""
        if isinstance(found, Layer):
            return found
    return deepest


def _layer(
    network: nn.Module, call: _Call, grids: Sequence[tuple[int, int]], input_size: tuple[int, int]
) -> Layer | str:
    """The layer that a call makes, or why it makes none."""
    name, shape = layer_name(call.path), call.shape
    if not call.made:
        return "its output is not one tensor"
    if shape[:1] != (1,):
        return f"its output for one image, of shape {shape}, is not one image's"
    if len(shape) == 4:
        form = form_of(network, call.path, shape)
        height, width = shape[2:] if form == "nchw" else shape[1:3]
        if height * width > 1:
            return Layer(name, call.path, form=form)
    if len(shape) == 3 and (found := token_grid(shape[1], grids, input_size)):
        prefix, grid = found
        return Layer(name, call.path, form="tokens", prefix=prefix, grid=grid)
    return f"its output for one image, of shape {shape}, has no spatial grid"


def _reachable(network: nn.Module, input_size: tuple[int, int], layers: list[Layer]) -> list[Layer]:
    """The same layers, but for a last block whose grid nothing reads its first norm."""
    if not layers or _grid_is_read(network, input_size, layers[-1]):
        return layers
    *others, block = layers
    norms = {
        path: module
        for path, module in network.named_modules()
        if path.rpartition(".")[0] == block.path and "norm" in type(module).__name__.lower()
    }
    seen = _Pass.of(network, input_size, norms)
    for path in seen.last:
        norm = seen.layer(path) if path in norms else ""
        if isinstance(norm, Layer) and _grid_is_read(network, input_size, norm):
            return [*others, norm]
    return others


def _grid_is_read(network: nn.Module, input_size: tuple[int, int], layer: Layer) -> bool:
    """Whether the scores change with what stands on the layer's grid; it can go unread only behind prefix tokens.

    An experiment rather than a gradient: it needs no graph, and no score that happens to be differentiable.
    """
    if layer.prefix == 0 or device_of(network).type == "meta":
        return True
    answers: list[Tensor] = []
    for change in (0.0, 1.0):

        def hook(_module: nn.Module, _inputs: Any, output: Tensor, change: float = change) -> Tensor:
            ramp = torch.arange(output.shape[-1], device=output.device) % 7 * change
            changed = output.clone()
            changed[:, layer.prefix :] += ramp
            return changed

        handle = network.get_submodule(layer.path).register_forward_hook(hook)
        try:
            answers.append(_run(network, input_size))
        finally:
            handle.remove()
    return not torch.equal(*answers)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _record(network: nn.Module, input_size: tuple[int, int], modules: Mapping[str, nn.Module]) -> list[_Call]:
    """The runs of these modules in one forward pass, in the order in which they end."""
    calls: list[_Call] = []
    kept: list[Any] = []  # keeps every tensor alive, so that no two of them share an id

    def watch(path: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            came = inputs[0] if inputs else None
            kept.extend((came, output))
            made = isinstance(output, Tensor)
            calls.append(_Call(path, id(came), id(output) if made else 0, tuple(output.shape) if made else ()))

        return hook

    handles = []
    try:
        for path, module in modules.items():
            handles.append(module.register_forward_hook(watch(path)))
        _run(network, input_size)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _run(network: nn.Module, input_size: tuple[int, int]) -> Tensor:
    device = device_of(network)
    with evaluating(network), torch.inference_mode():
        logits: Tensor = network(torch.zeros(1, 3, *input_size, device=device))
    return logits
