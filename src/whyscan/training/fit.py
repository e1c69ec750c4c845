"""The phases of the two recipes: a head on features that are computed once, and a trunk that learns with its head."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.classifier import TwoClass
from whyscan.training.anatomy import Anatomy, resting_blocks
from whyscan.training.augment import augment
from whyscan.training.loop import Phase, measure
from whyscan.training.pixels import PixelCache
from whyscan.training.settings import TrainSettings

_HEAD_CHECKS = 64


@dataclass(frozen=True, eq=False)
class Part:
    """The scans of one split: content hashes and (n,) indices of their classes."""

    contents: tuple[str, ...]
    labels: Int64[Tensor, " n"]


def head_phase(
    name: str,
    epochs: int,
    parts: Anatomy,
    settings: TrainSettings,
    train: tuple[Float32[np.ndarray, "n d"], Tensor],
    held: tuple[Float32[np.ndarray, "m d"], Tensor],
    *,
    taught: bool = False,
) -> Phase:
    """Train a copy of the network's head on features.

    The features are standardised, because a rate that suits one trunk's scale does not suit another's; `export`
    folds the scaling into the head's first layer, so that the network itself needs none.

    Args:
        train, held: features and labels of the training and the validation scans.
        taught: the head has learned before, and goes on from what it knows.

    Raises:
        BadModel: the network does more with its head's answer, so that the head cannot learn alone.
    """
    if not parts.alone:
        raise BadModel(
            f"the network's last layer with weights, {parts.stem}, does not give its logits by itself",
            "a network that ends in a linear layer",
            "use the recipe finetune",
        )
    mean, scale = _scaling(train[0])
    if _first(parts.head)[1].bias is None:
        mean = np.zeros_like(mean)  # nothing could take up the shift
    inputs, inputs_held = (torch.from_numpy((features - mean) / scale) for features in (train[0], held[0]))
    head = copy.deepcopy(parts.head).requires_grad_(True)
    if taught:
        _unfold(head, mean, scale)
    module = TwoClass(head) if parts.pair else head

    def judge() -> tuple[float, float]:
        module.eval()
        with torch.inference_mode():
            return measure(module(inputs_held), held[1])

    optimiser = _optimiser([(head.parameters(), settings.head_learning_rate)], settings)
    return Phase(
        name, epochs, module, optimiser, train[1],
        inputs=lambda rows, _: inputs[torch.from_numpy(rows)], train_mode=lambda: _learning(module), judge=judge,
        export=lambda: _folded(head, mean, scale, parts.stem), checks=_HEAD_CHECKS,
    )  # fmt: skip


def trunk_phase(
    parts: Anatomy,
    settings: TrainSettings,
    pixels: PixelCache,
    train: Part,
    held: Part,
) -> Phase:
    """Train the network, or its last blocks and its head, on augmented pixels; channels-last and, where the settings
    say so, under bfloat16 autocast."""
    network = parts.network
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    resting = resting_blocks(parts.blocks, settings.unfrozen_blocks)
    network.requires_grad_(True)
    for block in resting:
        block.requires_grad_(False)

    def train_mode() -> None:
        network.train()
        for block in resting:
            block.eval()

    def inputs(rows: np.ndarray, generator: torch.Generator) -> Tensor:
        batch = pixels.batch([train.contents[row] for row in rows])
        return _coloured(augment(batch, generator) if settings.augment else batch)

    def judge() -> tuple[float, float]:
        return measure(logits_of(network, pixels, held.contents, bfloat16=settings.bfloat16), held.labels)

    rate = settings.trunk_learning_rate
    optimiser = _optimiser([(parts.before, rate), (parts.head.parameters(), 2 * rate)], settings)
    return Phase(
        "finetune", settings.epochs, network, optimiser, train.labels,
        inputs=inputs, train_mode=train_mode, judge=judge, export=network.state_dict, bfloat16=settings.bfloat16,
    )  # fmt: skip


def logits_of(
    network: nn.Module, pixels: PixelCache, contents: Sequence[str], *, bfloat16: bool, batch: int = 64
) -> Tensor:
    """(n, k) in eval mode."""
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return torch.cat(
            [
                network(_coloured(pixels.batch(contents[start : start + batch]))).float()
                for start in range(0, len(contents), batch)
            ]
        )


def _optimiser(parts: Sequence[tuple[Iterable[nn.Parameter], float]], settings: TrainSettings) -> torch.optim.AdamW:
    """Weight decay is for matrices and kernels: shrinking a bias or a normalisation's gain regularises nothing."""
    groups = []
    for parameters, rate in parts:
        learned = [p for p in parameters if p.requires_grad]
        for params, decay in (
            ([p for p in learned if p.ndim > 1], settings.weight_decay),
            ([p for p in learned if p.ndim <= 1], 0.0),
        ):
            if params:
                groups.append({"params": params, "lr": rate, "initial_lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=True)


def _learning(module: nn.Module) -> None:
    module.train()


def _coloured(batch: Tensor) -> Tensor:
    return batch.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def _scaling(features: Float32[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale per feature. A tenth of the mean variance is added: a feature that hardly ever varies must not
    be blown up, or one unusual scan would decide by it."""
    variance = features.var(0, dtype=np.float64)
    floor = 0.1 * variance.mean() or 1.0
    return features.mean(0, dtype=np.float64).astype(np.float32), np.sqrt(variance + floor).astype(np.float32)


def _folded(head: nn.Module, mean: np.ndarray, scale: np.ndarray, where: str) -> Mapping[str, Tensor]:
    """The head for raw features f: W (f - m)/s + b = (W/s) f + (b - (W/s) m)."""
    first, linear = _first(head)
    own = {name: tensor.detach().clone() for name, tensor in head.state_dict().items()}
    weight = linear.weight.detach().double() / torch.from_numpy(scale).double()
    own[f"{first}weight"] = weight.float()
    if linear.bias is not None:
        own[f"{first}bias"] = (linear.bias.detach().double() - weight @ torch.from_numpy(mean).double()).float()
    return {f"{where}.{name}": tensor for name, tensor in own.items()}


def _unfold(head: nn.Module, mean: np.ndarray, scale: np.ndarray) -> None:
    """The other way round: a head for raw features becomes the same one for standardised features."""
    linear = _first(head)[1]
    with torch.no_grad():
        if linear.bias is not None:
            linear.bias.add_((linear.weight.double() @ torch.from_numpy(mean).double()).float())
        linear.weight.mul_(torch.from_numpy(scale))


def _first(head: nn.Module) -> tuple[str, nn.Linear]:
    """The first linear layer in a head, and what stands before the names of its tensors."""
    name, linear = next((name, each) for name, each in head.named_modules() if isinstance(each, nn.Linear))
    return (f"{name}." if name else ""), linear
