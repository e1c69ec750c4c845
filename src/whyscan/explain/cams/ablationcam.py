"""Ablation-CAM: channels weighted by what the score loses without them. Ramaswamy and Desai, WACV 2020."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.explain.blank import diagnose
from whyscan.explain.cams.cam import Case, Maps, at_own_layer, attribution, batches, cases, stack
from whyscan.explain.cams.scorecam import check_channels, strongest_channels
from whyscan.explain.targets import Targets
from whyscan.explain.trace import tracing
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.tokens import to_channels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

_SAME = 1e-4


@dataclass(frozen=True)
class AblationCAM:
    """Ablation-CAM of one layer. Each channel is set to 0 once, for all targets; no gradient is needed.

    What lies before the layer is computed for one scan and not again for every channel, wherever the network
    allows it; in float32, since a single channel may change little.

    Attributes:
        layer: a layer's name, its Keras alias, "last" or "final" (see `Classifier.layer`).
        channels: how many of the layer's channels are tried, those of the largest activation (Euclidean norm) first;
            None for all of them, as in the paper. The others get no weight.
        batch: how many channels are judged at once.
    """

    layer: str = "final"
    channels: int | None = 256
    batch: int = 16

    def __post_init__(self) -> None:
        check_channels(self.channels)

    __call__ = at_own_layer

    def at(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets,
        layers: Sequence[Layer],
        *,
        progress: Progress = quiet,
    ) -> list[list[Attribution]]:
        """For each scan one attribution per layer; `layer` is not looked at."""
        found: list[list[Attribution]] = []
        with tracing(classifier.network, [layer.path for layer in layers]) as run:
            for part in batches(classifier, scans, 1):
                pixels = stack(classifier, part)
                seen = run.look(pixels)
                (case,) = cases(classifier, part, targets, seen.logits)
                done: list[Attribution] = []
                for layer in layers:
                    output = seen.activations[layer.path]
                    activation = to_channels(output, layer)[0]
                    chosen = strongest_channels(activation, self.channels)
                    place = Place(classifier.network, layer, output, seen.runs[layer.path])
                    drops = ablate(place, pixels, chosen, seen.logits, self.batch)
                    maps = _maps(activation[chosen], drops, case)
                    done.append(
                        attribution(
                            classifier, case, layer, maps, method="ablationcam",
                            quantity="drop of the logit × activation",
                            evaluations=len(chosen),
                            settings={"score": "logit", "relu": True, "channels": self.channels},
                        )
                    )  # fmt: skip
                    progress("Ablation-CAM", len(found) * len(layers) + len(done), len(scans) * len(layers))
                found.append(done)
        return found


@dataclass(frozen=True, eq=False)
class Place:
    """A layer of a network, what came out of it for one scan, and in which of its runs (counted from 1)."""

    network: nn.Module
    layer: Layer
    output: Float[Tensor, "1 ..."]
    run: int


def ablate(
    place: Place, pixels: Float[Tensor, "1 3 mh mw"], channels: Tensor, logits: Float[Tensor, "1 k"], batch: int
) -> Float[Tensor, "c k"]:
    """How far the logits fall without each of these channels.

    Args:
        logits: of the unchanged scan, to see whether putting a layer's own output back changes nothing.
    """
    probe = _without(place, channels[:1])
    wide = torch.cat([place.output, probe])
    expected = _answer(place, pixels.expand(2, -1, -1, -1), wide)
    short = _resumes(place, pixels, wide, expected) and bool(torch.allclose(expected[:1], logits, _SAME, _SAME))
    found = []
    for start in range(0, len(channels), batch):
        part = _without(place, channels[start : start + batch])
        found.append(_answer(place, pixels if short else pixels.expand(len(part), -1, -1, -1), part))
    # not from `logits`, which took another way through the arithmetic: what one channel changes may be as small
    drops: Tensor = expected[:1] - torch.cat(found)
    return drops


def _resumes(place: Place, pixels: Tensor, wide: Tensor, expected: Tensor) -> bool:
    """Whether one scan below the layer can serve several outputs of it, since what goes around the layer broadcasts."""
    try:
        answer = _answer(place, pixels, wide)
    except (RuntimeError, ValueError, AssertionError):  # a concatenation, or a sum in place, of unequal batches
        return False
    return answer.shape == expected.shape and bool(torch.allclose(answer, expected, _SAME, _SAME))


def _without(place: Place, channels: Tensor) -> Tensor:
    """The layer's output once per channel, with that channel 0 everywhere, in all tokens too."""
    output = place.output.repeat(len(channels), *([1] * (place.output.ndim - 1)))
    axis = 1 if place.layer.form == "nchw" else -1
    output.movedim(axis, 1)[torch.arange(len(channels)), channels] = 0
    return output


def _answer(place: Place, pixels: Tensor, output: Tensor) -> Tensor:
    module = place.network.get_submodule(place.layer.path)
    with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False), substituted(module, output, place.run):
        answer: Tensor = place.network(pixels)
    return answer


@contextmanager
def substituted(module: nn.Module, output: Tensor, run: int = 1) -> Iterator[None]:
    """While inside, the module's `run`-th call (counted from 1) answers with a copy of `output`."""
    calls = 0

    def answer(_module: nn.Module, _inputs: Any, _output: Any) -> Tensor | None:
        nonlocal calls
        calls += 1
        # a copy: what follows may work in place
        return output.clone() if calls == run else None

    handle = module.register_forward_hook(answer)
    try:
        yield
    finally:
        handle.remove()


def _maps(activation: Float[Tensor, "c h w"], drops: Float[Tensor, "c k"], case: Case) -> Maps:
    """Equations 1 and 2: ReLU of the channels summed, each weighted by the drop of the score without it.

    In logits: the paper's division by the score itself changes only the scale, or, where the score is below 0, turns
    what speaks for the target into what speaks against it.
    """
    weights = torch.from_numpy(case.rows).to(drops) @ drops.T
    signed = torch.tensordot(weights, activation, 1)
    return Maps(signed.clamp_min(0).cpu().numpy(), [diagnose(each, activation, None) for each in signed])
