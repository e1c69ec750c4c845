"""Keras's layers without weights as torch modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE
from whyscan.models.keras.axes import aligned, axis, inwards, outwards


class Apply(nn.Module):
    """A function of one tensor.

    Args:
        passes: whether only the order of the numbers changes, so that a softmax before it is still the last step.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], *, passes: bool = False) -> None:
        super().__init__()
        self.function, self.passes = function, passes

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Drop(nn.Module):
    """Dropout whose mask is shared along some axes: that of a whole image is stochastic depth."""

    def __init__(self, rate: float, shared: Sequence[bool]) -> None:
        super().__init__()
        self.rate, self.shared = rate, tuple(shared)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        shape = [1 if shared else size for shared, size in zip(self.shared, x.shape, strict=True)]
        return x * F.dropout(x.new_ones(shape), self.rate, training=True)


class Noise(nn.Module):
    """Gaussian noise while training: added, or multiplied around 1."""

    def __init__(self, deviation: float, *, factor: bool) -> None:
        super().__init__()
        self.deviation, self.factor = deviation, factor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        noise = torch.randn_like(x) * self.deviation
        return x * (1 + noise) if self.factor else x + noise


class Merge(nn.Module):
    """Add, Multiply, Average and the like: several tensors, element by element."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], *, mean: bool = False) -> None:
        super().__init__()
        self.function, self.mean = function, mean

    def forward(self, *tensors: Tensor) -> Tensor:
        same = aligned(list(tensors))
        if same[0].is_meta:
            return same[0].new_empty(np.broadcast_shapes(*(tuple(x.shape) for x in same)))
        out = reduce(self.function, same)
        return out / len(tensors) if self.mean else out


class Join(nn.Module):
    """Concatenate along one of Keras's axes."""

    def __init__(self, number: int, layer: str) -> None:
        super().__init__()
        self.number, self.layer = number, layer

    def forward(self, *tensors: Tensor) -> Tensor:
        return torch.cat(tensors, axis(self.number, tensors[0].ndim, self.layer))


class Scaled(nn.Module):
    """keras.applications' CustomScaleLayer: the first plus a multiple of the second."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second * self.scale


class Rescaling(nn.Module):
    """x * scale + offset, where either may be a number for every channel."""

    def __init__(self, scale: Sequence[float], offset: Sequence[float]) -> None:
        super().__init__()
        self.scale, self.offset = tuple(scale), tuple(offset)

    def forward(self, x: Tensor) -> Tensor:
        if len(self.scale) == len(self.offset) == 1:
            return x * self.scale[0] + self.offset[0]
        shape = (-1, 1, 1) if x.ndim == 4 else (-1,)
        return x * x.new_tensor(self.scale).view(shape) + x.new_tensor(self.offset).view(shape)


class Arithmetic(nn.Module):
    """An operation in the graph, such as `x / 127.5`: what is None among the operands is a tensor of the graph."""

    def __init__(self, function: Callable[[Any, Any], Any], operands: Sequence[Any]) -> None:
        super().__init__()
        self.function, self.operands = function, tuple(operands)

    def forward(self, *tensors: Tensor) -> Tensor:
        rest = iter(aligned(list(tensors)))
        rank = max(x.ndim for x in tensors)
        first, second = (next(rest) if each is None else _constant(each, tensors[0], rank) for each in self.operands)
        return torch.as_tensor(self.function(first, second))


def _constant(value: Any, like: Tensor, rank: int) -> Any:
    if isinstance(value, int | float):
        return value
    made = like.new_tensor(value)
    return made.view((1,) * (4 - made.ndim) + tuple(made.shape)).permute(0, 3, 1, 2) if rank == 4 else made


def relu(limit: float | None, slope: float, threshold: float) -> Callable[[Tensor], Tensor]:
    """Keras's ReLU layer: x at or above the threshold (no more than the limit), slope * (x - threshold) below."""
    if slope == 0 and threshold == 0:
        if limit is None:
            return F.relu
        return lambda x: x.clamp(0, limit)
    high = math.inf if limit is None else limit
    return lambda x: torch.where(x >= threshold, x.clamp_max(high), slope * (x - threshold))


def reshape(shape: Sequence[int]) -> Callable[[Tensor], Tensor]:
    return lambda x: inwards(outwards(x).reshape(x.shape[0], *shape))


def flatten(x: Tensor) -> Tensor:
    """In Keras's order: channels change fastest."""
    return outwards(x).flatten(1)


def permute(dims: Sequence[int]) -> Callable[[Tensor], Tensor]:
    return lambda x: inwards(outwards(x).permute(0, *dims))


def mean(axes: Sequence[int], keep: bool, layer: str) -> Callable[[Tensor], Tensor]:
    """The mean over Keras's axes: those of an image are kept, or all of its places are pooled."""

    def function(x: Tensor) -> Tensor:
        over = sorted(axis(each, x.ndim, layer) for each in axes)
        if x.ndim == 4 and not keep and over != [2, 3]:
            raise BadModel(
                f"layer {layer!r} averages over axes {list(axes)}", "height and width", "use a pooling layer"
            )
        return x.mean(over, keepdim=keep)

    return function


def dot(axes: tuple[int, int], normalize: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """Keras's Dot of two (n, d)."""

    def function(first: Tensor, second: Tensor) -> Tensor:
        if first.ndim != 2 or second.ndim != 2 or {axis % 2 for axis in axes} != {1}:
            raise BadModel("a Dot layer of more than vectors", "two tensors (n, d)", FROM_OUTSIDE)
        if normalize:
            first, second = (x * torch.rsqrt((x * x).sum(1, keepdim=True).clamp_min(1e-12)) for x in (first, second))
        return (first * second).sum(1, keepdim=True)

    return function
