"""Consensus: one map from several methods of the same scan and model, and where they agree.

Maps differ in unit, in grid and in grain, so each is first brought to common regions and to its own strength:

1. Regions: the superpixels of the method that has the most; without one, SLIC of the scan. What is outside the game
   is one more region. Each map becomes its mean per region: the noise of a pixel method is averaged out. A superpixel's
   weight is the total of its pixels and a pixel's value is not, so weights are spread over their pixels first: of a
   linear model, Shapley values of superpixels and integrated gradients then say the same.
2. Strength: each is divided by its mean absolute value over the area, so that no method speaks louder than another. A
   map that is 0 everywhere says nothing and is left out, by name. So is an anchor of a target that is not predicted,
   for it is a rule that it stays so and speaks against the target; and one that did not reach its precision.
3. Consensus: the mean of what is left. Methods whose values are all signed give a signed consensus. Where one of them
   knows no "against" (Grad-CAM, saliency), the others are cut at 0 first: the question that all of them answer is
   where something speaks for the target.
4. Agreement, per region: the share of methods whose sign is the consensus's own; or, without signs, that say as the
   consensus does whether the region is among the strongest fifth of the area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Integer

from whyscan.errors import BadInput, BadTarget
from whyscan.explain.games.segments import Superpixels, segment
from whyscan.records.attribution import Attribution, find
from whyscan.records.facts import note
from whyscan.stats.ranks import ranks

_METHOD, _AGREEMENT = "consensus", "agreement"
_TOP = 0.2
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class Consensus:
    """What several methods say together.

    Attributes:
        attribution: the consensus, one weight per region; 1 is the mean strength of a map.
        methods: the names of the methods, with the layer where they look at one.
        strengths: (methods, targets, regions) each method's own map in the same units; 0 where it says nothing.
        shares: (targets, regions) the share of methods that agree, 0 to 1; of those that say something.
        correlations: (targets, methods, methods) Spearman's, over regions; 0 with a map that says nothing.
    """

    attribution: Attribution
    methods: tuple[str, ...]
    strengths: Float32[np.ndarray, "a t s"]
    shares: Float32[np.ndarray, "t s"]
    correlations: Float32[np.ndarray, "t a a"]

    @property
    def agreement(self) -> Float32[np.ndarray, "t h w"]:
        """The share of methods that agree, at each pixel of the scan."""
        assert self.attribution.segments is not None
        return np.asarray(self.shares[:, self.attribution.geometry.labels_to_scan(self.attribution.segments)])

    def agreement_map(self) -> Attribution:
        """The share of methods that agree as an attribution of its own, to be saved, drawn and exported like any other.

        It says nothing for or against the target: where methods agree they may agree that nothing is there.
        """
        return replace(
            self.attribution,
            method=_AGREEMENT,
            heading=self.attribution.heading.replace("Consensus", "Agreement", 1),
            quantity="share of methods that agree",
            weights=self.shares,
            signed=False,
            diagnosis=("there",) * len(self.attribution.targets),
        )


def consensus(attributions: Sequence[Attribution] | Mapping[str, Attribution], target: str | None = None) -> Consensus:
    """One map from several methods; the order in which they are given does not matter to it.

    Args:
        attributions: two or more, of one scan and one model, as `explain_many` gives them.
        target: one target; else all that they have in common.

    Raises:
        BadInput: fewer than two; of different scans or models.
        BadTarget: the target is missing in one of them, or they have none in common.
    """
    given = list(attributions.values() if isinstance(attributions, Mapping) else attributions)
    _check(given)
    targets = _common(given, target)
    names = list(attributions) if isinstance(attributions, Mapping) else [each.method for each in given]
    methods = tuple(f"{name} at {each.layer}" if each.layer else name for name, each in zip(names, given, strict=True))
    regions = _regions(given)
    labels = given[0].geometry.labels_to_scan(regions)
    area = np.bincount(labels.ravel(), minlength=int(regions.max()) + 1).astype(float)
    why = [[_no_evidence(each, name) for name in targets] for each in given]
    # a method that is left out everywhere does not take the others' signs
    signed = all(each.signed for each, reasons in zip(given, why, strict=True) if not all(reasons))
    strengths = np.stack([_strength(_means(each, targets, labels, area), area, signed) for each in given])
    strengths[np.array(why) != ""] = 0.0
    speaks = np.asarray(strengths.any(2))
    weights = strengths.sum(0) / np.maximum(speaks.sum(0), 1)[:, None]
    weights[np.abs(weights) < _NOTHING] = 0.0
    shares = _shares(strengths, weights, speaks, area, signed)
    correlations = np.stack([_spearman(strengths[:, t]) for t in range(len(targets))])
    mean_correlation = [_mean_pair(each, speaks[:, t]) for t, each in enumerate(correlations)]
    attribution = replace(
        given[0],
        method=_METHOD,
        heading=f"Consensus of {', '.join(each.heading or each.method for each in given)}",
        quantity="times each map's mean strength",
        targets=targets,
        maps=None,
        segments=regions,
        weights=weights.astype(np.float32),
        intervals=None,
        signed=signed,
        score=min(each.score for each in given),
        layer=None,
        evaluations=0,
        converged=None,
        diagnosis=tuple(
            _diagnosis(methods, speaks[:, t], [reasons[t] for reasons in why]) for t in range(len(targets))
        ),
        measured={
            "mean pairwise rank correlation": mean_correlation,
            "mean agreement": [float(each) for each in shares @ area / area.sum()],
        },
        engine=", ".join(sorted({each.engine for each in given})),
        deviation=max((each.deviation for each in given if each.deviation is not None), default=None),
        seed=None,
        settings={"methods": list(methods), "signed": signed, "regions": len(area), "top": None if signed else _TOP},
    )
    return Consensus(
        attribution, methods, strengths.astype(np.float32), shares.astype(np.float32), correlations.astype(np.float32)
    )


def _check(given: Sequence[Attribution]) -> None:
    if len(given) < 2:
        raise BadInput(
            f"{len(given)} attribution(s)", "two or more methods to compare", "explain by another method too"
        )
    first = given[0]
    for each in given[1:]:
        names = f"{first.method} and {each.method}"
        if each.scan != first.scan or each.geometry != first.geometry:
            raise BadInput(f"{names} of different scans", "one scan", "explain the same scan by each method")
        if (each.model, each.model_hash) != (first.model, first.model_hash):
            came = f"{names} of different models, {first.model!r} and {each.model!r}"
            raise BadInput(came, "one model", "explain by the same model")


def _common(given: Sequence[Attribution], target: str | None) -> tuple[str, ...]:
    if target is not None:
        (name,) = {find(target, each.targets, f"target of {each.method}") for each in given}
        return (name,)
    common = tuple(name for name in given[0].targets if all(name in each.targets for each in given[1:]))
    if not common:
        came = "; ".join(f"{each.method}: {', '.join(each.targets)}" for each in given)
        raise BadTarget(f"no target in common ({came})", "one that all explain", "explain the same targets")
    return common


def _no_evidence(attribution: Attribution, target: str) -> str:
    """Why an anchor's map does not say where something speaks for the target; "" where it does, and of other methods.

    A map of another method that is hardly there is weak evidence. An anchor's is evidence of another thing.
    """
    return note(attribution, target) if attribution.method == "anchors" else ""


def _regions(given: Sequence[Attribution]) -> Int32[np.ndarray, "mh mw"]:
    """Labels 0..s-1 on the model's grid, every pixel in one."""
    cuts = [each.segments for each in given if each.segments is not None]
    if cuts:
        # of cuts with equally many, the one whose bytes come first: an order that does not depend on the caller's
        found = min(cuts, key=lambda cut: (-int(cut.max()), cut.tobytes()))
        return np.where(found < 0, int(found.max()) + 1, found).astype(np.int32)
    thumbnail, geometry = given[0].thumbnail, given[0].geometry
    if thumbnail is None:
        return segment(np.zeros((1, *geometry.model), np.float32), Superpixels("grid"))
    image = np.atleast_3d(thumbnail).transpose(2, 0, 1).astype(np.float32) / 255
    return segment(geometry.to_model(np.ascontiguousarray(image)), Superpixels())


