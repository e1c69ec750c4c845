"""What LIME and SHAP share: one game, one set of evaluations, then a small fit each, for all targets at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float64, Integer

from whyscan.checks import at_least, one_of, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.games.estimate import (
    Estimator,
    Fitted,
    Linear,
    answering,
    drawn,
    estimate,
    estimate_until_settled,
)
from whyscan.explain.games.fills import Fill, check_fill
from whyscan.explain.games.perturb import Game, game
from whyscan.explain.games.question import moved, put
from whyscan.explain.games.segments import Superpixels, called, own, segment, within
from whyscan.explain.targets import Targets, check
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import Engine
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score
from whyscan.records.geometry import Geometry

AUTO = 2000
"""The most evaluations that are spent where `samples` is "auto"."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Superpixels of the user's own: a label map on the scan's grid or on the model's; negative = always shown."""

    map: Integer[np.ndarray, "h w"]

    def __post_init__(self) -> None:
        labels = np.asarray(self.map)
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            came = f"a label map of {labels.dtype} and shape {labels.shape}"
            raise BadInput(
                came, "a whole number for each pixel, (height, width)", "number the parts: labels.astype(int)"
            )
        object.__setattr__(self, "map", labels)


@dataclass(frozen=True)
class Perturbation:
    """What is hidden, how, how often, and which score is watched.

    Attributes:
        superpixels: how the scan is cut up, or the user's own label map.
        fill: what a hidden superpixel looks like: "mean" (its own mean, as in lime), or what else `Fill` knows.
        samples: the most evaluations of the model, for all methods that share them together; or "auto": as many as it
            takes for the strongest superpixels of every target to settle, 2,000 at most.
        estimator: "quadrature" learns the game from the coalitions and integrates what it learned; "regression" fits
            weights to the coalitions and nothing else, as lime and shap do, and answers anyway where there are fewer
            than 20 or more than 3,000 coalitions, or more than 200 superpixels.
        score: "probability", as lime and shap are mostly used, or "logit", which does not saturate.
        engine: "fast" (bfloat16 where it agrees with float32 on this very scan) or "float32".
        batch: how many perturbed scans are judged at once.
    """

    superpixels: Superpixels | Labels = field(default_factory=Superpixels)
    fill: Fill = "mean"
    samples: int | Literal["auto"] = 300
    estimator: Estimator = "quadrature"
    score: Score = "probability"
    engine: Engine = "fast"
    batch: int = 8

    def __post_init__(self) -> None:
        plain(self)
        if isinstance(self.superpixels, np.ndarray):
            object.__setattr__(self, "superpixels", Labels(self.superpixels))
        if not isinstance(self.superpixels, Superpixels | Labels):
            raise BadInput(
                f"superpixels {self.superpixels!r}", "Superpixels(...) or a label map", "write Superpixels('slic', 80)"
            )
        check_fill(self.fill)
        one_of(("probability", "logit"), score=self.score)
        one_of(get_args(Engine), engine=self.engine)
        one_of(get_args(Estimator), estimator=self.estimator)
        at_least(1, batch=self.batch)
        if isinstance(self.samples, str) and self.samples == "auto":
            if self.estimator == "regression":
                raise BadInput(
                    'samples "auto" with regression', "quadrature", "leave the estimator out, or give samples"
                )
        elif not isinstance(self.samples, int) or isinstance(self.samples, bool) or self.samples < 4:
            raise BadInput(f"{self.samples!r} samples", '4 or more, or "auto"', "300 is the default")

    @property
    def most(self) -> int:
        """The most evaluations of the model."""
        return AUTO if self.samples == "auto" else self.samples


@runtime_checkable
class Surrogate(Linear, Protocol):
    """A method that is a fit to judged coalitions and whose measure depends on their size only."""

    @property
    def perturbation(self) -> Perturbation: ...


