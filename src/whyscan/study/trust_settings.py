"""How much a trust run looks at, and what that will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from whyscan.checks import one_of
from whyscan.errors import BadInput
from whyscan.explain.methods import find_method, settings_table
from whyscan.models.compiled import Engine
from whyscan.study.settings import check_seed

SHARED = ("lime", "shap")
"""Superpixel methods, which share their perturbed scans and whose signs can be compared."""
USUAL = ("gradcam", "layercam", "integrated_gradients", "guided_backprop", "lime", "shap", "occlusion")


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """What is judged, and on how many scans.

    Localisation needs nothing but the map, faithfulness needs perturbed scans, robustness and sanity need every
    explanation again and again: so each family has its own number of scans, drawn from the ones before it.

    Attributes:
        methods: names of `explain.methods.METHODS`.
        scans: how many scans are explained, per pair of models; localisation, tissue and complexity are measured on
            all of them.
        layered: on how many of them Grad-CAM of every layer is measured too.
        faithful: on how many of them faithfulness is measured.
        sturdy: on how many of them robustness and sanity are measured.
        evaluations: perturbed scans that LIME and SHAP share, per scan and model.
        seed: of all that is drawn.
        engine: "fast" (where it agrees with float32 on the scan at hand) or "float32", for perturbed scans.
    """

    methods: Sequence[str] = USUAL
    scans: int = 200
    layered: int = 60
    faithful: int = 40
    sturdy: int = 6
    evaluations: int = 300
    seed: int = 0
    engine: Engine = "fast"

    def samples(self, method: str) -> int | None:
        """Of one explanation, for the methods that have a budget here."""
        return self.evaluations if method in SHARED else None

    def options(self, *methods: str) -> dict[str, Any]:
        """What `explain_many` is given with methods that are explained together."""
        samples = next((each for each in map(self.samples, methods) if each is not None), None)
        found: dict[str, Any] = {} if samples is None else {"samples": samples}
        if self.engine != "fast" and any("engine" in settings_table(find_method(each).explainer()) for each in methods):
            found["engine"] = self.engine
        return found

    def __post_init__(self) -> None:
        check_seed(self.seed)
        one_of(get_args(Engine), engine=self.engine)
        if not self.methods:
            raise BadInput("no method to judge", "at least one of `whyscan methods`", "add --method gradcam")
        for name in self.methods:
            find_method(name)
        least = {"scans": 1, "layered": 0, "faithful": 0, "sturdy": 0, "evaluations": 50}
        for name, fewest in least.items():
            if getattr(self, name) < fewest:
                raise BadInput(f"{name} = {getattr(self, name)}", f"{fewest} or more", f"raise {name}")
