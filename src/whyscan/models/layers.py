"""Which layers a network has, in the order in which they are computed.

The outputs of its convolutions, and of its attention blocks. Convolutions rather than blocks of them, because several
backbones change a block's output in place (`+=`, in-place ReLU) after it was computed, and a map would then mix two
layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from whyscan.errors import BadTarget
from whyscan.models.classifier import Layer, layer_name
from whyscan.models.keras_names import keras_names
from whyscan.models.modes import evaluating
from whyscan.models.tokens import attention_blocks, form_of, token_grid


@dataclass(frozen=True, slots=True)
class _Call:
    """One run of a module; `came` and `made` identify the tensors that went in and out; `made` is 0 for no tensor."""

    path: str
    came: int
    made: int
    shape: tuple[int, ...]


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
    convolutions = {path: module for path, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    calls = _record(network, input_size, convolutions | attention_blocks(network))
    last = {call.path: position for position, call in enumerate(calls)}
    readers = {call.came: call.path for call in calls if call.path in convolutions}
    grids: list[tuple[int, int]] = []
    layers: list[Layer] = []
    for position, call in enumerate(calls):
        if call.path in convolutions:
            if _grid(call):
                grids.append((call.shape[2], call.shape[3]))
            if last[call.path] == position and not _unfit(convolutions[call.path], call, readers):
                layers.append(Layer(layer_name(call.path), call.path))
        elif last[call.path] == position:
            layer = _layer(network, call, grids, input_size)
            # an attention block with channels first is one of a convolutional network, whose convolutions are listed
            layers += [layer] if isinstance(layer, Layer) and layer.form != "nchw" else []
    layers = _reachable(network, input_size, layers, grids)
    aliases = keras_names(architecture, [layer.name for layer in layers])
    return tuple(replace(layer, alias=aliases.get(layer.name, "")) for layer in layers)


def unserving(network: nn.Module, input_size: tuple[int, int], listed: Sequence[Layer]) -> dict[str, str]:
    """By name, why a convolution or an attention block is none of the listed layers and no part of one."""
    convolutions = {path: module for path, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    blocks = {
        path: module
        for path, module in attention_blocks(network).items()
        if not isinstance(module, nn.ModuleList | nn.ModuleDict)  # which hold blocks and never run themselves
    }
    calls = _record(network, input_size, convolutions | blocks)
    last = {call.path: call for call in calls}
    readers = {call.came: call.path for call in calls if call.path in convolutions}
    grids = [(call.shape[2], call.shape[3]) for call in calls if call.path in convolutions and _grid(call)]
    found: dict[str, str] = {}
    for path in convolutions | blocks:
        if any(f"{path}.".startswith(f"{layer.path}.") for layer in listed):
            continue
        if path not in last:
            reason = "it does not run"
        elif path in convolutions:
            reason = _unfit(convolutions[path], last[path], readers)
        else:
            layer = _layer(network, last[path], grids, input_size)
            reason = layer if isinstance(layer, str) else _PASSED_BY[layer.form == "nchw"]
        found[_called(network, path)] = reason
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
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    calls = _record(network, input_size, {**convolutions, path: network.get_submodule(path)})
    mine = [call for call in calls if call.path == path]
    grids = [(call.shape[2], call.shape[3]) for call in calls if call.path in convolutions and len(call.shape) == 4]
    layer = _layer(network, mine[-1], grids, input_size) if mine else "it does not run"
    if isinstance(layer, Layer) and not _grid_is_read(network, input_size, layer):
        layer = f"after it the network reads only its first tokens ({layer.prefix}), so that its grid has no gradient"
    if isinstance(layer, str):
        name = layer_name(path)
        raise BadTarget(
            f"layer {name!r} cannot serve: {layer}", "a grid of channels on the way to the scores",
            "take one of classifier.layers, such as the input or first norm of the last block",
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
        found = _layer(network, call, [], input_size) if len(call.shape) == 4 else ""
        if isinstance(found, Layer):
            return found
    return deepest


def _layer(network: nn.Module, call: _Call, grids: list[tuple[int, int]], input_size: tuple[int, int]) -> Layer | str:
    """The layer that a call makes, or why it makes none."""
    name, shape = layer_name(call.path), call.shape
    if not call.made:
        return "its output is not one tensor"
    if shape[0] == 1 and len(shape) == 4:
        form = form_of(network, call.path, shape)
        height, width = shape[2:] if form == "nchw" else shape[1:3]
        if height * width > 1:
            return Layer(name, call.path, form=form)
    if shape[0] == 1 and len(shape) == 3 and (found := token_grid(shape[1], grids, input_size)):
        prefix, grid = found
        return Layer(name, call.path, form="tokens", prefix=prefix, grid=grid)
    return f"its output for one image, of shape {shape}, has no spatial grid"


def _reachable(
    network: nn.Module, input_size: tuple[int, int], layers: list[Layer], grids: list[tuple[int, int]]
) -> list[Layer]:
    """The same layers, but for a last block whose grid nothing reads its first norm."""
    if not layers or _grid_is_read(network, input_size, layers[-1]):
        return layers
    *others, block = layers
    norms = {
        path: module
        for path, module in network.named_modules()
        if path.rpartition(".")[0] == block.path and "norm" in type(module).__name__.lower()
    }
    for call in _record(network, input_size, norms):
        norm = _layer(network, call, grids, input_size)
        if isinstance(norm, Layer) and _grid_is_read(network, input_size, norm):
            return [*others, norm]
    return others


def _grid_is_read(network: nn.Module, input_size: tuple[int, int], layer: Layer) -> bool:
    """Whether the scores change with what stands on the layer's grid; it can go unread only behind prefix tokens.

    An experiment rather than a gradient: it needs no graph, and no score that happens to be differentiable.
    """
    if layer.prefix == 0 or next(network.parameters()).device.type == "meta":
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


def _unfit(convolution: nn.Conv2d, call: _Call, readers: Mapping[int, str]) -> str:
    """Why a convolution cannot serve; "" if it can. `readers` are those that read an output, by its identity."""
    if not _grid(call):
        return "its output has no grid: it tells what was found and not where"
    # a depthwise one whose output goes straight into another one of the same unit
    reader = readers.get(call.made)
    depthwise = convolution.groups > 1 and convolution.groups == convolution.in_channels
    if depthwise and reader is not None and _parent(reader) == _parent(call.path):
        return "the first half of a separable convolution: the second half's output is the whole's"
    return ""


def _grid(call: _Call) -> bool:
    return len(call.shape) == 4 and call.shape[2] * call.shape[3] > 1


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
    device = next(network.parameters()).device
    with evaluating(network), torch.inference_mode():
        logits: Tensor = network(torch.zeros(1, 3, *input_size, device=device))
    return logits
