"""The door: explain one scan by one method, by several, or at every layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain import gradcam
from whyscan.explain.gradcam import GradCAM
from whyscan.explain.methods import METHODS, find_method
from whyscan.explain.perturb import Fill
from whyscan.explain.segments import Superpixels
from whyscan.explain.surrogate import Engine, Labels, Perturbation, Surrogate, explain_by_play
from whyscan.explain.targets import Targets, check
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

Cut = Superpixels | Integer[np.ndarray, "h w"]
SLIC = Superpixels()


def explain(
    classifier: Classifier,
    scan: Scan,
    method: str = "gradcam",
    targets: Targets = "all",
    *,
    layer: str = "last",
    seed: int = 0,
    samples: int = 300,
    superpixels: Cut = SLIC,
    fill: Fill = "mean",
    score: Score = "probability",
    engine: Engine = "fast",
    progress: Progress = quiet,
) -> Attribution:
    """Why a classifier said what it said about one scan.

    Args:
        method: a name of `METHODS`. For settings that are not here, call the method itself:
            `LIME(Perturbation(...), kernel_width=0.5)(classifier, [scan])`.
        targets: "all", "predicted", "true", a class, a contrast "a-b", or several of these.
        layer: for Grad-CAM.
        seed, samples, superpixels, fill, score, engine: for LIME and SHAP; see `Perturbation`.
            `superpixels` may be a label map of one's own.

    Raises:
        BadInput, BadTarget, BadScan, BadModel: see their messages.
    """
    return explain_many(
        classifier, scan, [method], targets, layer=layer, seed=seed, samples=samples,
        superpixels=superpixels, fill=fill, score=score, engine=engine, progress=progress,
    )[method]  # fmt: skip


def explain_many(
    classifier: Classifier,
    scan: Scan,
    methods: Sequence[str] = tuple(METHODS),
    targets: Targets = "all",
    *,
    layer: str = "last",
    seed: int = 0,
    samples: int = 300,
    superpixels: Cut = SLIC,
    fill: Fill = "mean",
    score: Score = "probability",
    engine: Engine = "fast",
    progress: Progress = quiet,
) -> dict[str, Attribution]:
    """Several methods on one scan, by name, in the order asked for. LIME and SHAP share their evaluations.

    LIME alone draws the coalitions that suit it best; together with SHAP it draws from a mixture that suits both, so
    its weights then differ within their intervals.
    """
    check(classifier, targets, scan.label)
    cut = superpixels if isinstance(superpixels, Superpixels) else Labels(superpixels)
    perturbation = Perturbation(cut, fill, samples, score, engine)
    found: dict[str, Attribution] = {}
    playing: dict[str, Surrogate] = {}
    for name in methods:
        kind = find_method(name).explainer
        if issubclass(kind, GradCAM):
            (found[name],) = kind(layer)(classifier, [scan], targets, seed=seed, progress=progress)
        else:
            playing[name] = kind(perturbation)
    if playing:
        found |= explain_by_play(classifier, scan, playing, targets, seed=seed, progress=progress)
    return {name: found[name] for name in methods}


def explain_layers(
    classifier: Classifier,
    scan: Scan,
    targets: Targets = "all",
    *,
    layers: str | Sequence[str] = "all",
    method: str = "gradcam",
    progress: Progress = quiet,
) -> dict[str, Attribution]:
    """Every layer's map, shallow to deep, from one forward pass and one backward pass per target.

    Args:
        layers: "all", one name, or several (names, Keras aliases, "last").

    Raises:
        BadInput: the method looks at no layers.
        BadTarget: a layer or target does not exist; the nearest names are suggested.
    """
    if not find_method(method).layered:
        able = ", ".join(name for name, each in METHODS.items() if each.layered)
        raise BadInput(f"method {method!r} looks at no layer", f"one of {able}", "use explain() for this method")
    check(classifier, targets, scan.label)
    if layers == "all":
        classifier.layer("last")  # raises where there is none
        chosen = list(classifier.layers)
    else:
        asked = {classifier.layer(name) for name in ([layers] if isinstance(layers, str) else layers)}
        chosen = [layer for layer in classifier.layers if layer in asked]
    (found,) = gradcam.explain_layers(classifier, [scan], targets, chosen, progress=progress)
    return {layer.name: attribution for layer, attribution in zip(chosen, found, strict=True)}
