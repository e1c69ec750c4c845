"""Ablation-CAM: channels weighted by what the score loses without them. Ramaswamy and Desai, WACV 2020."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whyscan.checks import at_least, given
from whyscan.data.scan import Scan
from whyscan.explain.blank import diagnose
from whyscan.explain.cams.cam import Case, Maps, at_own_layer, check_settings
from whyscan.explain.cams.channels import Look, explain_by_looking, strongest_channels
from whyscan.explain.targets import Targets
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.modes import plain_float32
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
        check_settings(self)
        at_least(1, **given(channels=self.channels))

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

        def weigh(looks: Sequence[Look]) -> Iterator[tuple[Maps, Mapping[str, Any]]]:
            for look in looks:
                chosen = strongest_channels(look.activation, self.channels)
                drops = ablate(classifier.network, look, chosen, self.batch)
                yield _maps(look.activation[chosen], drops, look.case), {
                    "method": "ablationcam", "quantity": "drop of the logit × activation",
                    "evaluations": len(chosen),
                    "settings": {"score": "logit", "relu": True, "channels": self.channels},
                }  # fmt: skip

        return explain_by_looking("Ablation-CAM", weigh, classifier, scans, targets, layers, progress=progress)


def ablate(network: nn.Module, look: Look, channels: Tensor, batch: int) -> Float[Tensor, "c k"]:
    """How far the logits fall without each of these channels."""
    wide = torch.cat([look.output, _without(look, channels[:1])])
    expected = torch.cat(list(halving(lambda part: _answer(network, look, look.pixels, wide[part]), 2, 1)))
    # putting a layer's own output back has to change nothing
    short = _resumes(network, look, wide, expected) and bool(torch.allclose(expected[:1], look.logits, _SAME, _SAME))

    def judge(piece: slice) -> Tensor:
        part = _without(look, channels[piece])
        return _answer(network, look, look.pixels if short else look.pixels.expand(len(part), -1, -1, -1), part)

    # not from the look's logits, which took another way through the arithmetic: one channel may change as little
    drops: Tensor = expected[:1] - torch.cat(list(halving(judge, len(channels), batch)))
    return drops


def _resumes(network: nn.Module, look: Look, wide: Tensor, expected: Tensor) -> bool:
    """Whether one scan below the layer can serve several outputs of it, since what goes around the layer broadcasts."""
    try:
        answer = _answer(network, look, look.pixels, wide)
    # a concatenation, or a sum in place, of unequal batches; or memory is short for two
    except (RuntimeError, ValueError, AssertionError):
        return False
    return answer.shape == expected.shape and bool(torch.allclose(answer, expected, _SAME, _SAME))


def _without(look: Look, channels: Tensor) -> Tensor:
    """The layer's output once per channel, with that channel 0 everywhere, in all tokens too."""
    output = look.output.repeat(len(channels), *([1] * (look.output.ndim - 1)))
    axis = 1 if look.layer.form == "nchw" else -1
    output.movedim(axis, 1)[torch.arange(len(channels)), channels] = 0
    return output


def _answer(network: nn.Module, look: Look, pixels: Tensor, output: Tensor) -> Tensor:
    module = network.get_submodule(look.layer.path)
    with torch.no_grad(), plain_float32(pixels.device), substituted(module, output, look.run):
        answer: Tensor = network(pixels)
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