def _means(
    attribution: Attribution, targets: Sequence[str], labels: Integer[np.ndarray, "h w"], area: np.ndarray
) -> Float64[np.ndarray, "t s"]:
    """Values per pixel, averaged over each region."""
    values = attribution.values[[attribution.index(name) for name in targets]].astype(float)
    if attribution.segments is not None and attribution.method != _METHOD:  # a consensus is per pixel as it is
        own = attribution.geometry.labels_to_scan(attribution.segments)
        values /= np.bincount(own.ravel() + 1)[own + 1]
    sums = [np.bincount(labels.ravel(), each.ravel(), len(area)) for each in values]
    return np.asarray(np.array(sums) / np.maximum(area, 1))


def _strength(means: Float64[np.ndarray, "t s"], area: np.ndarray, signed: bool) -> Float64[np.ndarray, "t s"]:
    """In units of the map's own mean absolute value."""
    means = means if signed else np.maximum(means, 0.0)
    size = np.abs(means) @ area / area.sum()
    return np.asarray(means / np.where(size > 0, size, 1.0)[:, None])


def _shares(
    strengths: np.ndarray, weights: np.ndarray, speaks: Bool[np.ndarray, "a t"], area: np.ndarray, signed: bool
) -> Float64[np.ndarray, "t s"]:
    if signed:
        same = np.sign(np.where(np.abs(strengths) < _NOTHING, 0.0, strengths)) == np.sign(weights)
    else:
        same = np.stack([_top(each, area) for each in strengths]) == _top(weights, area)
    return np.asarray((same & speaks[..., None]).sum(0) / np.maximum(speaks.sum(0), 1)[:, None])


