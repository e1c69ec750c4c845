"""A Keras graph as a torch network: one module for each layer, under its Keras name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.keras.build import build
from whyscan.models.keras.fields import Spec
from whyscan.models.keras.graph import MODELS, Call, Graph, LayerSpec, Ref, parse

_DEEPEST = 16


class KerasNetwork(nn.Module):
    """The layers of one model and the order in which they run. Images are (n, c, h, w) throughout.

    Attributes:
        keys: a module's name inside this one by its layer's name in Keras, where dots and others are allowed.
        input_size, channels, width: (height, width) of the images, their channels, and how many scores come out.
            Set for the outermost model only.
        shapes: of every tensor for an input of the size that the network was built for, batch of one first.
        answer: the last activation, which was taken off so that the network gives logits: "softmax", "sigmoid"
            or "" where there was none. Set for the outermost model only.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.keys: dict[str, str] = {}
        self.answer = ""
        self.input_size, self.channels, self.width = (0, 0), 0, 0
        self.shapes: dict[Ref, tuple[int, ...]] = {}
        self.inputs, self.outputs = list(graph.inputs), list(graph.outputs)
        self.steps: list[tuple[str, list[Ref], Ref, list[Ref]]] = []

    def put(self, name: str, module: nn.Module) -> None:
        key = "".join(each if each.isalnum() or each in "_-" else "_" for each in name) or "_"
        while hasattr(self, key):
            key += "_"
        self.keys[name] = key
        self.add_module(key, module)

    def layer(self, name: str) -> nn.Module:
        """The module of a layer of this model."""
        return self.get_submodule(self.keys[name])

    def forward(self, *tensors: Tensor) -> Any:
        values: dict[Ref, Tensor] = dict(zip(self.inputs, tensors, strict=True))
        modules = self._modules
        for key, came, made, spent in self.steps:
            module = modules[key]
            assert module is not None
            _keep(values, made, module(*[values[ref] for ref in came]))
            for ref in spent:
                del values[ref]
        out = tuple(values[ref] for ref in self.outputs)
        return out[0] if len(out) == 1 else out


def _keep(values: dict[Ref, Tensor], made: Ref, out: Any) -> None:
    for i, each in enumerate(out if isinstance(out, tuple) else (out,)):
        values[Ref(made.layer, made.call, i)] = each


def assemble(
    model: Mapping[str, Any], came: Sequence[Tensor], *, keras2: bool, where: str = "the model", depth: int = 0
) -> tuple[KerasNetwork, tuple[Tensor, ...]]:
    """A network on the meta device (shapes, no numbers), and what it makes of these inputs.

    Args:
        came: tensors on the meta device.

    Raises:
        BadModel: a layer is unknown or does not fit what comes into it.
    """
    if depth > _DEEPEST:
        raise BadModel(f"models are nested more than {_DEEPEST} deep", "fewer", "save the model flat")
    graph = parse(model, where)
    network = KerasNetwork(graph)
    if len(came) != len(network.inputs):
        raise BadModel(f"{where} has {len(network.inputs)} inputs", f"{len(came)}", "open a model of one image")
    values: dict[Ref, Tensor] = dict(zip(network.inputs, came, strict=True))
    for call in graph.calls:
        refs = [_found(ref, values, where) for ref in call.refs]
        tensors = [values[ref] for ref in refs]
        spec = graph.layers[call.layer]
        out: Any = None
        if call.layer not in network.keys:
            if spec.kind in MODELS:
                inner = {"class_name": spec.kind, "config": spec.config}
                module, out = assemble(inner, tensors, keras2=keras2, where=f"{spec.name!r}", depth=depth + 1)
                network.put(call.layer, module)
            else:
                network.put(call.layer, _made(spec, call, tensors, keras2))
        if out is None:
            out = _run(network.layer(call.layer), tensors, spec)
        made = Ref(call.layer, call.number, 0)
        _keep(values, made, out)
        network.steps.append((network.keys[call.layer], refs, made, []))
    network.shapes = {ref: tuple(x.shape) for ref, x in values.items()}
    network.outputs = [_found(ref, values, where) for ref in network.outputs]
    _free(network)
    return network, tuple(values[ref] for ref in network.outputs)


def _found(ref: Ref, values: Mapping[Ref, Tensor], where: str) -> Ref:
    """The same tensor; of a layer with one call, also where the file counts calls that another model made."""
    if ref in values:
        return ref
    mine = [each for each in values if each.layer == ref.layer and each.output == ref.output]
    if len(mine) != 1:
        raise BadModel(f"{where} takes an output of layer {ref.layer!r} that is not there", "one that was made before",
                       "save the model again")  # fmt: skip
    return mine[0]


def _made(spec: LayerSpec, call: Call, tensors: Sequence[Tensor], keras2: bool) -> nn.Module:
    config = spec.config if isinstance(spec.config, Mapping) else {}
    operands = tuple(None if isinstance(each, Ref) else each for each in call.operands)
    if not tensors:
        raise BadModel(f"layer {spec.name!r} has no inputs", "at least one", "save the model again")
    full = Spec(spec.name, spec.kind, config, [tuple(x.shape) for x in tensors], operands, call.options, keras2)
    try:
        with torch.device("meta"):
            return build(full).eval()
    except (RuntimeError, TypeError, ValueError, OverflowError, ZeroDivisionError, AttributeError, IndexError) as error:
        raise _misfit(spec, tensors, error) from error


def _run(module: nn.Module, tensors: Sequence[Tensor], spec: LayerSpec) -> Any:
    """The shapes that a layer makes of these, on the meta device.

    Where a shape is plain to see (norms, activations, sums, dense layers), torch is not asked: on the meta device it
    would first import its compiler, which takes two seconds. The layers know by `is_meta`.
    """
    if isinstance(module, nn.BatchNorm2d) and tensors[0].ndim == 4 and tensors[0].shape[1] == module.num_features:
        return tensors[0]
    try:
        with torch.no_grad(), torch.device("meta"):
            out = module(*tensors)
    except (RuntimeError, TypeError, ValueError, OverflowError, IndexError) as error:
        raise _misfit(spec, tensors, error) from error
    if any(size == 0 for each in (out if isinstance(out, tuple) else (out,)) for size in each.shape):
        raise _misfit(spec, tensors, ValueError("nothing is left of the image"))
    return out


def _misfit(spec: LayerSpec, tensors: Sequence[Tensor], error: Exception) -> BadModel:
    shapes = " and ".join(str(tuple(x.shape[1:])) for x in tensors)
    return BadModel(
        f"layer {spec.name!r} ({spec.kind}) cannot take {shapes}, channels first: {' '.join(str(error).split())[:160]}",
        "what it was made for", "check input_size, or save the model again",
    )  # fmt: skip


def _free(network: KerasNetwork) -> None:
    """Let go of every tensor after its last use."""
    kept = set(network.outputs)
    for _, came, made, spent in reversed(network.steps):
        for ref in [*came, made]:
            if ref not in kept:
                kept.add(ref)
                spent.append(ref)