def explain_by_play(
    classifier: Classifier,
    scan: Scan,
    methods: Mapping[str, Surrogate],
    targets: Targets,
    *,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Attribution]:
    """One attribution per method, all from the same evaluations of the model.

    Raises:
        BadInput: the methods do not agree on what is hidden and how.
        BadScan: hiding changes nothing.
        BadTarget: a target does not exist.
    """
    shared, *others = {id(each.perturbation): each.perturbation for each in methods.values()}.values()
    if any(each != shared for each in others):
        raise BadInput("methods with different perturbations", "the same for all", "explain them one by one")
    check(classifier, targets, scan.label)
    geometry, board = set_up(classifier, scan, shared, seed)
    plan = drawn(methods, board.players, shared.most, seed, shared.estimator)
    asked = put(
        classifier, scan, targets, geometry, board, plan.probe(),
        score=shared.score, engine=shared.engine, batch=shared.batch, seed=seed,
    )  # fmt: skip
    judged = partial(asked.scores, progress=progress)
    if shared.samples == "auto":
        found = estimate_until_settled(methods, plan, judged, asked.link())
    else:
        found = estimate(methods, plan, judged, shared.estimator, asked.link())
    used = plan.first(len(asked.memory))
    scores = asked.scores(used.coalitions)
    ends = end_scores(*scores[:2])
    common = {
        **asked.about,
        "segments": board.segments,
        "signed": True,
        "evaluations": len(asked.memory),
        "diagnosis": moved(np.ptp(scores, axis=0)),
    }
    return {
        name: Attribution(
            method=name,
            **_arrays(found[name]),
            converged=found[name].settled if found[name].measured else None,
            measured={**found[name].measured, **ends},
            settings={
                **settings_of(method),
                "estimator": shared.estimator if plan.complete else answering(used, shared.estimator),
                **cut(shared.superpixels, geometry, board),
                "shared_by": sorted(methods),
                "exact": plan.complete,
            },
            **common,
        )
        for name, method in methods.items()
    }


def set_up(classifier: Classifier, scan: Scan, shared: Perturbation, seed: int = 0) -> tuple[Geometry, Game]:
    """How the scan got onto the model's grid, and the game that is played on it.

    Args:
        seed: of the noise that may fill what is hidden.

    Raises:
        BadScan: hiding changes nothing.
    """
    pixels, geometry = classifier.prepare(scan)
    labels = (
        own(shared.superpixels.map, geometry)
        if isinstance(shared.superpixels, Labels)
        else within(segment(pixels[0], shared.superpixels), geometry)
    )
    return geometry, game(pixels[0], labels, shared.fill, seed)


def end_scores(everybody: Float64[np.ndarray, " t"], nobody: Float64[np.ndarray, " t"]) -> dict[str, tuple[float, ...]]:
    """What the weights explain the difference between, per target. Shapley and Owen values add up to it."""
    return {"score of the scan": tuple(everybody.tolist()), "score with all hidden": tuple(nobody.tolist())}


def _arrays(fitted: Fitted) -> dict[str, Any]:
    intervals = fitted.intervals
    return {
        "weights": fitted.weights.astype(np.float32),
        "intervals": None if intervals is None else intervals.astype(np.float32),
    }


def settings_of(method: Any) -> dict[str, Any]:
    """The fields of a method with a `perturbation`, flat; what was cut up, and how, `cut` says."""
    own_fields = {item.name: getattr(method, item.name) for item in fields(method)}
    shared: Perturbation = own_fields.pop("perturbation")
    return {**own_fields, **{item.name: getattr(shared, item.name) for item in fields(shared)}}


def cut(superpixels: Superpixels | Labels, geometry: Geometry, board: Game) -> dict[str, Any]:
    """How the scan was cut up, fit for JSON. Of a label map of the user's: the label that each weight belongs to."""
    if isinstance(superpixels, Superpixels):
        return {"superpixels": asdict(superpixels)}
    return {
        "superpixels": "the user's own",
        "labels": called(superpixels.map, geometry, board.segments).tolist(),
    }