def _top(strengths: Float64[np.ndarray, "t s"], area: np.ndarray) -> Bool[np.ndarray, "t s"]:
    """Whether each region is among the strongest that make up a fifth of the area; ties are in together."""
    inside = np.zeros(strengths.shape, bool)
    for row, each in zip(inside, strengths, strict=True):
        order = np.argsort(-each, kind="stable")
        reached = int((np.cumsum(area[order])[:-1] < _TOP * area.sum()).sum())
        row[:] = (each >= each[order[reached]] - _NOTHING) & (each > _NOTHING)
    return inside


def _spearman(strengths: Float64[np.ndarray, "a s"]) -> Float64[np.ndarray, "a a"]:
    """Pearson's correlation of ranks; ties share their mean rank; 0 with a flat map."""
    places = ranks(strengths.round(9), axis=1)
    places = places - places.mean(1, keepdims=True)
    size = np.sqrt((places**2).sum(1, keepdims=True))
    unit = places / np.where(size > 0, size, 1.0)
    return np.asarray(unit @ unit.T)


def _mean_pair(correlations: Float64[np.ndarray, "a a"], speaks: Bool[np.ndarray, " a"]) -> float:
    """Over pairs of methods that both say something; 0 if there is none."""
    pairs = correlations[np.ix_(speaks, speaks)][np.triu_indices(int(speaks.sum()), 1)]
    return float(pairs.mean()) if len(pairs) else 0.0


def _diagnosis(methods: Sequence[str], speaks: Bool[np.ndarray, " a"], why: Sequence[str]) -> str:
    """Whether there is a consensus, without whom, and why where their maps were not to be read."""
    named = [f"{name} ({reason})" if reason else name for name, reason in zip(methods, why, strict=True)]
    if speaks.any():
        silent = [name for name, said in zip(named, speaks, strict=True) if not said]
        return f"there, without {', '.join(silent)}" if silent else "there"
    left_out = [name for name, reason in zip(named, why, strict=True) if reason]
    return f"no method has a map, without {', '.join(left_out)}" if left_out else "no method has a map"
