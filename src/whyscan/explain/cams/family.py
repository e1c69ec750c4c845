"""Grad-CAM's relatives that need one trace and nothing else. They differ in their kernels only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from whyscan.data.scan import Scan
from whyscan.explain.blank import diagnose, diagnose_product
from whyscan.explain.cams.cam import (
    Batched,
    Cam,
    Maps,
    Prepared,
    at_own_layer,
    attribution,
    cases,
    check_settings,
    explain_at,
    over_batches,
    stack,
)
from whyscan.explain.cams.kernels import eigencam, gradcampp_weights, hirescam, layercam, xgradcam_weights
from whyscan.explain.targets import Targets
from whyscan.explain.trace import tracing
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.tokens import to_channels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


def _by(cam: Cam) -> Callable[..., list[list[Attribution]]]:
    def at(
        self: Batched,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets,
        layers: Sequence[Layer],
        *,
        progress: Progress = quiet,
    ) -> list[list[Attribution]]:
        """For each scan one attribution per layer; `layer` is not looked at."""
        return explain_at(cam, classifier, scans, targets, layers, batch=self.batch, progress=progress)

    return at


@dataclass(frozen=True)
class GradCAMPlusPlus:
    """Grad-CAM++: weights from the positive gradients, so that several small objects count as one large one does.

    Attributes:
        layer: a layer's name, its Keras alias, "last" or "final" (see `Classifier.layer`).
        batch: how many scans are traced together.
    """

    layer: str = "final"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self)

    __call__, at = at_own_layer, _by(Cam("gradcampp", "Grad-CAM++", gradcampp_weights))


@dataclass(frozen=True)
class HiResCAM:
    """HiResCAM: gradients are not averaged over the places first. Fields as in `GradCAMPlusPlus`.

    Directly before a layer norm, as at the last block of a Swin transformer, its channels add up to 0: the diagnosis
    is then "below float resolution", and what the map shows is rounding.
    """

    layer: str = "final"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self)

    __call__, at = at_own_layer, _by(Cam("hirescam", "HiResCAM", hirescam, diagnose=diagnose_product))


@dataclass(frozen=True)
class XGradCAM:
    """XGrad-CAM: gradients averaged with the activations as weights. Fields as in `GradCAMPlusPlus`."""

    layer: str = "final"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self)

    __call__, at = at_own_layer, _by(Cam("xgradcam", "XGrad-CAM", xgradcam_weights))


@dataclass(frozen=True)
class LayerCAM:
    """LayerCAM: each place weighted by its own positive gradient; also for early layers. Fields as before."""

    layer: str = "final"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self)

    __call__, at = at_own_layer, _by(Cam("layercam", "LayerCAM", layercam))


@dataclass(frozen=True)
class EigenCAM:
    """Eigen-CAM: the activations' first principal component, whatever the target. Nothing is differentiated.

    Attributes:
        layer: a layer's name, its Keras alias, "last" or "final" (see `Classifier.layer`).
        batch: how many scans are looked at together.
    """

    layer: str = "final"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self)

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
        """For each scan one attribution per layer, from one forward pass; each target has the same map."""
        settings = {"relu": True, "same for every target": True}

        def work(part: Sequence[Prepared]) -> list[list[Attribution]]:
            seen = run.look(stack(classifier, part))
            activations = [to_channels(seen.activations[layer.path], layer) for layer in layers]
            signed = [eigencam(each) for each in activations]
            return [
                [
                    attribution(
                        case, layer, _repeated(signed[j][i].cpu().numpy(), len(case.rows),
                                               diagnose(signed[j][i], activations[j][i])),
                        method="eigencam", quantity="activation along its first component", settings=settings,
                    )
                    for j, layer in enumerate(layers)
                ]
                for i, case in enumerate(cases(classifier, part, targets, seen.logits))
            ]  # fmt: skip

        with tracing(classifier.network, [layer.path for layer in layers]) as run:
            return over_batches("Eigen-CAM", work, classifier, scans, self.batch, progress)


def _repeated(signed: np.ndarray, targets: int, word: str) -> Maps:
    return Maps(np.repeat(np.maximum(signed, 0)[None], targets, 0), [word] * targets)
