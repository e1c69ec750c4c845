"""Which module stands for which ONNX operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from whyscan.models import onnx_ops as ops
from whyscan.models.onnx_ops import Fixed, Function, Node, UnknownOperator

Builder = Callable[[Node], nn.Module]


def _plain(module: Callable[[], nn.Module]) -> Builder:
    return lambda _node: module()


def _fixed(function: Callable[..., Tensor]) -> Builder:
    return lambda node: Fixed(function, node.constants)


def _clip(node: Node) -> nn.Module:
    low, high = (
        node.attributes.get(name, value if (value := node.constant(i)) is None else float(value))
        for name, i in (("min", 1), ("max", 2))
    )
    if any(i < len(node.constants) and node.constants[i] is None and limit is None for i, limit in ((2, high),)):
        raise UnknownOperator("Clip whose limits are computed")
    if (low, high) == (0.0, 6.0):
        return nn.ReLU6()
    return Function(lambda x: x.clamp(low, high))


def _reduce_mean(node: Node) -> nn.Module:
    axes, keep = node.numbers("axes", 1), bool(node.attributes.get("keepdims", 1))
    if not axes:
        raise UnknownOperator("ReduceMean over all axes")
    return Function(lambda x: x.mean(axes, keepdim=keep))


def _flatten(node: Node) -> nn.Module:
    if (axis := int(node.attributes.get("axis", 1))) != 1:
        raise UnknownOperator(f"Flatten at axis {axis}")
    return nn.Flatten(1)


def _reshape(node: Node) -> nn.Module:
    zero, one = not node.attributes.get("allowzero", 0), bool(node.attributes.get("one_is_batch"))

    def reshape(x: Tensor, shape: Tensor) -> Tensor:
        sides = [x.shape[i] if side == 0 and zero else int(side) for i, side in enumerate(shape.tolist())]
        if one and sides[0] == 1:  # the file was written for one image at a time; here there may be several
            sides[0] = x.shape[0]
        return x.reshape(sides)

    return Fixed(reshape, node.constants)


def _transpose(node: Node) -> nn.Module:
    order = [int(i) for i in node.attributes["perm"]]
    return Function(lambda x: x.permute(order))


def _squeeze(node: Node) -> nn.Module:
    axes = node.numbers("axes", 1)
    if not axes:
        raise UnknownOperator("Squeeze of every axis")
    return Function(lambda x: x.squeeze(tuple(axes)))


def _unsqueeze(node: Node) -> nn.Module:
    axes = node.numbers("axes", 1)

    def unsqueeze(x: Tensor) -> Tensor:
        for axis in sorted(axis % (x.ndim + len(axes or ())) for axis in axes or ()):
            x = x.unsqueeze(axis)
        return x

    return Function(unsqueeze)


def _concat(node: Node) -> nn.Module:
    axis = int(node.attributes["axis"])
    return Fixed(lambda *parts: torch.cat(parts, axis), node.constants)


def _softmax(node: Node, log: bool = False) -> nn.Module:
    axis = int(node.attributes.get("axis", 1 if node.opset < 13 else -1))
    return nn.LogSoftmax(axis) if log else nn.Softmax(axis)


def _pad(node: Node) -> nn.Module:
    pads, value = node.numbers("pads", 1), node.constant(2)
    mode = node.attributes.get("mode", "constant")
    if pads is None or node.constant(3) is not None or mode not in ("constant", "reflect", "edge"):
        raise UnknownOperator(f"Pad in mode {mode}, or by computed sides")
    half = len(pads) // 2
    torch_pads = [side for axis in reversed(range(half)) for side in (pads[axis], pads[axis + half])]
    fill = float(value) if value is not None else float(node.attributes.get("value", 0.0))
    if mode == "constant":
        return Function(lambda x: functional.pad(x, torch_pads, value=fill))
    if any(torch_pads[4:]):
        raise UnknownOperator(f"Pad in mode {mode} of more than the image's sides")
    return Function(lambda x: functional.pad(x, torch_pads[:4], mode={"edge": "replicate"}.get(mode, mode)))


def _layer_norm(node: Node) -> nn.Module:
    if int(node.attributes.get("axis", -1)) != -1:
        raise UnknownOperator("LayerNormalization over more than the last axis")
    eps = float(node.attributes.get("epsilon", 1e-5))
    return Fixed(lambda x, w, b=None: functional.layer_norm(x, x.shape[-1:], w, b, eps), node.constants)


def _hard_sigmoid(node: Node) -> nn.Module:
    alpha, beta = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
    return Function(lambda x: (alpha * x + beta).clamp(0, 1))


def _gather(node: Node) -> nn.Module:
    axis = int(node.attributes.get("axis", 0))

    def gather(x: Tensor, where: Tensor) -> Tensor:
        picked = x.index_select(axis, where.flatten() % x.shape[axis])
        place = axis % x.ndim
        return picked.reshape(*x.shape[:place], *where.shape, *x.shape[place + 1 :])

    return Fixed(gather, node.constants)


def _slice(node: Node) -> nn.Module:
    ends = [node.attributes.get(key) for key in ("starts", "ends", "axes")]
    constants = [node.constants[0], *(torch.tensor(each) for each in ends if each)] if ends[0] else node.constants

    def cut(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
        where = [slice(None)] * x.ndim
        pairs = zip(starts.flatten().tolist(), ends.flatten().tolist(), strict=True)
        for i, (start, end) in enumerate(pairs):
            where[i if axes is None else int(axes[i])] = slice(start, end, 1 if steps is None else int(steps[i]))
        return x[tuple(where)]

    return Fixed(cut, constants)


def _cast(node: Node) -> nn.Module:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if (kind := kinds.get(int(node.attributes["to"]))) is None:
        raise UnknownOperator(f"Cast to type {node.attributes['to']}")
    return Fixed(lambda x: x.to(kind), node.constants)


def _gelu(node: Node) -> nn.Module:
    return nn.GELU(approximate=node.attributes.get("approximate", "none"))


TABLE: Mapping[str, Builder] = MappingProxyType(
    {
        "Conv": ops.conv, "BatchNormalization": ops.batch_normalization, "MaxPool": ops.max_pool,
        "AveragePool": ops.average_pool, "Gemm": ops.gemm, "MatMul": ops.matmul,
        "Relu": _plain(nn.ReLU), "Sigmoid": _plain(nn.Sigmoid), "Tanh": _plain(nn.Tanh),
        "Softplus": _plain(nn.Softplus), "HardSwish": _plain(nn.Hardswish), "Identity": _plain(nn.Identity),
        "Dropout": _plain(nn.Identity), "Mish": _plain(nn.Mish), "Gelu": _gelu,
        "LeakyRelu": lambda node: nn.LeakyReLU(float(node.attributes.get("alpha", 0.01))),
        "Elu": lambda node: nn.ELU(float(node.attributes.get("alpha", 1.0))), "HardSigmoid": _hard_sigmoid,
        "PRelu": _fixed(lambda x, slope: torch.where(x < 0, x * slope, x)), "Clip": _clip,
        "Add": _fixed(torch.add), "Sub": _fixed(torch.sub), "Mul": _fixed(torch.mul), "Div": _fixed(torch.div),
        "Pow": _fixed(torch.pow), "Sqrt": _fixed(torch.sqrt), "Erf": _fixed(torch.erf), "Exp": _fixed(torch.exp),
        "Neg": _fixed(torch.neg), "Abs": _fixed(torch.abs), "Log": _fixed(torch.log),
        "Max": _fixed(torch.maximum), "Min": _fixed(torch.minimum), "Reciprocal": _fixed(torch.reciprocal),
        "GlobalAveragePool": lambda _node: nn.AdaptiveAvgPool2d(1),
        "GlobalMaxPool": lambda _node: nn.AdaptiveMaxPool2d(1),
        "ReduceMean": _reduce_mean, "Flatten": _flatten, "Reshape": _reshape, "Transpose": _transpose,
        "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Concat": _concat, "Softmax": _softmax,
        "LogSoftmax": lambda node: _softmax(node, log=True), "Pad": _pad, "LayerNormalization": _layer_norm,
        "Shape": lambda _node: Function(lambda x: torch.tensor(x.shape)), "Gather": _gather, "Slice": _slice,
        "Cast": _cast,
    }
)  # fmt: skip


def build(node: Node) -> nn.Module:
    """The module for a node.

    Raises:
        UnknownOperator: there is none.
    """
    if node.op not in TABLE:
        raise UnknownOperator(f"operator {node.op}")
    try:
        return TABLE[node.op](node)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise UnknownOperator(f"{node.op}: {type(error).__name__} {error}") from error


def attributes(proto: Any) -> dict[str, Any]:
    """A node's attributes as Python values."""
    import onnx

    found: dict[str, Any] = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = tensor(value)
        found[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return found


def tensor(proto: Any) -> Tensor:
    """A tensor of the file, copied.

    Raises:
        UnknownOperator: its type is none of torch's, or its values are fewer than its shape says.
    """
    import onnx

    try:
        values = onnx.numpy_helper.to_array(proto)
        if values.size != math.prod(proto.dims):
            raise ValueError("fewer values than its shape says")
        return torch.from_numpy(values.copy())
    except (TypeError, ValueError, KeyError) as error:
        raise UnknownOperator(f"tensor {proto.name!r}: {error}") from error
