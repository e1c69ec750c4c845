"""The door: explain one scan by one method, by several, or at every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Integer

from whyscan.checks import at_least
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.gradcam import Recipe
from whyscan.explain.door import admit
from whyscan.explain.games.fills import Fill
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.surrogate import Labels, Surrogate, explain_by_play
from whyscan.explain.methods import METHODS, Explainer, LayeredExplainer, find_method, settings_table
from whyscan.explain.targets import Targets, check, choose_layers
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import Engine
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

Cut = Superpixels | Integer[np.ndarray, "h w"]
USUAL = ("gradcam", "lime", "shap")


def explain(
    classifier: Classifier,
    scan: Scan,
    method: str | Explainer = "gradcam",
    targets: Targets = "all",
    *,
    layer: str | None = None,
    seed: int = 0,
    samples: int | Literal["auto"] | None = None,
    superpixels: Cut | None = None,
    fill: Fill | None = None,
    score: Score | None = None,
    engine: Engine | None = None,
    recipe: Recipe | None = None,
    progress: Progress = quiet,
) -> Attribution:
    """Why a classifier said what it said about one scan.

    Args:
        method: a name of `METHODS`, or a method with its settings: `LIME(Perturbation(...), kernel_width=0.5)`.
        targets: "all", "predicted", "true", a class (or its number from 0), a contrast "a-b", or several of these.
        layer: for methods that look at one; the method's own where left out: "last" for Grad-CAM, "final" for others.
        seed: of all that is drawn.
        samples, superpixels, fill, score, engine: for methods that have them; see `Perturbation` and the method's own
            page. What is left out is the method's own. `samples` may be "auto", `superpixels` a label map of one's own.
        recipe: for Grad-CAM: "logit", or "softmax-guided", a notebook recipe that is offered to be understood.

    Raises:
        BadInput: no such method, an option that it does not have, or something that is no classifier or no scan.
        BadTarget, BadScan, BadModel: see their messages.
    """
    name = method if isinstance(method, str) else registered(method)
    return explain_many(
        classifier, scan, {name: method}, targets, layer=layer, seed=seed, samples=samples,
        superpixels=superpixels, fill=fill, score=score, engine=engine, recipe=recipe, progress=progress,
    )[name]  # fmt: skip


def explain_many(
    classifier: Classifier,
    scan: Scan,
    methods: Sequence[str | Explainer] | Mapping[str, str | Explainer] = USUAL,
    targets: Targets = "all",
    *,
    layer: str | None = None,
    seed: int = 0,
    samples: int | Literal["auto"] | None = None,
    superpixels: Cut | None = None,
    fill: Fill | None = None,
    score: Score | None = None,
    engine: Engine | None = None,
    recipe: Recipe | None = None,
    progress: Progress = quiet,
) -> dict[str, Attribution]:
    """Several methods on one scan, by name, in the order asked for. LIME and SHAP share their evaluations.

    LIME alone draws the coalitions that suit it best; together with SHAP it draws from a mixture that suits both, so
    its weights then differ within their intervals.

    Args:
        methods: names, or methods with their settings; or a mapping from names of your own to either.
        layer, seed, samples, superpixels, fill, score, engine, recipe: as for `explain`; each goes where it fits, also
            to methods with settings.
    """
    admit(classifier, scan)
    at_least(0, seed=seed)
    check(classifier, targets, scan.label)
    asked = methods if isinstance(methods, Mapping) else _by_name([methods] if isinstance(methods, str) else methods)
    options = {
        "layer": layer, "samples": samples, "superpixels": superpixels, "fill": fill, "score": score, "engine": engine,
        "recipe": recipe,
    }  # fmt: skip
    explainers = configure(asked, {name: value for name, value in options.items() if value is not None})
    found: dict[str, Attribution] = {}
    for playing in _games(explainers):
        found |= explain_by_play(classifier, scan, playing, targets, seed=seed, progress=progress)
    for name, explainer in explainers.items():
        if name not in found:
            (found[name],) = explainer(classifier, [scan], targets, seed=seed, progress=progress)
    return {name: _named(found[name], each) for name, each in explainers.items()}


def _by_name(methods: Sequence[str | Explainer]) -> dict[str, str | Explainer]:
    named: dict[str, str | Explainer] = {}
    for each in methods:
        name = each if isinstance(each, str) else registered(each)
        if name in named and named[name] is not each and named[name] != each:
            raise BadInput(f"{name} twice, with different settings", "a name for each", "pass {name: method, ...}")
        named[name] = each
    return named


def together(explainers: Mapping[str, Explainer]) -> list[dict[str, Explainer]]:
    """The methods in groups that `explain_many` explains with the same evaluations; the others each alone."""
    shared = [set(game) for game in _games(explainers)]
    alone = [{name} for name in explainers if not any(name in some for some in shared)]
    return [{name: explainers[name] for name in explainers if name in some} for some in shared + alone]


def _games(explainers: Mapping[str, Explainer]) -> list[dict[str, Surrogate]]:
    """The methods that can share their evaluations, together: those that hide the same in the same way."""
    games: list[dict[str, Surrogate]] = []
    for name, each in explainers.items():
        if isinstance(each, Surrogate):
            same = (game for game in games if next(iter(game.values())).perturbation == each.perturbation)
            joined = next(same, None)
            if joined is None:
                games.append({name: each})
            else:
                joined[name] = each
    return games


def _named(attribution: Attribution, explainer: Explainer) -> Attribution:
    name = registered(explainer)
    return replace(attribution, method=name, heading=METHODS[name].title if name in METHODS else "")


def registered(explainer: Explainer) -> str:
    """The name in `METHODS` of a method with its settings; the name of its class where it has none there."""
    kind = type(explainer)
    return next((name for name, each in METHODS.items() if each.explainer is kind), kind.__name__)


def configure(methods: Mapping[str, str | Explainer], options: Mapping[str, Any]) -> dict[str, Explainer]:
    """Methods with those options that they have: fields of their own or of their `perturbation`.

    An option counts for every method that has it, also for one that came with settings of its own.

    Raises:
        BadInput: no such method; an option that none of them has; or samples="auto" for one that cannot tell when it
            has settled.
    """
    if isinstance(options.get("superpixels"), np.ndarray):  # one label map for all, so that they can share a game
        options = {**options, "superpixels": Labels(options["superpixels"])}
    explainers = {name: _made(method) for name, method in methods.items()}
    known = {name: _options(each) for name, each in explainers.items()}
    extra = sorted(options.keys() - set().union(*known.values()))
    if extra:
        came = f"{extra[0]} for {', '.join(methods)}"
        raise BadInput(came, f"one of {', '.join(sorted(set().union(*known.values())))}", "leave it out")
    if options.get("samples") == "auto":
        for name, each in explainers.items():
            if hasattr(each, "samples"):
                apart = ", or ask for it in a call of its own" if len(explainers) > 1 else ""
                raise BadInput(
                    f'samples "auto" for {name}',
                    "a number: it cannot tell when it has settled",
                    f"give a number{apart}",
                )
    return {
        name: _with(each, {option: options[option] for option in options.keys() & known[name]})
        for name, each in explainers.items()
    }


def _made(method: str | Explainer) -> Any:
    """A method with its settings."""
    if isinstance(method, type):
        raise BadInput(f"the class {method.__name__}", "a method with its settings", f"pass {method.__name__}()")
    if isinstance(method, str):
        return find_method(method).explainer()
    if not callable(method):
        raise BadInput(
            f"method {method!r}", "a method's name, or a method with its settings", "for several: explain_many"
        )
    return method


def _options(explainer: Any) -> Set[str]:
    """What can be set; nothing in a method of the user's that is no dataclass."""
    return settings_table(explainer).keys() if is_dataclass(explainer) else frozenset()


