"""Randomised: copies of a network that have forgotten what it learned, drawn once for all scans and methods."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from weakref import ReferenceType, ref

import torch
from torch import nn

from whyscan.models.classifier import Classifier
from whyscan.models.compiled import fingerprint

KEPT = 8
"""Copies that stay in memory, of all networks together: two models' cascades of four."""

_Key = tuple[int, float, int]
_COPIES: OrderedDict[_Key, tuple[ReferenceType[nn.Module], Hashable, nn.Module]] = OrderedDict()


def randomised(classifier: Classifier, share: float, *, seed: int) -> Classifier:
    """A copy whose upper layers have random weights; the classifier itself is not touched.

    Each tensor is redrawn from a normal distribution of its own mean and spread, so that activations keep their scale
    and the map is not blank merely because the network is. The copy is the same object for every call with the same
    network, share and seed, for as long as the network's weights stay and it is among the last `KEPT`: what is
    compiled for it is compiled once.

    Args:
        share: of the layers with weights, from the top; 1 is all of them.
    """
    network = classifier.network
    key, now = (id(network), share, seed), fingerprint(network)
    known = _COPIES.pop(key, None)
    # a number of an object may be used again once the object is gone, and weights may be written to
    drawn = known[2] if known is not None and known[0]() is network and known[1] == now else None
    if drawn is None:
        drawn = _redrawn(network, share, seed)
    _COPIES[key] = ref(network), now, drawn
    for stale in [each for each, (owner, _, _) in _COPIES.items() if owner() is None]:
        del _COPIES[stale]
    while len(_COPIES) > KEPT:
        _COPIES.popitem(last=False)
    return replace(classifier, network=drawn, hash="", about={})


def forget() -> None:
    """Let all copies go."""
    _COPIES.clear()


def _redrawn(network: nn.Module, share: float, seed: int) -> nn.Module:
    fresh = copy.deepcopy(network)
    layers = [module for module in fresh.modules() if _weights(module)]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in layers[len(layers) - round(share * len(layers)) :]:
            for weight in _weights(module):
                drawn = torch.randn(weight.shape, generator=generator)
                weight.copy_(weight.mean() + weight.std(correction=0) * drawn.to(weight))
    return fresh


def _weights(module: nn.Module) -> list[torch.Tensor]:
    """A module's own weights. Biases and scales alone, as of a norm, say nothing of what was learned."""
    return [each for each in module._parameters.values() if each is not None and each.ndim > 1]
