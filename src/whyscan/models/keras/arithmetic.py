"""Operations in the graph that are no layers: `x / 127.5` as Keras 3 (Divide), TF 2.4 on (TFOpLambda) and before
(TensorFlowOpLayer) write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE
from whyscan.models.keras import plain
from whyscan.models.keras.activations import Activation
from whyscan.models.keras.fields import Spec

_TWO: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "maximum": lambda a, b: torch.maximum(torch.as_tensor(a), torch.as_tensor(b)),
        "minimum": lambda a, b: torch.minimum(torch.as_tensor(a), torch.as_tensor(b)),
    }
)
_SAME = {
    "sub": "subtract", "mul": "multiply", "truediv": "divide", "true_divide": "divide", "div": "divide",
    "addv2": "add", "biasadd": "add", "realdiv": "divide", "truedivide": "divide",
}  # fmt: skip
_ONE = ("relu", "relu6", "sigmoid", "tanh", "softmax", "silu", "swish", "gelu", "elu", "hard_sigmoid", "hard_silu")

OPERATIONS = frozenset(
    {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Mean", "Relu", "Relu6", "Sigmoid",
     "Tanh", "Softmax", "Silu", "Gelu", "Elu", "HardSigmoid", "HardSilu", "Reshape", "Cast"}
)  # fmt: skip
"""Keras 3's operations by their class; several are layers too."""


def operation(spec: Spec) -> nn.Module:
    """The module of one operation.

    Raises:
        BadModel: it is not known.
    """
    name, operands = _called(spec)
    snake = "".join(f"_{each.lower()}" if each.isupper() else each for each in name).strip("_")
    plainly = name.lower().rsplit(".", 1)[-1]
    for each in (snake, plainly, _SAME.get(plainly, "")):
        if each in _TWO and len(operands) == 2:
            return plain.Arithmetic(_TWO[each], operands)
        if each in _ONE and len(operands) == 1:
            return Activation(each, spec.name)
        if each in ("cast", "identity") and len(spec.shapes) == 1:
            return nn.Identity()
        if each in ("mean", "reduce_mean") and len(spec.shapes) == 1:
            axes = spec.options.get("axis", spec.config.get("axis"))
            keep = bool(spec.options.get("keepdims", spec.config.get("keepdims", False)))
            if isinstance(axes, int | list | tuple):
                return plain.Apply(plain.mean([axes] if isinstance(axes, int) else axes, keep, spec.name))
        if each == "reshape" and isinstance(shape := spec.options.get("newshape", spec.config.get("newshape")), list):
            return plain.Apply(plain.reshape([int(size or -1) for size in shape[1:]]), passes=True)
    raise BadModel(
        f"layer {spec.name!r} is the operation {name}, which is not known ({spec.kind})",
        f"one of {', '.join([*_TWO, *_ONE, 'mean', 'reshape', 'cast'])}",
        f"export the model without it, or {FROM_OUTSIDE}",
    )


def _called(spec: Spec) -> tuple[str, list[Any]]:
    """The function's name and its operands, None for a tensor."""
    operands = [*spec.operands, *(spec.options[key] for key in ("y", "x2") if key in spec.options)]
    if spec.kind == "TFOpLambda":
        return str(spec.config.get("function", "")), operands
    if spec.kind == "TensorFlowOpLayer":
        node = spec.config.get("node_def")
        name = str(node.get("op", "")) if isinstance(node, Mapping) else str(node)[:40]
        operands = list(operands)
        for place, value in sorted((spec.config.get("constants") or {}).items()):
            operands.insert(int(place), value)
        return name, operands
    return (str(spec.config.get("function", "slicing")) if spec.kind == "SlicingOpLambda" else spec.kind), operands
