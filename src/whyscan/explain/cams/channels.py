"""Channels tried one by one: what methods share that weigh a layer's channels by asking the model, not by gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from whyscan.data.scan import Scan
from whyscan.explain.cams.cam import Case, Maps, Prepared, attribution, cases, over_batches, stack
from whyscan.explain.targets import Targets
from whyscan.explain.trace import Tracer, tracing
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.tokens import to_channels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


@dataclass(frozen=True, eq=False)
class Look:
    """A layer of one scan, as one forward pass left it.

    Attributes:
        pixels: the scan on the model's grid.
        logits: the model's answer.
        output, activation: what came out of the layer, as it is and as a grid of channels.
        run: which of the layer's runs that was, counted from 1.
    """

    case: Case
    layer: Layer
    pixels: Float[Tensor, "1 3 mh mw"]
    logits: Float[Tensor, "1 k"]
    output: Float[Tensor, "1 ..."]
    activation: Float[Tensor, "c h w"]
    run: int


Weigh = Callable[[Sequence[Look]], Iterable[tuple[Maps, Mapping[str, Any]]]]
"""One scan's layers -> for each of them its maps, and what else its attribution says."""


def explain_by_looking(
    title: str,
    weigh: Weigh,
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    layers: Sequence[Layer],
    *,
    progress: Progress,
) -> list[list[Attribution]]:
    """For each scan one attribution per layer, from one forward pass and whatever `weigh` asks of the model."""
    explained = count(1)

    def work(part: Sequence[Prepared]) -> list[list[Attribution]]:
        looks = _look(run, classifier, part, targets, layers)
        done: list[Attribution] = []
        for look, (maps, more) in zip(looks, weigh(looks), strict=True):
            done.append(attribution(look.case, look.layer, maps, **more))
            progress(title, next(explained), len(scans) * len(layers))
        return [done]

    with tracing(classifier.network, [layer.path for layer in layers]) as run:
        return over_batches(title, work, classifier, scans, 1, quiet)


def strongest_channels(activation: Float[Tensor, "c h w"], channels: int | None) -> Tensor:
    """The indices of the channels of the largest Euclidean norm, largest first; of all where None."""
    if channels is None or channels >= len(activation):
        return torch.arange(len(activation), device=activation.device)
    norms: Tensor = torch.linalg.vector_norm(activation, dim=(1, 2))
    return norms.argsort(descending=True, stable=True)[:channels]


def _look(
    run: Tracer, classifier: Classifier, part: Sequence[Prepared], targets: Targets, layers: Sequence[Layer]
) -> list[Look]:
    pixels = stack(classifier, part)
    seen = run.look(pixels)
    (case,) = cases(classifier, part, targets, seen.logits)
    outputs = {layer.path: seen.activations[layer.path] for layer in layers}
    return [
        Look(
            case, layer, pixels, seen.logits, outputs[layer.path], to_channels(outputs[layer.path], layer)[0],
            seen.runs[layer.path],
        )
        for layer in layers
    ]  # fmt: skip
