"""Keras's activation functions by name. Some changed between Keras 2 and 3: the file's version decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE

Function = Callable[[Tensor], Tensor]


def last(x: Tensor) -> int:
    """Where Keras's last axis is: an image's channels are torch's second axis."""
    return 1 if x.ndim == 4 else -1


def hard_sigmoid_2(x: Tensor) -> Tensor:
    """Keras 2: clip(0.2 x + 0.5, 0, 1)."""
    return (0.2 * x + 0.5).clamp(0, 1)


_FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "linear": lambda x: x,
        "relu": F.relu,
        "relu6": F.relu6,
        "sigmoid": lambda x: x.sigmoid(),
        "tanh": lambda x: x.tanh(),
        "softmax": lambda x: x.softmax(last(x)),
        "log_softmax": lambda x: x.log_softmax(last(x)),
        "silu": F.silu,
        "swish": F.silu,
        "gelu": F.gelu,
        "elu": F.elu,
        "selu": F.selu,
        "softplus": F.softplus,
        "softsign": F.softsign,
        "mish": F.mish,
        "exponential": lambda x: x.exp(),
        "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
        "log_sigmoid": F.logsigmoid,
        "hard_sigmoid": F.hardsigmoid,
        "hard_silu": F.hardswish,
        "hard_swish": F.hardswish,
        "hard_tanh": F.hardtanh,
        "tanh_shrink": F.tanhshrink,
        "soft_shrink": F.softshrink,
        "hard_shrink": F.hardshrink,
        "squareplus": lambda x: (x + (x * x + 4).sqrt()) / 2,
    }
)
_KERAS_2: Mapping[str, Function] = MappingProxyType({"hard_sigmoid": hard_sigmoid_2})


def name_of(value: Any, layer: str) -> str:
    """The name in an `activation` field: a string, None, or an object with a registered name.

    Raises:
        BadModel: it is none of these.
    """
    if value is None:
        return "linear"
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else str(value.get("class_name", ""))
    if isinstance(value, str) and value:
        known = {"ReLU": "relu", "Softmax": "softmax", "Sigmoid": "sigmoid"}
        return known.get(value, value)
    raise _unknown(value, layer)


class Activation(nn.Module):
    """One activation function."""

    def __init__(self, name: str, layer: str, *, keras2: bool = False) -> None:
        super().__init__()
        function = (_KERAS_2.get(name) if keras2 else None) or _FUNCTIONS.get(name)
        if function is None:
            raise _unknown(name, layer)
        self.kind, self.function = name, function

    def forward(self, x: Tensor) -> Tensor:
        return x if x.is_meta else self.function(x)


def activation(value: Any, layer: str, *, keras2: bool) -> Activation | None:
    """The activation that a layer's config asks for, None for a linear one."""
    name = name_of(value, layer)
    return None if name == "linear" else Activation(name, layer, keras2=keras2)


def _unknown(value: Any, layer: str) -> BadModel:
    return BadModel(
        f"layer {layer!r} has the activation {str(value)[:80]!r}",
        f"one of Keras's own: {', '.join(sorted(_FUNCTIONS))}",
        f"a function of one's own cannot be read from a file: use one of these, or {FROM_OUTSIDE}",
    )
