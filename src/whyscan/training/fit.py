"""The phases of the two recipes: a head on features that are computed once, and a trunk that learns with its head."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from whyscan.models.classifier import Network
from whyscan.training.augment import augment
from whyscan.training.loop import Phase, measure
from whyscan.training.pixels import PixelCache
from whyscan.training.settings import TrainSettings

_HEAD_CHECKS = 64
_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)


@dataclass(frozen=True, eq=False)
class Part:
    """The scans of one split: content hashes and (n,) indices of their classes."""

    contents: tuple[str, ...]
    labels: Int64[Tensor, " n"]


def head_phase(
    name: str,
    epochs: int,
    network: Network,
    settings: TrainSettings,
    train: tuple[Float32[np.ndarray, "n d"], Tensor],
    held: tuple[Float32[np.ndarray, "m d"], Tensor],
) -> Phase:
    """Train a copy of the network's head on features.

    The features are standardised, because a rate that suits one trunk's scale does not suit another's; `export`
    folds the scaling into the head's first layer, so that the network itself needs none.

    Args:
        train, held: features and labels of the training and the validation scans.
    """
    mean, scale = _scaling(train[0])
    inputs, inputs_held = (torch.from_numpy((features - mean) / scale) for features in (train[0], held[0]))
    head = copy.deepcopy(network.head).requires_grad_(True)

    def judge() -> tuple[float, float]:
        head.eval()
        with torch.inference_mode():
            return measure(head(inputs_held), held[1])

    return Phase(
        name, epochs, head, _optimiser([(head, settings.head_learning_rate)], settings), train[1],
        inputs=lambda rows, _: inputs[torch.from_numpy(rows)], train_mode=lambda: _learning(head), judge=judge,
        export=lambda: _folded(head, mean, scale), checks=_HEAD_CHECKS,
    )  # fmt: skip


def trunk_phase(
    network: Network,
    settings: TrainSettings,
    pixels: PixelCache,
    train: Part,
    held: Part,
) -> Phase:
    """Train the network, or its last blocks and its head, on augmented pixels; channels-last and, where the settings
    say so, under bfloat16 autocast."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    resting = resting_blocks(network.trunk, settings.unfrozen_blocks)
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
    optimiser = _optimiser([(network.trunk, rate), (network.head, 2 * rate)], settings)
    return Phase(
        "finetune", settings.epochs, network, optimiser, train.labels,
        inputs=inputs, train_mode=train_mode, judge=judge, export=network.state_dict, bfloat16=settings.bfloat16,
    )  # fmt: skip


def logits_of(
    network: Network, pixels: PixelCache, contents: Sequence[str], *, bfloat16: bool, batch: int = 64
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


def blocks(trunk: nn.Module) -> list[list[nn.Module]]:
    """A trunk's blocks, shallow to deep: its children, with stages taken apart, each with the normalisation after it.

    Children without weights are left out.
    """
    found: list[list[nn.Module]] = []
    for child in _units(trunk):
        if not any(True for _ in child.parameters()):
            continue
        if isinstance(child, _NORMS) and found:
            found[-1].append(child)
        else:
            found.append([child])
    return found


def _units(trunk: nn.Module) -> Iterator[nn.Module]:
    for child in trunk.children():
        stages = list(child.children()) if isinstance(child, nn.Sequential) else []
        yield from stages or [child]


def resting_blocks(trunk: nn.Module, unfrozen: int | None) -> list[nn.Module]:
    """The modules that do not learn when only the last `unfrozen` blocks do; all learn where it is None."""
    if unfrozen is None:
        return []
    return [module for block in blocks(trunk)[:-unfrozen] for module in block]


def _optimiser(parts: Sequence[tuple[nn.Module, float]], settings: TrainSettings) -> torch.optim.AdamW:
    """Weight decay is for matrices and kernels: shrinking a bias or a normalisation's gain regularises nothing."""
    groups = []
    for module, rate in parts:
        learned = [p for p in module.parameters() if p.requires_grad]
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


def _folded(head: nn.Module, mean: np.ndarray, scale: np.ndarray) -> Mapping[str, Tensor]:
    """The head for raw features f: W (f - m)/s + b = (W/s) f + (b - (W/s) m)."""
    tensors = {f"head.{name}": tensor.detach().clone() for name, tensor in head.state_dict().items()}
    first = next(name for name, module in head.named_modules() if isinstance(module, nn.Linear))
    stem = ".".join(part for part in ("head", first) if part)
    weight = tensors[f"{stem}.weight"].double() / torch.from_numpy(scale).double()
    tensors[f"{stem}.bias"] = (tensors[f"{stem}.bias"].double() - weight @ torch.from_numpy(mean).double()).float()
    tensors[f"{stem}.weight"] = weight.float()
    return tensors
