"""Guided Grad-CAM: guided backpropagation where Grad-CAM is bright. Selvaraju et al., ICCV 2017, section 3.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from whyscan.checks import made_of
from whyscan.data.scan import Scan
from whyscan.explain.cams.gradcam import gradcam
from whyscan.explain.gradients.backward import Question, attribution, check_settings, gradients_of, score_rows
from whyscan.explain.gradients.guided import Guide, words
from whyscan.explain.gradients.saliency import strongest
from whyscan.explain.targets import Targets
from whyscan.explain.trace import tracing
from whyscan.explain.whitebox import need_gradients
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.tokens import to_channels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score


@dataclass(frozen=True)
class GuidedGradCAM:
    """The size of the guided gradient times the layer's Grad-CAM, brought to the model's grid bilinearly.

    The fine detail is guided backpropagation's, so what is known against that holds here: believe the region, which is
    Grad-CAM's, and not the texture in it.

    Attributes:
        layer: a layer's name, its Keras alias, or "last".
        score: "logit" or "probability".
        batch: how many scans are differentiated together.
    """

    layer: str = "last"
    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, batch=self.batch)
        made_of(str, layer=self.layer)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan."""
        need_gradients(classifier, "guided Grad-CAM")
        found = self.at(classifier, scans, targets, (classifier.layer(self.layer),), progress=progress)
        return [each for (each,) in found]

    def at(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets,
        layers: Sequence[Layer],
        *,
        progress: Progress = quiet,
    ) -> list[list[Attribution]]:
        """For each scan one attribution per layer, all from one guided pass and one trace; `layer` is not looked at."""
        need_gradients(classifier, "guided Grad-CAM")
        guide = Guide(classifier.network)

        def use(question: Question, gradients: Tensor) -> list[Attribution]:
            sizes, cams = strongest(gradients), _cams(classifier, question, layers, self.score)
            return [self._one(classifier, question, layer, sizes, cams[layer.path], guide) for layer in layers]

        return gradients_of(
            classifier, scans, targets, self.score, batch=self.batch, progress=progress, use=use, forward=guide
        )

    def _one(
        self, classifier: Classifier, question: Question, layer: Layer, sizes: Tensor, cams: Tensor, guide: Guide
    ) -> Attribution:
        maps = sizes * functional.interpolate(cams[:, None], sizes.shape[1:], mode="bilinear")[:, 0]
        diagnosis = ["blank Grad-CAM" if not bool(cam.any()) else word
                     for cam, word in zip(cams, words(maps, guide), strict=True)]  # fmt: skip
        return attribution(
            classifier, question, maps, diagnosis,
            method="guided_gradcam",
            quantity="guided gradient × Grad-CAM",
            layer=layer.name, score=self.score, evaluations=2, settings={"score": self.score},
        )  # fmt: skip


def _cams(classifier: Classifier, question: Question, layers: Sequence[Layer], score: Score) -> dict[str, Tensor]:
    """Grad-CAM (t, h, w) of each layer by its path."""
    kernels = {layer.path: partial(_cam, layer) for layer in layers}
    with tracing(classifier.network, [layer.path for layer in layers]) as run:
        traced = run(question.pixels[None], lambda logits: score_rows(logits, question.weights, score), kernels)
    return {path: torch.cat(list(maps)) for path, maps in traced.results.items()}


def _cam(layer: Layer, output: Tensor, gradient: Tensor) -> Tensor:
    return gradcam(to_channels(output, layer), to_channels(gradient, layer))
