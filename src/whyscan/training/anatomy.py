"""Which part of a network is its head: what may learn alone, and what comes before it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.classifier import Network, TwoClass
from whyscan.models.modes import device_of, evaluating

_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
_NEAR = 1e-3


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A network that can learn.

    Attributes:
        network: pixels (n, 3, h, w) in [0, 1] -> logits (n, k).
        head: its last part; with `pair`, of a single output z.
        stem: the head's dotted name in the network.
        pair: the logits are (-z/2, +z/2).
        alone: whether the logits are the head's output, so that it can learn on features.
        features: pixels -> what comes into the head, (n, d).
        blocks: what comes before it, shallow to deep: modules with weights, each with the normalisation after it.
    """

    network: nn.Module
    head: nn.Module
    stem: str
    pair: bool
    alone: bool
    features: Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n d"]]
    blocks: Sequence[Sequence[nn.Module]]

    @property
    def before(self) -> list[nn.Parameter]:
        """The parameters that are not the head's."""
        own = {id(parameter) for parameter in self.head.parameters()}
        return [parameter for parameter in self.network.parameters() if id(parameter) not in own]


def anatomy(network: nn.Module, input_size: tuple[int, int]) -> Anatomy:
    """Take a network apart, without changing it.

    One that was built here has a trunk and a head. Of any other, the head is the last module with weights that one
    forward pass comes to, and the blocks are the others, in the order in which they are run.

    Raises:
        BadModel: nothing in it could learn.
    """
    if _built(network):
        return Anatomy(network, network.head, "head", False, True, network.features, blocks(network.trunk))
    order, answer, last = _run(network, input_size)
    if not order:
        raise BadModel("the network has no weights that could learn", "a network of layers", "train a backbone instead")
    names = {id(module): name for name, module in network.named_modules()}
    head = order[-1]
    pair = isinstance(network, TwoClass)
    alone = isinstance(head, nn.Linear) and last is not None and _answers(last, answer, pair)
    return Anatomy(network, head, names[id(head)], pair, alone, _before(network, head), _grouped(order[:-1]))


def _answers(last: Tensor, answer: Tensor, pair: bool) -> bool:
    """Whether what the last layer gave is what the network answered."""
    logits = torch.cat([-last / 2, last / 2], dim=1) if pair else last
    same = logits.shape == answer.shape
    return same and bool((logits - answer).abs().max() <= _NEAR * (1 + float(answer.abs().max())))


def blocks(trunk: nn.Module) -> list[list[nn.Module]]:
    """A trunk's blocks, shallow to deep: its children, with stages taken apart, each with the normalisation after it.

    Children without weights are left out.
    """
    return _grouped([child for child in _units(trunk) if any(True for _ in child.parameters())])


def resting_blocks(parts: Sequence[Sequence[nn.Module]], unfrozen: int | None) -> list[nn.Module]:
    """The modules that do not learn when only the last `unfrozen` blocks do; all learn where it is None."""
    return [] if unfrozen is None else [module for block in parts[:-unfrozen] for module in block]


def trunk_digest(parts: Anatomy) -> str:
    """A hash of everything before the head: the same features come from the same hash."""
    network = parts.network
    if _built(network):
        return f"{weights.digest(network.trunk)} {network.mean.tolist()} {network.std.tolist()}"
    found = hashlib.sha256(repr(network).encode())  # layers without weights, too, decide what comes out
    for name, tensor in sorted(network.state_dict().items()):
        if not name.startswith(parts.stem + "."):
            found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _built(network: nn.Module) -> TypeGuard[Network]:
    """Whether it is one of ours; others are wrapped in the same module, but with nothing for a head."""
    return isinstance(network, Network) and any(True for _ in network.head.parameters())


def _grouped(modules: Sequence[nn.Module]) -> list[list[nn.Module]]:
    found: list[list[nn.Module]] = []
    for module in modules:
        if isinstance(module, _NORMS) and found:
            found[-1].append(module)
        else:
            found.append([module])
    return found


def _units(trunk: nn.Module) -> Iterator[nn.Module]:
    for child in trunk.children():
        stages = list(child.children()) if isinstance(child, nn.Sequential) else []
        yield from stages or [child]


def _run(network: nn.Module, input_size: tuple[int, int]) -> tuple[list[nn.Module], Tensor, Tensor | None]:
    """Modules with weights of their own in the order of their last run, the answer, and what the last of them gave."""
    order: dict[int, tuple[nn.Module, Any]] = {}

    def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
        order.pop(id(module), None)
        order[id(module)] = (module, output)

    owners = [module for module in network.modules() if any(True for _ in module.parameters(recurse=False))]
    handles = [module.register_forward_hook(hook) for module in owners]
    try:
        with evaluating(network), torch.inference_mode():
            answer: Tensor = network(torch.full((1, 3, *input_size), 0.5, device=device_of(network)))
    finally:
        for handle in handles:
            handle.remove()
    found = list(order.values())
    last = found[-1][1] if found and isinstance(found[-1][1], Tensor) else None
    return [module for module, _ in found], answer, last


def _before(network: nn.Module, head: nn.Module) -> Callable[[Tensor], Tensor]:
    def features(pixels: Tensor) -> Tensor:
        came: list[Tensor] = []
        handle = head.register_forward_pre_hook(lambda _, inputs: came.append(inputs[0]))
        try:
            network(pixels)
        finally:
            handle.remove()
        return came[-1]

    return features
