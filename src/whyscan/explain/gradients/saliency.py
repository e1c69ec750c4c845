"""Saliency and input x gradient: one gradient at the scan itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from whyscan.data.scan import Scan
from whyscan.explain.blank import THERE
from whyscan.explain.gradients.backward import Question, attribution, check_settings, gradients_of
from whyscan.explain.targets import Targets
from whyscan.explain.whitebox import need_gradients
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score


def strongest(gradients: Float[Tensor, "t c h w"]) -> Float[Tensor, "t h w"]:
    """The largest size of a pixel's gradient over the colour channels (Simonyan et al. 2014, section 3.1).

    It has no sign on purpose: that of a gradient says whether *brightening* the pixel helps the target, not whether
    what is there speaks for it.
    """
    return gradients.abs().amax(1)


@dataclass(frozen=True)
class Saliency:
    """Where a small change of brightness would change the score most. Simonyan, Vedaldi & Zisserman, ICLR 2014.

    Attributes:
        score: "logit", or "probability", whose gradient fades as the model grows sure.
        batch: how many scans are differentiated together.
    """

    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, batch=self.batch)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan: size of the change of score per unit of brightness, channels' maximum."""
        need_gradients(classifier, "saliency")

        def use(question: Question, gradients: Tensor) -> Attribution:
            return attribution(
                classifier, question, strongest(gradients),
                method="saliency",
                quantity=f"size of the gradient of the {self.score}",
                score=self.score, evaluations=1, settings={"score": self.score},
            )  # fmt: skip

        return gradients_of(classifier, scans, targets, self.score, batch=self.batch, progress=progress, use=use)


@dataclass(frozen=True)
class InputXGradient:
    """Each pixel's value times its gradient, channels summed: the score's linear part at the scan.

    Shrikumar et al., "Not just a black box", 2016. For a network that is linear between black and the scan it equals
    integrated gradients from black, and only then do its values add up to the score. Black pixels get exactly 0,
    whatever the model makes of them.

    Attributes:
        score: "logit" or "probability".
        batch: how many scans are differentiated together.
    """

    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, batch=self.batch)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, signed."""
        need_gradients(classifier, "input x gradient")

        def use(question: Question, gradients: Tensor) -> Attribution:
            return attribution(
                classifier, question, (question.pixels * gradients).sum(1), _words(question.pixels, gradients),
                method="input_x_gradient", signed=True, score=self.score, evaluations=1, settings={"score": self.score},
            )  # fmt: skip

        return gradients_of(classifier, scans, targets, self.score, batch=self.batch, progress=progress, use=use)


def _words(pixels: Float[Tensor, "c h w"], gradients: Float[Tensor, "t c h w"]) -> list[str]:
    black = not bool(pixels.any())
    return ["black scan" if black else THERE] * len(gradients)
