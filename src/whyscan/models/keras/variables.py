"""Which variables a Keras layer has, in Keras's own order: how positions in a file become names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from whyscan.errors import BadModel
from whyscan.models.keras.spec import LayerPath

MODELS = frozenset({"Functional", "Model", "Sequential"})
_DEEPEST = 16

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A layer that is no model.

    Attributes:
        path: names from the outside in.
        kind: its class.
        trainable, fixed: its variables that are learnt, if the layer is not frozen, and those that never are.
        frozen: whether it, or a model around it, is not trainable: then Keras lists all of them as not trainable.
    """

    path: LayerPath
    kind: str
    trainable: tuple[str, ...]
    fixed: tuple[str, ...]
    frozen: bool

    @property
    def variables(self) -> tuple[str, ...]:
        return (*self.trainable, *self.fixed)


def members(model: Config) -> Sequence[Config]:
    """The layers of {"class_name", "config"}; Keras 2.2 writes a Sequential as a bare list.

    Raises:
        BadModel: it has none, or one that is not {"class_name", "config"}.
    """
    config = model.get("config")
    layers = config if isinstance(config, list) else config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or not all(_is_layer(each) for each in layers):
        raise BadModel(f"the model {name_of(model)!r} lists no layers", "a graph of layers", "save the model again")
    return layers


def name_of(layer: Config) -> str:
    config = layer.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(inner or layer.get("name") or "")


def leaves(model: Config, before: LayerPath = (), frozen: bool = False) -> Iterator[Leaf]:
    """Every layer that is no model, in the order of the file."""
    if len(before) > _DEEPEST:
        raise BadModel(f"models nested deeper than {_DEEPEST}", "a model as people build them", "flatten the model")
    for layer in members(model):
        path = (*before, name_of(layer))
        still = frozen or layer["config"].get("trainable") is False if isinstance(layer["config"], dict) else frozen
        if layer["class_name"] in MODELS:
            yield from leaves(layer, path, still)
        else:
            trainable, fixed = variables(layer["class_name"], layer["config"])
            yield Leaf(path, layer["class_name"], trainable, fixed, still)


def variables(kind: str, config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(learnt, not learnt) of a layer's class; () and () where it has none or is not known."""
    found = _VARIABLES.get(kind)
    return found(config) if found else ((), ())


def _is_layer(layer: Any) -> bool:
    return (
        isinstance(layer, dict)
        and isinstance(layer.get("class_name"), str)
        and isinstance(layer.get("config"), dict | list)
    )


def _with_bias(*names: str) -> Callable[[Config], tuple[tuple[str, ...], tuple[str, ...]]]:
    return lambda config: ((*names, "bias") if config.get("use_bias", True) else names, ())


def _scaled(*fixed: str) -> Callable[[Config], tuple[tuple[str, ...], tuple[str, ...]]]:
    def found(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
        learnt = [name for name, flag in (("gamma", "scale"), ("beta", "center")) if config.get(flag, True)]
        return tuple(learnt), fixed

    return found


_VARIABLES: Mapping[str, Callable[[Config], tuple[tuple[str, ...], tuple[str, ...]]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv1DTranspose", "Conv3DTranspose", "Dense"),
            _with_bias("kernel"),
        ),
        "DepthwiseConv2D": _with_bias("depthwise_kernel"),
        "SeparableConv2D": _with_bias("depthwise_kernel", "pointwise_kernel"),
        "SeparableConv1D": _with_bias("depthwise_kernel", "pointwise_kernel"),
        "BatchNormalization": _scaled("moving_mean", "moving_variance"),
        "BatchNormalizationV1": _scaled("moving_mean", "moving_variance"),
        "BatchNormalizationV2": _scaled("moving_mean", "moving_variance"),
        "SyncBatchNormalization": _scaled("moving_mean", "moving_variance"),
        "LayerNormalization": _scaled(),
        "GroupNormalization": _scaled(),
        # given in the graph, or adapted to data and then stored
        "Normalization": lambda config: ((), () if config.get("mean") is not None else ("mean", "variance", "count")),
        "PReLU": lambda _: (("alpha",), ()),
        "LayerScale": lambda _: (("gamma",), ()),
    }
)
