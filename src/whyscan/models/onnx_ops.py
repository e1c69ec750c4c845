"""ONNX operators as torch modules: those that convolutional networks are exported with.

Each builder takes the node's attributes and its constant inputs (None where an input is computed), and gives a module
that is called with the computed inputs. Semantics: the ONNX operator specification, opsets 7 to 23.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Constants = Sequence[Tensor | None]


class UnknownOperator(Exception):
    """An operator, or a form of it, for which there is no module; the message says which."""


@dataclass(frozen=True)
class Node:
    """What a builder may know.

    Attributes:
        op: the operator.
        attributes: as Python values; tensors as torch's.
        constants: for each input its value, or None where it is computed (or left out).
        opset: the version of the standard.
    """

    op: str
    attributes: Mapping[str, Any]
    constants: Constants
    opset: int

    def constant(self, position: int) -> Tensor | None:
        """The value of an input, None where it is left out or computed."""
        return self.constants[position] if position < len(self.constants) else None

    def numbers(self, name: str, position: int) -> list[int] | None:
        """A list of integers that was an attribute in older opsets and is an input in newer ones."""
        if name in self.attributes:
            return [int(value) for value in self.attributes[name]]
        found = self.constant(position)
        return None if found is None else [int(value) for value in found.flatten()]


class Function(nn.Module):
    """A module around a function without weights."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._function(*inputs)


class Padded(nn.Module):
    """Pad, then the module: for padding that the module itself cannot be told of."""

    def __init__(self, pads: Callable[[Tensor], list[int]], value: float, module: nn.Module) -> None:
        super().__init__()
        self._pads, self._value, self.inner = pads, value, module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(functional.pad(x, self._pads(x), value=self._value))
        return out


def padding(node: Node, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Any:
    """Symmetric padding as (top, left), or a function from the input to (left, right, top, bottom)."""
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):

        def same(x: Tensor) -> list[int]:
            out: list[int] = []
            for side, k, s, d in zip(x.shape[:1:-1], kernel[::-1], strides[::-1], dilations[::-1], strict=True):
                total = max((math.ceil(side / s) - 1) * s + (k - 1) * d + 1 - side, 0)
                small, large = total // 2, total - total // 2
                out += [small, large] if auto == "SAME_UPPER" else [large, small]
            return out

        return same
    pads = [0] * 4 if auto == "VALID" else list(node.attributes.get("pads", [0] * 4))
    top, left, bottom, right = pads
    return (top, left) if (top, left) == (bottom, right) else lambda _x: [left, right, top, bottom]


def conv(node: Node) -> nn.Module:
    weight, bias = node.constant(1), node.constant(2)
    if weight is None or weight.ndim != 4 or (len(node.constants) > 2 and bias is None):
        raise UnknownOperator("Conv whose kernel is computed or not of two dimensions")
    kernel, groups = tuple(weight.shape[2:]), int(node.attributes.get("group", 1))
    strides = tuple(node.attributes.get("strides", (1, 1)))
    dilations = tuple(node.attributes.get("dilations", (1, 1)))
    pads = padding(node, kernel, strides, dilations)
    plain = pads if isinstance(pads, tuple) else (0, 0)
    channels = weight.shape[1] * groups
    made = _empty(nn.Conv2d, channels, weight.shape[0], kernel, strides, plain, dilations, groups, bias is not None)
    made.weight.data.copy_(weight)
    if bias is not None:
        made.bias.data.copy_(bias)
    return cast(nn.Module, made) if isinstance(pads, tuple) else Padded(pads, 0.0, made)


def batch_normalization(node: Node) -> nn.Module:
    scale, shift, mean, variance = (node.constant(i) for i in range(1, 5))
    if scale is None or shift is None or mean is None or variance is None or node.attributes.get("training_mode"):
        raise UnknownOperator("BatchNormalization whose statistics are computed")
    made = nn.BatchNorm2d(len(scale), eps=float(node.attributes.get("epsilon", 1e-5)))
    for own, value in (
        (made.weight, scale),
        (made.bias, shift),
        (made.running_mean, mean),
        (made.running_var, variance),
    ):
        if own is not None:
            own.data.copy_(value)
    return _AnyBatchNorm(made)