def _with(explainer: Any, options: Mapping[str, Any]) -> Any:
    """The same method with these settings, its own or those of its `perturbation`."""
    if not options:
        return explainer
    own = {item.name for item in fields(explainer)} & options.keys()
    rest = {name: value for name, value in options.items() if name not in own}
    changed = {name: options[name] for name in own}
    if rest:
        changed["perturbation"] = replace(explainer.perturbation, **rest)
    return replace(explainer, **changed)


def explain_layers(
    classifier: Classifier,
    scan: Scan,
    targets: Targets = "all",
    *,
    layers: str | Sequence[str] = "all",
    method: str | LayeredExplainer = "gradcam",
    recipe: Recipe | None = None,
    progress: Progress = quiet,
) -> dict[str, Attribution]:
    """Every layer's map, shallow to deep, from one forward pass and one backward pass per target.

    Args:
        layers: "all", one name, or several (names, Keras aliases, "last").
        method: a layered method's name, or one with its settings.
        recipe: as for `explain`.

    Raises:
        BadInput: the method looks at no layers.
        BadTarget: a layer or target does not exist; the nearest names are suggested.
    """
    admit(classifier, scan)
    options = {} if recipe is None else {"recipe": recipe}
    (explainer,) = configure({"method": method}, options).values()
    (found,) = layers_of(classifier, [scan], targets, layers=layers, method=explainer, progress=progress)
    return found


def layers_of(
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    *,
    layers: str | Sequence[str],
    method: Explainer,
    progress: Progress = quiet,
) -> list[dict[str, Attribution]]:
    """What `explain_layers` gives, of several scans in the batches that the method is set to.

    Raises:
        as `explain_layers`.
    """
    if not isinstance(method, LayeredExplainer):
        able = ", ".join(name for name, each in METHODS.items() if each.layered)
        came = f"method {registered(method)!r} looks at no layer"
        raise BadInput(came, f"one of {able}", "use explain() for this method")
    for scan in scans:
        check(classifier, targets, scan.label)
    chosen = choose_layers(classifier, layers)
    found = method.at(classifier, scans, targets, chosen, progress=progress)
    return [
        {layer.name: _named(attribution, method) for layer, attribution in zip(chosen, each, strict=True)}
        for each in found
    ]
