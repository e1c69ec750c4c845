"""The loop over epochs and steps that every phase of a training shares."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from whyscan.progress import Progress
from whyscan.training.curves import EpochRow
from whyscan.training.settings import TrainSettings
from whyscan.training.state import Snapshot, State
from whyscan.training.weak import shortlist

PHASES = ("head", "finetune", "frozen")


@dataclass(frozen=True, eq=False)
class Phase:
    """What one phase trains, and on what.

    Attributes:
        name: one of `PHASES`.
        epochs: how many.
        module: answers a batch with logits; its parameters that require gradients are what is learned.
        optimiser: AdamW; its groups' `initial_lr` are the peaks of their schedules.
        labels: (n,) of the training scans.
        inputs: indices of training scans and a generator -> the batch, augmented where the phase does that.
        train_mode: puts `module` into the mode it learns in.
        judge: -> (loss, accuracy) on the validation scans, in eval mode.
        export: -> the weights by their names in the whole network: what a snapshot keeps.
        bfloat16: learn under autocast.
        checks: how often within an epoch a snapshot may be taken for the weak model; 1 is only at its end.
    """

    name: str
    epochs: int
    module: nn.Module
    optimiser: torch.optim.AdamW
    labels: Int64[Tensor, " n"]
    inputs: Callable[[np.ndarray, torch.Generator], Tensor]
    train_mode: Callable[[], None]
    judge: Callable[[], tuple[float, float]]
    export: Callable[[], Mapping[str, Tensor]]
    bfloat16: bool = False
    checks: int = 1


class _NotANumber(Exception):
    pass


def run_phase(
    phase: Phase,
    state: State,
    settings: TrainSettings,
    *,
    title: str,
    finished: Callable[[EpochRow], None],
    progress: Progress,
) -> None:
    """Run what `state` has not of a phase, epoch by epoch; `finished` is called when `state` is whole again.

    A loss that is not a number ends the training: `state.note` says so and the snapshots stay as they are.
    """
    own = [row for row in state.rows if row.phase == phase.name]
    if own and state.rows[-1].phase == phase.name:
        restore(phase, state.last)
    while len(own) < phase.epochs and not state.note and not stalled(own, settings.patience):
        number = len(own)
        what = f"{title}: {phase.name}, epoch {number + 1} of {phase.epochs}"
        try:
            row = _epoch(phase, state, settings, number, what, progress)
        except _NotANumber:
            kept = f"; the weights of epoch {state.best.epoch} were kept" if state.best else ""
            state.note = (
                f"stopped in epoch {len(state.rows) + 1} ({phase.name}) because the loss was not a number{kept}"
            )
            return
        own.append(row)
        state.rows.append(row)
        state.last = capture(phase)
        finished(row)


def stalled(rows: list[EpochRow], patience: int | None) -> bool:
    """Whether the last `patience` epochs of a phase brought no better validation."""
    if patience is None or not rows:
        return False
    best = max(range(len(rows)), key=lambda i: (rows[i].validation_accuracy, -rows[i].validation_loss))
    return len(rows) - 1 - best >= patience


def schedule(step: int, steps: int, settings: TrainSettings) -> float:
    """The share of the peak rate at a step: a straight climb, then half a cosine down to 1 %."""
    climb = max(1, round(settings.warmup * steps))
    if step < climb:
        return (step + 1) / climb
    if not settings.cosine:
        return 1.0
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - climb + 1) / max(1, steps - climb)))


def class_weights(labels: Int64[Tensor, " n"], classes: int) -> Float[Tensor, " k"]:
    """n / (k * count): a batch drawn in proportion has mean weight 1."""
    return len(labels) / (classes * torch.bincount(labels, minlength=classes).clamp(min=1).float())


def generator(*numbers: int) -> torch.Generator:
    """A generator that depends on all of these numbers and on nothing else."""
    # with their count, because SeedSequence takes (1,) and (1, 0) for the same
    entropy = np.random.SeedSequence((len(numbers), *numbers)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(entropy) >> 1)


def _epoch(phase: Phase, state: State, settings: TrainSettings, number: int, what: str, progress: Progress) -> EpochRow:
    n, mark = len(phase.labels), (settings.seed, PHASES.index(phase.name), number)
    order = torch.randperm(n, generator=generator(*mark)).numpy()
    batches = np.array_split(order, math.ceil(n / settings.batch))
    weights = class_weights(phase.labels, int(phase.labels.max()) + 1) if settings.class_weights else None
    checks = {math.ceil(len(batches) * i / phase.checks) for i in range(1, phase.checks)}
    loss_sum, right, seconds = 0.0, 0, 0.0
    epoch = len(state.rows) + 1
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator: lend it one of ours
        torch.default_generator.set_state(generator(*mark, 1).get_state())
        for step, rows in enumerate(batches):
            start = time.perf_counter()
            _set_rates(phase.optimiser, schedule(number * len(batches) + step, phase.epochs * len(batches), settings))
            phase.train_mode()
            inputs = phase.inputs(rows, generator(*mark, 2, step))
            loss, hits = _step(phase, inputs, phase.labels[torch.from_numpy(rows)], weights, settings)
            loss_sum, right = loss_sum + loss * len(rows), right + hits
            seconds += time.perf_counter() - start
            if step + 1 in checks and step + 1 < len(batches):
                _keep_weak(phase, state, settings, epoch, (step + 1) / len(batches), *phase.judge())
            progress(what, step + 1, len(batches))
    held_loss, held_accuracy = phase.judge()
    if not math.isfinite(held_loss):
        raise _NotANumber
    if state.best is None or (held_accuracy, -held_loss) > (state.best.accuracy, -state.best.loss):
        state.best = Snapshot(epoch, phase.name, 1.0, held_accuracy, held_loss, _copy(phase.export()))
    _keep_weak(phase, state, settings, epoch, 1.0, held_loss, held_accuracy)
    rate = max(group["lr"] for group in phase.optimiser.param_groups)
    return EpochRow(epoch, phase.name, loss_sum / n, right / n, held_loss, held_accuracy, rate, seconds, n)


def _step(
    phase: Phase, inputs: Tensor, labels: Tensor, weights: Tensor | None, settings: TrainSettings
) -> tuple[float, int]:
    """One step of the optimiser -> (mean cross-entropy without smoothing and weights, how many were right)."""
    phase.optimiser.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=phase.bfloat16):
        logits = phase.module(inputs)
    logits = logits.float()
    loss = functional.cross_entropy(logits, labels, weights, label_smoothing=settings.label_smoothing)
    if not torch.isfinite(loss):
        raise _NotANumber
    loss.backward()  # type: ignore[no-untyped-call]
    if settings.clip is not None:
        learned = [p for group in phase.optimiser.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(learned, settings.clip)
    phase.optimiser.step()
    with torch.no_grad():
        plain = functional.cross_entropy(logits, labels)
        return float(plain), int((logits.argmax(1) == labels).sum())


def _set_rates(optimiser: torch.optim.Optimizer, share: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * share


def _keep_weak(
    phase: Phase, state: State, settings: TrainSettings, epoch: int, part: float, loss: float, accuracy: float
) -> None:
    target = settings.weak_target
    if target is None or not math.isfinite(loss):
        return
    bare = Snapshot(epoch, phase.name, part, accuracy, loss, {})
    kept = shortlist([*state.weak, bare], state.best.accuracy if state.best else 0.0, target)
    # the weights are copied only for one that is kept: in the head's first epoch that is one in many
    state.weak = [each if each is not bare else replace(bare, tensors=_copy(phase.export())) for each in kept]


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def capture(phase: Phase) -> dict[str, Tensor]:
    """The module and AdamW's moments, so that `restore` can go on from here."""
    tensors = {f"module.{name}": tensor for name, tensor in _copy(phase.module.state_dict()).items()}
    for index, moments in phase.optimiser.state_dict()["state"].items():
        tensors |= {f"adamw.{index}.{key}": value.detach().clone() for key, value in moments.items()}
    return tensors


def restore(phase: Phase, tensors: Mapping[str, Tensor]) -> None:
    own = {name.removeprefix("module."): value for name, value in tensors.items() if name.startswith("module.")}
    phase.module.load_state_dict(own)
    learned = [p for group in phase.optimiser.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adamw."):
            _, number, key = name.split(".")
            index = int(number)
            # The fused AdamW walks through memory, so a moment must lie as its parameter does (channels-last).
            like = (
                torch.empty_like(learned[index].data)
                if value.shape == learned[index].shape
                else torch.empty_like(value)
            )
            moments.setdefault(index, {})[key] = like.copy_(value)
    phase.optimiser.load_state_dict({**phase.optimiser.state_dict(), "state": moments})


def measure(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> tuple[float, float]:
    """(mean cross-entropy in nats, accuracy)."""
    loss = functional.cross_entropy(logits.float(), labels)
    return float(loss), float((logits.argmax(1) == labels).float().mean())
