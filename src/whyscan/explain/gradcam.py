"""Grad-CAM: where a layer's features argue for a target. Selvaraju et al., ICCV 2017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whyscan.data.scan import Scan
from whyscan.errors import BadTarget
from whyscan.explain.targets import Targets, facts, resolve
from whyscan.explain.trace import Tracer, tracing
from whyscan.models.classifier import Classifier, Layer
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry


def weighted_sum(activation: Float[Tensor, "n c h w"], gradient: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Equation 1 and the inside of equation 2: channels summed, each weighted by its mean gradient."""
    weights = gradient.mean((2, 3))[:, None]
    return torch.bmm(weights, activation.flatten(2)).view(activation.shape[0], *activation.shape[2:])


def gradcam(activation: Float[Tensor, "n c h w"], gradient: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Equation 2: ReLU(sum_c mean_hw(gradient) * activation). Raw: in logits, not scaled."""
    return weighted_sum(activation, gradient).clamp_min(0)


def diagnose(signed: Float[Tensor, "h w"], activation: Float[Tensor, "c h w"], gradient: Float[Tensor, "c h w"]) -> str:
    """Whether the map is there and, if it is blank, which step emptied it.

    Args:
        signed: the weighted sum before ReLU.
        activation, gradient: what it was made of; looked at only where it is blank.
    """
    high, low = float(signed.max()), float(signed.min())
    smallest = float(torch.finfo(signed.dtype).tiny)
    if high > smallest:
        return "there"
    if low < -smallest:
        return "negative everywhere"
    if not bool(activation.any()):
        return "dead activation"
    return "below float resolution" if bool(gradient.any()) else "no gradient"


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM of one layer.

    Attributes:
        layer: a layer's name, its Keras alias, or "last".
        batch: how many scans are traced together.
    """

    layer: str = "last"
    batch: int = 8

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan. Nothing is drawn, so the seed changes nothing; it is there for all alike."""
        found = self.at(classifier, scans, targets, (classifier.layer(self.layer),), progress=progress)
        return [attribution for (attribution,) in found]

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
        return explain_layers(classifier, scans, targets, layers, batch=self.batch, progress=progress)


def explain_layers(
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    layers: Sequence[Layer],
    *,
    batch: int = 8,
    progress: Progress = quiet,
) -> list[list[Attribution]]:
    """For each scan one attribution per layer, from one forward pass and one backward pass per target.

    Raises:
        BadTarget: a target does not exist, or a layer's output is not a grid of channels.
    """
    found: list[list[Attribution]] = []
    with tracing(classifier.network, [layer.path for layer in layers]) as run:
        for start in range(0, len(scans), batch):
            found += _batch(run, classifier, scans[start : start + batch], targets, layers)
            progress("Grad-CAM", len(found), len(scans))
    return found


_Maps = tuple[Float[Tensor, "n h w"], list[str]]


def _kernel(activation: Tensor, gradient: Tensor) -> _Maps:
    if activation.ndim != 4:
        raise BadTarget(
            f"a layer's output of shape {tuple(activation.shape)}", "(n, channels, height, width)", "take another layer"
        )
    signed = weighted_sum(activation, gradient)
    words = [diagnose(*each) for each in zip(signed, activation, gradient, strict=True)]
    return signed.clamp_min(0).cpu(), words


def _batch(
    run: Tracer, classifier: Classifier, scans: Sequence[Scan], targets: Targets, layers: Sequence[Layer]
) -> list[list[Attribution]]:
    prepared = [classifier.prepare(scan) for scan in scans]
    pixels = torch.from_numpy(np.concatenate([pixels for pixels, _ in prepared])).to(classifier.device)
    asked: list[tuple[str, ...]] = []

    def rows(logits: Tensor) -> Tensor:
        resolved = [
            resolve(classifier, targets, row, scan.label) for row, scan in zip(logits.cpu().numpy(), scans, strict=True)
        ]
        asked.extend(names for names, _ in resolved)
        # "predicted" and "true" may be one class or two: shorter lists are filled up with targets of weight 0
        most = max(len(names) for names in asked)
        return torch.from_numpy(np.stack([np.pad(row, ((0, most - len(row)), (0, 0))) for _, row in resolved]))

    traced = run(pixels, rows, _kernel)
    logits = traced.logits.cpu().numpy()
    return [
        [_attribution(classifier, scan, prepared[i][1], logits[i], asked[i], layer, traced.results[layer.path], i)
         for layer in layers]
        for i, scan in enumerate(scans)
    ]  # fmt: skip


def _attribution(
    classifier: Classifier,
    scan: Scan,
    geometry: Geometry,
    logits: np.ndarray,
    names: Sequence[str],
    layer: Layer,
    maps: Sequence[_Maps],
    i: int,
) -> Attribution:
    mine = maps[: len(names)]
    return Attribution(
        method="gradcam",
        layer=layer.name,
        maps=np.stack([each[i].numpy() for each, _ in mine]),
        diagnosis=tuple(words[i] for _, words in mine),
        settings={"score": "logit", "relu": True},
        **facts(classifier, scan, geometry, logits, names),
    )
