"""The methods by name. A new one is a line here and a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.ablationcam import AblationCAM
from whyscan.explain.cams.family import EigenCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.cams.guided_gradcam import GuidedGradCAM
from whyscan.explain.cams.scorecam import ScoreCAM
from whyscan.explain.games.anchors import Anchors
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.occlusion import Occlusion
from whyscan.explain.games.owen import Owen
from whyscan.explain.games.rise import RISE
from whyscan.explain.games.shap import SHAP
from whyscan.explain.gradients.gradient_shap import GradientSHAP
from whyscan.explain.gradients.guided import GuidedBackprop
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.explain.gradients.rollout import AttentionRollout
from whyscan.explain.gradients.saliency import InputXGradient, Saliency
from whyscan.explain.gradients.smoothgrad import SmoothGrad
from whyscan.explain.recommended import FOUND, INSANE, RECOMMENDED
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier, Layer
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, nearest


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

    @property
    def layer(self) -> str:
        """The one that it looks at when it is called."""
        ...

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
    "gradcampp": Method(
        GradCAMPlusPlus,
        "Grad-CAM++",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: features of this layer, there, whose positive gradients raise the target's logit; meant for "
        "several objects of one class, and for layers after ReLU.",
    ),
    "hirescam": Method(
        HiResCAM,
        "HiResCAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: this layer's value there times its own gradient raises the target's logit; where the rest of "
        "the network is linear, exactly by so much.",
    ),
    "xgradcam": Method(
        XGradCAM,
        "XGrad-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: features of this layer, there, raise the target's logit, each channel weighted where it is "
        "active; dark does not mean unused.",
    ),
    "layercam": Method(
        LayerCAM,
        "LayerCAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: this layer is active there and more of it would raise the target's logit; what speaks against "
        "the target is not subtracted.",
    ),
    "eigencam": Method(
        EigenCAM,
        "Eigen-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: where this layer's features vary together most strongly. The same for every class: it shows "
        "what stands out to the layer, not what speaks for a target.",
    ),
    "scorecam": Method(
        ScoreCAM,
        "Score-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: where channels are active through which alone the model still gives the target a high logit; "
        "no gradient is used.",
    ),
    "ablationcam": Method(
        AblationCAM,
        "Ablation-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Bright: where channels are active without which the target's logit would fall; no gradient is used.",
    ),
    "saliency": Method(
        Saliency,
        "Saliency",
        signed=False,
        white_box=True,
        layered=False,
        reading="Bright: a small change of this pixel's brightness would change the target's score most, up or down; "
        "it says what the model is sensitive to, not what speaks for the target.",
    ),
    "input_x_gradient": Method(
        InputXGradient,
        "Input × gradient",
        signed=True,
        white_box=True,
        layered=False,
        reading="A pixel's brightness times its gradient: what it would add to the score of a model that is linear "
        "down to black; black pixels get 0 whatever the model makes of them.",
    ),
    "smoothgrad": Method(
        SmoothGrad,
        "SmoothGrad",
        signed=False,
        white_box=True,
        layered=False,
        reading="Saliency averaged over noisy copies of the scan: bright where a small change of brightness matters, "
        "whatever the noise.",
    ),
    "integrated_gradients": Method(
        IntegratedGradients,
        "Integrated gradients",
        signed=True,
        white_box=True,
        layered=False,
        reading="A pixel's share of the difference between the score of the scan and that of the baseline; the shares "
        "add up to it but for the gap that is stated, and pixels that equal the baseline get 0.",
    ),
    "gradient_shap": Method(
        GradientSHAP,
        "Gradient SHAP",
        signed=True,
        white_box=True,
        layered=False,
        reading="Integrated gradients averaged over several baselines: a pixel's share of the difference between the "
        "score of the scan and the mean score of the references.",
    ),
    "guided_backprop": Method(
        GuidedBackprop,
        "Guided backpropagation",
        signed=False,
        white_box=True,
        layered=False,
        reading="Mostly the edges of the scan, nearly alike for every class and even for a head that was taught "
        "shuffled labels: a picture to look at, not evidence.",
    ),
    "guided_gradcam": Method(
        GuidedGradCAM,
        "Guided Grad-CAM",
        signed=False,
        white_box=True,
        layered=True,
        reading="Edges of the scan where this layer's Grad-CAM is bright: believe the region, not the texture in it.",
    ),
    "attention_rollout": Method(
        AttentionRollout,
        "Attention rollout",
        signed=False,
        white_box=True,
        layered=False,
        reading="How much each patch is attended to over all blocks; it knows no classes, so every target has the same "
        "map.",
    ),
    "owen": Method(
        Owen,
        "Partition SHAP (Owen values)",
        signed=True,
        white_box=False,
        layered=False,
        reading="A superpixel's Owen value: its share of the difference between the score of the scan and that of the "
        "scan with everything hidden, where whole regions of the hierarchy are shown or hidden together.",
    ),
    "occlusion": Method(
        Occlusion,
        "Occlusion",
        signed=True,
        white_box=False,
        layered=False,
        reading="How far the score falls when a window over this place is covered, on average over the windows that "
        "cover it; negative where covering raises it. What is there twice is not missed when one of them is covered.",
    ),
    "rise": Method(
        RISE,
        "RISE",
        signed=True,
        white_box=False,
        layered=False,
        reading="How much higher the score is, on average over random soft masks, when this place is shown; as blurred "
        "as the masks' cells are large, and no finer than the standard error that is stated.",
    ),
    "anchors": Method(
        Anchors,
        "Anchors",
        signed=False,
        white_box=False,
        layered=False,
        reading="The few superpixels that settle the prediction whatever else is hidden, with the precision that is "
        "stated; a value is how much of that precision is lost without the superpixel. What is outside is not unused.",
    ),
}


def find_method(name: str) -> Method:
    """Raises BadInput for a name that is not in the table."""
    if name not in METHODS:
        near = nearest(name, tuple(METHODS))
        mend = f"try {near}" if near else "use one of these names"
        raise BadInput(f"method {name!r}", f"one of {', '.join(METHODS)}", mend)
    return METHODS[name]


def describe() -> list[dict[str, Any]]:
    """The table as plain data: name, title, what it needs, its reading, which planted reasons it found (None: not
    asked), whether it is recommended for that, and its settings with their defaults.
    """
    return [
        {
            "name": name,
            "title": method.title,
            "signed": method.signed,
            "white_box": method.white_box,
            "layered": method.layered,
            "reading": method.reading,
            "finds": list(FOUND[name]) if name in FOUND else None,
            "recommended": name in RECOMMENDED,
            "caution": INSANE.get(name, ""),
            "settings": settings_table(method.explainer()),
        }
        for name, method in METHODS.items()
    ]


def settings_table(explainer: Any) -> dict[str, Any]:
    """A dataclass's fields; those of a field that is a dataclass itself stand beside them."""
    found: dict[str, Any] = {}
    for item in fields(explainer):
        value = getattr(explainer, item.name)
        if item.name == "perturbation":
            found |= settings_table(value)
        else:
            found[item.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return found
