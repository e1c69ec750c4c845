"""Grad-CAM: where a layer's features argue for a target. Selvaraju et al., ICCV 2017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from whyscan.checks import one_of
from whyscan.data.scan import Scan
from whyscan.explain.blank import EPS, diagnose, diagnose_guided, diagnose_recipe
from whyscan.explain.cams.cam import Cam, Maps, at_own_layer, check_settings, explain_at
from whyscan.explain.cams.kernels import gradcam_weights, guided_weights, summed
from whyscan.explain.gradients.backward import softmax_slopes
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier, Layer
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

__all__ = ["GradCAM", "Recipe", "diagnose", "gradcam", "softmax_rows"]

Recipe = Literal["logit", "softmax-guided"]


def gradcam(activation: Float[Tensor, "n c h w"], gradient: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Equation 2: ReLU(sum_c mean_hw(gradient) * activation). Raw: in logits, not scaled."""
    return summed(gradcam_weights, activation, gradient).clamp_min(0)


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM of one layer.

    Attributes:
        layer: a layer's name, its Keras alias, or "last".
        batch: how many scans are traced together.
        recipe: "logit", the paper's; or "softmax-guided", the well-known notebook recipe, to see what it does: the
            gradient of the *softmax* score, counted only where it and the activation are positive, no ReLU, and each
            map scaled by itself as (x - min) / (max - min + 1e-8), here on the layer's own grid.
    """

    layer: str = "last"
    batch: int = 8
    recipe: Recipe = "logit"

    def __post_init__(self) -> None:
        check_settings(self)
        one_of(get_args(Recipe), recipe=self.recipe)

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
        return explain_at(
            _RECIPES[self.recipe], classifier, scans, targets, layers, batch=self.batch, progress=progress
        )


def softmax_rows(
    rows: Float[np.ndarray, "t k"], logits: Float[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, "t k"], Float64[np.ndarray, " t"]]:
    """The gradient of the softmax scores r . p with respect to the logits, as a direction and a size.

    The size is half the sum of its magnitudes, p_t (1 - p_t) for a class; in float64, since it is far below float32
    for a model that is sure, and kept apart so that the network is differentiated by numbers near 1.

    Returns:
        The gradients divided by their sizes, and the sizes. Where a size is 0 so is the gradient.
    """
    slopes = softmax_slopes(torch.from_numpy(logits)[None], torch.from_numpy(rows))[0].numpy()
    sizes = np.abs(slopes).sum(1) / 2
    return (slopes / np.where(sizes > 0, sizes, 1)[:, None]).astype(np.float32), sizes


def _min_max(found: Maps, factors: np.ndarray) -> Maps:
    """The recipe's last step, and what it makes invisible."""
    low = found.maps.min((1, 2), keepdims=True)
    spans = (found.maps - low).max((1, 2))
    own = factors[:, None, None] * (found.maps - low)
    words = [
        diagnose_recipe(word, float(span), float(factor))
        for word, span, factor in zip(found.words, spans, factors, strict=True)
    ]
    measured = {"softmax slope": factors.tolist(), "range before scaling": (factors * spans).tolist()}
    return Maps((own / ((factors * spans)[:, None, None] + EPS)).astype(np.float32), words, measured)


_RECIPES = {
    "logit": Cam("gradcam", "Grad-CAM", gradcam_weights),
    "softmax-guided": Cam(
        "gradcam",
        "Grad-CAM, softmax-guided",
        guided_weights,
        settings={
            "recipe": "softmax-guided", "score": "probability", "relu": False, "guided": True,
            "scaled": "min-max on the layer's own grid, eps 1e-8",
        },
        score="probability",
        diagnose=diagnose_guided,
        rows=softmax_rows,
        finish=_min_max,
    ),
}  # fmt: skip