class _AnyBatchNorm(nn.Module):
    """Batch normalisation in eval mode over channels of maps and of vectors alike."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x) if x.ndim == 4 else self.norm(x[:, :, None, None])[:, :, 0, 0]
        return out


def max_pool(node: Node) -> nn.Module:
    kernel, strides, dilations, ceil = _window(node)
    pads = padding(node, kernel, strides, dilations)
    plain = pads if isinstance(pads, tuple) else (0, 0)
    if isinstance(pads, tuple) and any(2 * pad > k for pad, k in zip(pads, kernel, strict=True)):
        raise UnknownOperator("MaxPool with padding of more than half its window")
    made = nn.MaxPool2d(kernel, strides, plain, dilations, ceil_mode=ceil)
    return made if isinstance(pads, tuple) else Padded(pads, -math.inf, made)


def average_pool(node: Node) -> nn.Module:
    kernel, strides, dilations, ceil = _window(node)
    if dilations != (1, 1):
        raise UnknownOperator("AveragePool with dilations")
    counted = bool(node.attributes.get("count_include_pad", 0))
    pads = padding(node, kernel, strides, dilations)
    if isinstance(pads, tuple):
        return nn.AvgPool2d(kernel, strides, pads, ceil, counted)
    if ceil:
        raise UnknownOperator("AveragePool with one-sided padding and ceil_mode")
    return Padded(pads, 0.0, nn.AvgPool2d(kernel, strides)) if counted else _MeanOfInside(kernel, strides, pads)


class _MeanOfInside(nn.Module):
    """Average pooling that leaves out what one-sided padding added."""

    def __init__(self, kernel: tuple[int, int], strides: tuple[int, int], pads: Callable[[Tensor], list[int]]) -> None:
        super().__init__()
        self._kernel, self._strides, self._pads = kernel, strides, pads

    def forward(self, x: Tensor) -> Tensor:
        pads = self._pads(x)
        total, inside = (
            functional.avg_pool2d(functional.pad(each, pads), self._kernel, self._strides)
            for each in (x, torch.ones_like(x[:1, :1]))
        )
        return total / inside


def _window(node: Node) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], bool]:
    kernel = tuple(node.attributes["kernel_shape"])
    if len(kernel) != 2:
        raise UnknownOperator(f"{node.op} over {len(kernel)} dimensions")
    strides, dilations = tuple(node.attributes.get("strides", (1, 1))), tuple(node.attributes.get("dilations", (1, 1)))
    kernel, strides, dilations = ((each[0], each[1]) for each in (kernel, strides, dilations))
    return kernel, strides, dilations, bool(node.attributes.get("ceil_mode", 0))


def gemm(node: Node) -> nn.Module:
    weight, bias = node.constant(1), node.constant(2)
    if (
        weight is None
        or weight.ndim != 2
        or (len(node.constants) > 2 and bias is None)
        or node.attributes.get("transA")
    ):
        raise UnknownOperator("Gemm of two computed matrices")
    weight = weight if node.attributes.get("transB") else weight.T
    weight = weight * float(node.attributes.get("alpha", 1.0))
    return _linear(weight, None if bias is None else bias * float(node.attributes.get("beta", 1.0)))


def matmul(node: Node) -> nn.Module:
    if (weight := node.constant(1)) is not None and weight.ndim == 2:
        return _linear(weight.T, None)
    return Fixed(torch.matmul, node.constants)


def _empty(kind: Callable[..., Any], *sizes: Any) -> Any:
    """A module whose weights are filled in next; making random ones would cost time and touch the generator."""
    return nn.utils.skip_init(kind, *sizes)  # type: ignore[no-untyped-call]


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    made = _empty(nn.Linear, weight.shape[1], weight.shape[0], bias is not None)
    made.weight.data.copy_(weight)
    if bias is not None:
        made.bias.data.copy_(bias.expand(weight.shape[0]))
    return cast(nn.Module, made)


class Fixed(nn.Module):
    """A function of the node's inputs, of which some are constants kept as buffers."""

    def __init__(self, function: Callable[..., Tensor], constants: Constants) -> None:
        super().__init__()
        self._function, self._count = function, len(constants)
        for position, value in enumerate(constants):
            if value is not None:
                self.register_buffer(f"input{position}", value)

    def forward(self, *computed: Tensor) -> Tensor:
        rest = iter(computed)
        inputs = [getattr(self, f"input{i}") if hasattr(self, f"input{i}") else next(rest) for i in range(self._count)]
        return self._function(*inputs)
