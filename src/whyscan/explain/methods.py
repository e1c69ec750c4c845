"""The methods by name. A new one is a line here and a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.gradcam import GradCAM
from whyscan.explain.lime import LIME
from whyscan.explain.shap import SHAP
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier, Layer
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution


class Explainer(Protocol):
    """A method with its settings: one attribution per scan."""

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]: ...


@runtime_checkable
class LayeredExplainer(Explainer, Protocol):
    """A method that looks at any layer, and at all of them for the price of one trace."""

    def at(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets,
        layers: Sequence[Layer],
        *,
        progress: Progress = quiet,
    ) -> list[list[Attribution]]:
        """For each scan one attribution per layer."""
        ...


@dataclass(frozen=True)
class Method:
    """What the table knows of a method.

    Attributes:
        explainer: its settings, a frozen dataclass; calling one explains. Fields that several methods have are called
            alike (`layer`, `perturbation`, `samples`, `score`, `fill`, `engine`), so that `explain` can pass them on.
        title: how it is called in headings.
        signed: whether its values can be negative, which then means "against the target".
        white_box: whether it needs the network itself, not only its answers.
        layered: whether it is a `LayeredExplainer`.
        reading: how to read its picture, in a sentence.
    """

    explainer: type[Any]
    title: str
    signed: bool
    white_box: bool
    layered: bool
    reading: str


METHODS: dict[str, Method] = {
    "gradcam": Method(
        GradCAM,
        "Grad-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: features of this layer, there, raise the target's logit; "
        "dark does not mean unused, since evidence against the target is cut off.",
    ),
    "lime": Method(
        LIME,
        "LIME",
        signed=True,
        white_box=False,
        layered=False,
        reading="A superpixel's weight: how much showing it instead of its mean changes the score, "
        "on average over scans of which about half is hidden.",
    ),
    "shap": Method(
        SHAP,
        "SHAP",
        signed=True,
        white_box=False,
        layered=False,
        reading="A superpixel's Shapley value: its share of the difference between the score of the scan "
        "and that of the scan with everything hidden; the values add up to it.",
    ),
}


def find_method(name: str) -> Method:
    """Raises BadInput for a name that is not in the table."""
    if name not in METHODS:
        raise BadInput(f"method {name!r}", f"one of {', '.join(METHODS)}", "use one of these names")
    return METHODS[name]
