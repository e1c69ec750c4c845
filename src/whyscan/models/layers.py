"""Which layers a network has: the outputs of its convolutions, in the order in which they are computed.

Convolutions rather than blocks, because several backbones change a block's output in place (`+=`, in-place ReLU)
after it was computed, and a map would then mix two layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from whyscan.models.classifier import Layer
from whyscan.models.keras_names import keras_names

_TRUNK = "trunk."


@dataclass(frozen=True, slots=True)
class _Call:
    path: str
    depthwise: bool
    came: int
    made: int
    spatial: bool


def find_layers(network: nn.Module, input_size: tuple[int, int], architecture: str = "") -> tuple[Layer, ...]:
    """Every convolution whose output has a spatial grid of more than 1x1, shallow to deep.

    One forward pass on an empty image tells the order and the grids. Squeeze-and-excitation convolutions have
    no grid and are left out. Of a separable convolution with nothing between its two halves, only the pointwise
    half counts: it is the unit's output (what keras calls SeparableConv2D), and the depthwise half has not yet
    mixed the channels. A module that is called several times is listed once, where it was called last, since
    that output is the one a hook sees.

    Args:
        input_size: (height, width) in pixels.
        architecture: timm's name of the trunk; where keras.applications has the same one, layers get its names.
    """
    calls = _record(network, input_size)
    last = {call.path: position for position, call in enumerate(calls)}
    pointwise_inputs = {call.came: call.path for call in calls}
    paths = [
        call.path
        for position, call in enumerate(calls)
        if call.spatial and last[call.path] == position and not _fused(call, pointwise_inputs)
    ]
    names = [path.removeprefix(_TRUNK) for path in paths]
    aliases = keras_names(architecture, names)
    return tuple(Layer(name, path, aliases.get(name, "")) for name, path in zip(names, paths, strict=True))


def _fused(call: _Call, inputs: dict[int, str]) -> bool:
    """A depthwise convolution whose output goes straight into another one of the same unit."""
    reader = inputs.get(call.made)
    return call.depthwise and reader is not None and _parent(reader) == _parent(call.path)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _record(network: nn.Module, input_size: tuple[int, int]) -> list[_Call]:
    calls: list[_Call] = []
    kept: list[Tensor] = []  # keeps every tensor alive, so that no two of them share an id
    handles = []

    def watch(path: str, convolution: nn.Conv2d) -> None:
        depthwise = convolution.groups > 1 and convolution.groups == convolution.in_channels

        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            kept.extend((inputs[0], output))
            spatial = output.ndim == 4 and output.shape[2] * output.shape[3] > 1
            calls.append(_Call(path, depthwise, id(inputs[0]), id(output), spatial))

        handles.append(convolution.register_forward_hook(hook))

    try:
        for path, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                watch(path, module)
        device = next(network.parameters()).device
        with evaluating(network), torch.inference_mode():
            network(torch.zeros(1, 3, *input_size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return calls


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module in eval mode, then each back in the mode it was in (some may be frozen on purpose)."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
