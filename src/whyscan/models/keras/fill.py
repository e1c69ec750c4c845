"""Keras's variables into the torch modules of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.keras.network import KerasNetwork
from whyscan.models.keras.ops import Conv, Dense, LayerNorm, LayerScale, Normalization, PReLU, Transpose
from whyscan.models.keras.spec import LayerPath, Variables

_IGNORED = frozenset({"count", "seed_generator_state"})


@dataclass(frozen=True, slots=True)
class _Slot:
    """A tensor of a module: under which names Keras knows it, and how its axes go. Optional ones have a default."""

    names: tuple[str, ...]
    owner: nn.Module
    attribute: str
    turn: Callable[[Tensor], Tensor]
    default: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(getattr(self.owner, self.attribute).shape)


def layers(network: KerasNetwork, before: LayerPath = ()) -> Iterator[tuple[LayerPath, nn.Module]]:
    """Every layer that is no model, by its path."""
    for name in network.keys:
        module = network.layer(name)
        if isinstance(module, KerasNetwork):
            yield from layers(module, (*before, name))
        else:
            yield (*before, name), module


def fill(network: KerasNetwork, weights: Mapping[LayerPath, Variables]) -> None:
    """Put the file's numbers into a network that is still on the meta device.

    Raises:
        BadModel: a variable is missing, unexpected, of another shape or not finite.
    """
    for path, module in layers(network):
        slots = _slots(module)
        rest = dict(weights.get(path, {})) if slots else {}
        for slot in slots:
            name = next((name for name in slot.names if name in rest), None)
            if isinstance(module, LayerScale) and len(rest) == 1:
                name = next(iter(rest))  # keras.applications leaves it without a name: "variable", "variable_1"...
            if name is not None:
                _put(slot, _turned(path, name, rest.pop(name), slot))
            elif slot.default is not None:
                _put(slot, torch.full(slot.shape, slot.default))
            else:
                raise _bad(path, f"no {slot.names[0]}", f"shape {slot.shape}")
        if extra := sorted(set(rest) - _IGNORED):
            raise _bad(path, f"a variable {extra[0]}", "none of that name")
    _settle(network)


def reset(network: KerasNetwork) -> None:
    """Numbers for a network without weights, to be trained or overwritten: torch's own, always the same."""
    network.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for module in network.modules():
            if callable(start := getattr(module, "reset_parameters", None)):
                start()


def _settle(network: KerasNetwork) -> None:
    for module in network.modules():
        if isinstance(module, Normalization) and module.mean.is_meta:
            module.to_empty(device="cpu")
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.num_batches_tracked = torch.tensor(0)


def _turned(path: LayerPath, name: str, array: np.ndarray, slot: _Slot) -> Tensor:
    value = torch.from_numpy(np.array(array, np.float32))  # a copy: the network must not write into the file's arrays
    try:
        value = slot.turn(value).contiguous()
    except (RuntimeError, IndexError) as error:
        raise _bad(path, f"{name} of shape {array.shape}", f"one that becomes {slot.shape}") from error
    if tuple(value.shape) != slot.shape:
        raise _bad(path, f"{name} of shape {array.shape}", f"one that becomes {slot.shape}")
    if not bool(torch.isfinite(value).all()):
        raise _bad(path, f"{name} with NaN or infinity", "finite numbers")
    return value


def _put(slot: _Slot, value: Tensor) -> None:
    before = getattr(slot.owner, slot.attribute)
    if isinstance(before, nn.Parameter):
        setattr(slot.owner, slot.attribute, nn.Parameter(value, requires_grad=before.requires_grad))
    else:
        setattr(slot.owner, slot.attribute, value)


def _same(x: Tensor) -> Tensor:
    return x


def _convolution(x: Tensor) -> Tensor:
    return x.permute(3, 2, 0, 1)


def _depthwise(x: Tensor) -> Tensor:
    """(h, w, in, multiplier) -> (in * multiplier, 1, h, w)."""
    return x.permute(2, 3, 0, 1).reshape(-1, 1, *x.shape[:2])


def _transposed(x: Tensor) -> Tensor:
    return x.t()


def _slots(module: nn.Module) -> list[_Slot]:
    """What a layer needs from the file."""
    if isinstance(module, Conv):
        turn = _depthwise if module.depthwise else _convolution
        names = ("depthwise_kernel", "kernel") if module.depthwise else ("kernel",)
        slots = [_Slot(names, module.conv, "weight", turn)]
        if module.pointwise is not None:
            slots.append(_Slot(("pointwise_kernel",), module.pointwise, "weight", _convolution))
        return slots + _bias(module.pointwise if module.pointwise is not None else module.conv)
    if isinstance(module, Transpose):
        return [_Slot(("kernel",), module.conv, "weight", _convolution), *_bias(module.conv)]
    if isinstance(module, Dense):
        return [_Slot(("kernel",), module.linear, "weight", _transposed), *_bias(module.linear)]
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return [
            *_affine(module),
            _Slot(("moving_mean",), module, "running_mean", _same),
            _Slot(("moving_variance",), module, "running_var", _same),
        ]
    if isinstance(module, LayerNorm):
        return _affine(module)
    if isinstance(module, LayerScale):
        return [_Slot(("gamma",), module, "gamma", _same)]
    if isinstance(module, PReLU):
        image = module.alpha.ndim == 3
        return [_Slot(("alpha",), module, "alpha", (lambda x: x.permute(2, 0, 1)) if image else _same)]
    if isinstance(module, Normalization) and module.given is None:
        return [_Slot((name,), module, name, lambda x: x.flatten()) for name in ("mean", "variance")]
    return []


def _bias(module: nn.Module) -> list[_Slot]:
    return [_Slot(("bias",), module, "bias", _same)] if module.bias is not None else []


def _affine(module: nn.BatchNorm1d | nn.BatchNorm2d | LayerNorm) -> list[_Slot]:
    """Scale and shift, which Keras has not where a layer was made without: then they do nothing and never learn."""
    return [
        _Slot(("gamma",), module, "weight", _same, None if module.weight.requires_grad else 1.0),
        _Slot(("beta",), module, "bias", _same, None if module.bias.requires_grad else 0.0),
    ]


def _bad(path: LayerPath, came: str, expected: str) -> BadModel:
    return BadModel(f"layer {'/'.join(path)!r} has {came} in the file", expected, "save the whole model again")
