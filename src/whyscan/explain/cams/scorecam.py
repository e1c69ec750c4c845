"""Score-CAM: channels weighted by what the model says of the scan seen through them. Wang et al., CVPR-W 2020."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from whyscan.checks import at_least, given, one_of
from whyscan.data.scan import Scan
from whyscan.explain.blank import diagnose
from whyscan.explain.cams.cam import Case, Maps, at_own_layer, check_settings
from whyscan.explain.cams.channels import Look, explain_by_looking, strongest_channels
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier, Layer, Scores
from whyscan.models.compiled import Engine, appoint
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


@dataclass(frozen=True)
class ScoreCAM:
    """Score-CAM of one layer. One forward pass per channel serves all targets; no gradient is needed.

    Attributes:
        layer: a layer's name, its Keras alias, "last" or "final" (see `Classifier.layer`).
        channels: how many of the layer's channels are tried, those of the largest activation (Euclidean norm) first;
            None for all of them, as in the paper. The others get no weight.
        engine: "fast" (bfloat16 where it agrees with float32 on this very scan) or "float32".
        batch: how many masked scans are judged at once.
    """

    layer: str = "final"
    channels: int | None = 256
    engine: Engine = "fast"
    batch: int = 16

    def __post_init__(self) -> None:
        check_settings(self)
        at_least(1, **given(channels=self.channels))
        one_of(get_args(Engine), engine=self.engine)

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
            judge = appoint(classifier, self.engine, _probe(looks[-1]), batch=self.batch)
            for look in looks:
                chosen = look.activation[strongest_channels(look.activation, self.channels)]
                logits = judge_masks(judge.predict, look.pixels, chosen, self.batch)
                yield _maps(chosen, logits, look.case), {
                    "method": "scorecam", "quantity": "weight of the channel × activation",
                    "evaluations": len(chosen), "engine": judge.engine, "deviation": judge.deviation,
                    "settings": {"score": "logit", "relu": True, "channels": self.channels},
                }  # fmt: skip

        return explain_by_looking("Score-CAM", weigh, classifier, scans, targets, layers, progress=progress)


def _probe(look: Look) -> Float32[np.ndarray, "n 3 mh mw"]:
    """The scan, and the scan seen through three channels: what the engine is to be right about."""
    few = look.activation[strongest_channels(look.activation, 3)]
    masked = look.pixels * masks(few, tuple(look.pixels.shape[2:]))
    return np.asarray(torch.cat([look.pixels, masked]).cpu().numpy())


def masks(activation: Float[Tensor, "c h w"], size: tuple[int, ...]) -> Float[Tensor, "c 1 mh mw"]:
    """Equations 5 and 6: each channel brought to the input's size bilinearly, then to [0, 1]; a constant one is 0."""
    large = functional.interpolate(activation[:, None], size, mode="bilinear", align_corners=True)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    scaled: Tensor = (large - low) / torch.where(high > low, high - low, 1)
    return scaled


def judge_masks(
    predict: Callable[[np.ndarray], Scores],
    pixels: Float[Tensor, "1 3 mh mw"],
    activation: Float[Tensor, "c h w"],
    batch: int,
) -> Float32[np.ndarray, "c k"]:
    """The logits of the scan seen through each channel."""
    size = tuple(pixels.shape[2:])
    return np.concatenate([
        predict((pixels * masks(activation[start : start + batch], size)).cpu().numpy())
        for start in range(0, len(activation), batch)
    ])  # fmt: skip


def score_weights(logits: Float32[np.ndarray, "c k"], rows: Float32[np.ndarray, "t k"]) -> Float[np.ndarray, "t c"]:
    """Algorithm 1: softmax over the channels of a target's scores; the baseline's score cancels."""
    scores = (logits.astype(np.float64) @ rows.T).T
    exact: np.ndarray = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(exact / exact.sum(1, keepdims=True))


def _maps(activation: Float[Tensor, "c h w"], logits: Float32[np.ndarray, "c k"], case: Case) -> Maps:
    """Equation 4: ReLU of the weighted sum."""
    weights = torch.from_numpy(score_weights(logits, case.rows)).to(activation)
    signed = torch.tensordot(weights, activation, 1)
    return Maps(signed.clamp_min(0).cpu().numpy(), [diagnose(each, activation) for each in signed])
