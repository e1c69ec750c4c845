"""The last activation of a network, taken off so that it answers with logits."""

from __future__ import annotations

from torch import nn

from whyscan.models.keras.activations import Activation
from whyscan.models.keras.graph import Ref
from whyscan.models.keras.network import KerasNetwork
from whyscan.models.keras.ops import Conv, Dense
from whyscan.models.keras.plain import Apply


def unhead(network: KerasNetwork) -> str:
    """Take a final softmax or sigmoid off; returns its name, or that of the activation that stays ("linear", "relu").

    It is found behind layers that only reshape or drop. A softmax over more than one place of an image stays, and so
    does one inside a layer that is used twice.
    """
    if len(network.outputs) != 1:
        return "linear"
    return _follow(network, network.outputs[0])


def _follow(network: KerasNetwork, ref: Ref) -> str:
    step = next((step for step in network.steps if step[2].layer == ref.layer and step[2].call == ref.call), None)
    if step is None:
        return "linear"
    key, came, made, _ = step
    module = network.get_submodule(key)
    if isinstance(module, KerasNetwork):
        return unhead(module)
    if isinstance(module, nn.Identity | nn.Dropout) or (isinstance(module, Apply) and module.passes):
        return _follow(network, came[0])
    if isinstance(module, Activation) and module.kind == "linear":
        return _follow(network, came[0])
    shape = network.shapes[made]
    alone = sum(each[0] == key for each in network.steps) == 1
    flat = len(shape) == 2 or (len(shape) == 4 and shape[2] * shape[3] == 1)
    return _take_off(module) if alone and flat else "linear"


def _take_off(module: nn.Module) -> str:
    if isinstance(module, Activation):
        kind = module.kind
        if kind in ("softmax", "sigmoid"):
            module.kind, module.function = "linear", lambda x: x
        return kind
    if isinstance(module, Conv):
        kind = module.kind
        if kind in ("softmax", "sigmoid"):
            module.act, module.kind = None, "linear"
        return kind
    if isinstance(module, Dense) and module.act is not None:
        kind = module.act.kind
        if kind in ("softmax", "sigmoid"):
            module.act = None
        return kind
    return "linear"
