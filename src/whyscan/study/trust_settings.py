"""How much a trust run looks at, and what that will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from whyscan.checks import one_of
from whyscan.errors import BadInput
from whyscan.explain.explain import configure
from whyscan.explain.methods import Explainer, find_method, settings_table
from whyscan.explain.recommended import FINDERS
from whyscan.models.compiled import Engine
from whyscan.study.settings import check_seed
from whyscan.trust.case import Fill

SHARED = ("lime", "shap")
"""Superpixel methods, which share their perturbed scans and whose signs can be compared."""
FAMILIAR = ("gradcam", "layercam", "integrated_gradients", "lime", "shap")
"""What people show each other, and so what has to be judged, whatever the phantom benchmark found."""
SWIFT = (
    "gradcam", "gradcampp", "hirescam", "xgradcam", "layercam", "eigencam", "saliency", "input_x_gradient",
    "guided_backprop", "guided_gradcam",
)  # fmt: skip
"""Methods that take one forward pass and at most one backward pass a class: whole data sets can be asked."""
USUAL = (*FAMILIAR, *FINDERS)
"""The familiar methods, and those that found every planted reason."""


def rounds(methods: Sequence[str]) -> list[list[str]]:
    """Which methods are explained together: those that share their evaluations first, then each of the others."""
    together = [name for name in SHARED if name in methods]
    return [*([together] if together else []), *([name] for name in methods if name not in SHARED)]


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """What is judged, and on how many scans.

    Localisation needs nothing but the map, faithfulness needs perturbed scans, robustness and sanity need every
    explanation again and again: so each family has its own number of scans, drawn from the ones before it. These are
    chosen for comparisons, and half of them may be wrong. What a share of the data is, scans drawn from all alike say.

    Attributes:
        methods: names of `explain.methods.METHODS`.
        scans: how many scans are explained, per pair of models; localisation, tissue and complexity are measured on
            all of them.
        layered: on how many of them Grad-CAM of every layer is measured too.
        faithful: on how many of them faithfulness is measured.
        sturdy: on how many of them robustness and sanity are measured.
        wide: how many scans, drawn from all alike, are explained by those methods that take a pass or two (`SWIFT`),
            and edited; localisation and tissue are measured on them.
        evaluations: perturbed scans that LIME and SHAP share, per scan and model. As many as they take by default: what
            people look at is judged. "auto" is until their strongest superpixels have settled, some four times as dear.
        masks: masked scans that RISE asks about, per scan and model; its own default too.
        steps: of integrated gradients, as many for every map. By itself it doubles them, up to 512, until its gap is
            small; for a network with random weights that is nearly always all of them.
        seed: of all that is drawn.
        engine: "fast" (where it agrees with float32 on the scan at hand) or "float32", for perturbed scans.
        fill: what is seen where faithfulness removes pixels: "tissue" (its mean), "blur", or "road" (what the pixels
            around lead one to expect). None: each metric's own, which is tissue, for insertion blur, for ROAD its own.
    """

    methods: Sequence[str] = USUAL
    scans: int = 200
    layered: int = 60
    faithful: int = 40
    sturdy: int = 6
    wide: int = 500
    evaluations: int | Literal["auto"] = 300
    masks: int = 500
    steps: int = 64
    seed: int = 0
    engine: Engine = "fast"
    fill: Fill | None = None

    @property
    def swift(self) -> tuple[str, ...]:
        """Those of the methods that the wide sample is asked by."""
        return tuple(name for name in self.methods if name in SWIFT)

    def samples(self, method: str) -> int | Literal["auto"] | None:
        """Of one explanation, for the methods that have a budget here."""
        if method in SHARED:
            return self.evaluations
        return self.masks if method == "rise" else None

    def explainers(self, *methods: str) -> dict[str, Explainer]:
        """Methods that are explained together, with the settings that they have here."""
        samples = next((each for each in map(self.samples, methods) if each is not None), None)
        found: dict[str, Any] = {} if samples is None else {"samples": samples}
        if "integrated_gradients" in methods:
            found |= {"steps": self.steps, "tolerance": None}
        if self.engine != "fast" and any("engine" in settings_table(find_method(each).explainer()) for each in methods):
            found["engine"] = self.engine
        return configure(dict(zip(methods, methods, strict=True)), found)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        one_of(get_args(Engine), engine=self.engine)
        if self.fill is not None:
            one_of(get_args(Fill), fill=self.fill)
        if not self.methods:
            raise BadInput("no method to judge", "at least one of `whyscan methods`", "add --method gradcam")
        for name in self.methods:
            find_method(name)
        least = {
            "scans": 1,
            "layered": 0,
            "faithful": 0,
            "sturdy": 0,
            "wide": 0,
            "evaluations": 50,
            "masks": 50,
            "steps": 1,
        }
        for name, fewest in least.items():
            value = getattr(self, name)
            if value == "auto" and name == "evaluations":
                continue
            if not isinstance(value, int) or value < fewest:
                raise BadInput(f"{name} = {value!r}", f"{fewest} or more", f"raise {name}")
