"""One scan of a trust run: explained by every model and method, and every metric asked of every explanation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from whyscan.data.head import Head
from whyscan.data.scan import Scan
from whyscan.errors import WhyscanError
from whyscan.explain.explain import explain_layers, explain_many
from whyscan.explain.games.perturb import Memory
from whyscan.explain.methods import METHODS
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import Judge
from whyscan.records.attribution import Attribution
from whyscan.records.evidence import Evidence
from whyscan.records.geometry import resize
from whyscan.study import turning
from whyscan.study.trust_again import Remaker
from whyscan.study.trust_cost import Depth
from whyscan.study.trust_settings import SHARED, TrustSettings, rounds
from whyscan.trust import names
from whyscan.trust.agreeing import agreement_row
from whyscan.trust.battery import FAITHFUL, FREE, PROFILE, STURDY, Measured, measure, row
from whyscan.trust.case import Case, Mistaught, no_mistaught
from whyscan.trust.edits import EDITS
from whyscan.trust.flipping import flip_row, turned
from whyscan.trust.nulls import null_attributions
from whyscan.trust.table import Row
from whyscan.trust.tissue import head_of

SIDE = 16
"""Layers' maps are kept at this size to be compared across scans."""


@dataclass(eq=False)
class Judgement:
    """What came of one scan: rows of the long table, and the other tables that questions are asked of."""

    rows: list[Row] = field(default_factory=list)
    flips: list[dict[str, Any]] = field(default_factory=list)
    agreement: list[dict[str, Any]] = field(default_factory=list)
    edits: list[dict[str, Any]] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)
    engines: list[dict[str, Any]] = field(default_factory=list)
    turning: list[dict[str, Any]] = field(default_factory=list)
    superpixels: list[Attribution] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """All but the rows and the explanations, for JSON."""
        return {
            "flips": self.flips, "agreement": self.agreement, "edits": self.edits, "maps": self.maps,
            "engines": self.engines, "turning": self.turning,
        }  # fmt: skip


def judge(
    speakers: Mapping[str, Classifier],
    scan: Scan,
    settings: TrustSettings,
    depth: Depth,
    *,
    group: str,
    mistaught: Mapping[str, Mistaught] | None = None,
) -> Judgement:
    """Explain the scan with every model's predicted class as the target, and ask the metrics.

    Args:
        speakers: by model, the classifier that did not train on the scan.
        group: the scan's duplicate group or patient.
        mistaught: by model, what makes the same model taught shuffled labels, or says why there is none.
    """
    found = Judgement()
    head = head_of(scan)
    superpixels: dict[str, dict[str, Attribution]] = {}
    for name, speaker in speakers.items():
        classifier = replace(speaker, name=name)
        answer = classifier.predict(scan)
        target = classifier.classes[int(answer.argmax())]
        told = {"model": name, "content": scan.content, "group": group, "label": scan.label or "", "predicted": target}
        found.edits += _edits(classifier, scan, head, answer, told)
        made, spent, rows = _explanations(classifier, scan, settings, target, group)
        found.rows += rows
        superpixels[name] = {method: made[method] for method in SHARED if method in made}
        if not made:
            continue
        together = {method: each.evaluations for method, each in superpixels[name].items()}
        remaker = Remaker(settings, target, together)
        memories: dict[str, Memory] = {}
        judges: dict[str, Judge] = {}
        for method, attribution in made.items():
            case = Case(
                classifier, scan, attribution, target, remaker.of(method), head=head.head, memories=memories,
                judges=judges, mistaught=(mistaught or {}).get(name, no_mistaught), engine=settings.engine,
                seed=settings.seed, fill=settings.fill,
            )  # fmt: skip
            found.rows += _asked(case, depth, group, spent.get(method))
        found.engines += [
            {"model": name, "content": scan.content, "engine": each.engine, "deviation": each.deviation}
            for each in judges.values()
        ]
        if depth.layered and classifier.white_box and classifier.layers:
            _layers(found, classifier, scan, target, remaker, group)
        if len(methods := _real(made)) > 1:  # one method agrees with nobody
            found.agreement.append({**told, **agreement_row(methods, target, turning.places(scan, head))})
        found.flips += _own_flips(classifier, scan, superpixels[name], remaker, depth, head, group)
    found.flips += _flips_between(superpixels, scan, head, group)
    found.superpixels = [each for methods in superpixels.values() for each in methods.values()]
    parts = turning.places(scan, head)
    found.turning = [turning.where(each, parts) for each in found.superpixels]
    return found


def usable(classifier: Classifier, methods: Sequence[str]) -> list[str]:
    """The methods that can look at this model."""
    return [
        name
        for name in methods
        if (classifier.white_box or not METHODS[name].white_box) and (classifier.layers or not METHODS[name].layered)
    ]


def _explanations(
    classifier: Classifier, scan: Scan, settings: TrustSettings, target: str, group: str
) -> tuple[dict[str, Attribution], dict[str, float], list[Row]]:
    """By method, for all classes, the null explanations among them; the seconds that each took; and a failed row for
    each method that refused.
    """
    made: dict[str, Attribution] = {}
    spent: dict[str, float] = {}
    refused: dict[str, str] = {}
    for chosen in rounds(usable(classifier, settings.methods)):
        begun = time.perf_counter()
        try:
            made |= explain_many(classifier, scan, settings.explainers(*chosen), "all", seed=settings.seed)
        except WhyscanError as error:
            refused |= dict.fromkeys(chosen, str(error))
        spent |= dict.fromkeys(chosen, (time.perf_counter() - begun) / len(chosen))
    if made:
        made |= null_attributions(classifier, scan, target, seed=settings.seed)
    rows = [_refusal(classifier, scan, group, name, reason) for name, reason in refused.items()]
    return made, spent, rows


def _refusal(classifier: Classifier, scan: Scan, group: str, method: str, reason: str) -> Row:
    """The row of an explanation that its method did not make."""
    probabilities = classifier.predict(scan)
    predicted = classifier.classes[int(probabilities.argmax())]
    return Row(
        classifier.name, method, "", scan.source, scan.content, group, scan.label or "", predicted,
        float(probabilities.max()), predicted, "explanation", "image", None, "failed", reason,
    )  # fmt: skip


def _asked(case: Case, depth: Depth, group: str, spent: float | None) -> list[Row]:
    batteries = [FREE]
    if depth.faithful:
        batteries.append(FAITHFUL)
    if depth.sturdy:
        batteries.append(STURDY)
    rows = [row(case, found, group=group) for battery in batteries for found in measure(case, battery)]
    if spent is not None:
        cost = Measured(names.SECONDS, "image", Evidence(spent, n=1), 0.0)
        rows.append(row(case, cost, group=group))
    return rows


def _layers(found: Judgement, classifier: Classifier, scan: Scan, target: str, remaker: Remaker, group: str) -> None:
    """Grad-CAM of every layer: what the depth profile is made of."""
    try:
        layers = explain_layers(classifier, scan, "all")
    except WhyscanError as error:
        found.rows.append(_refusal(classifier, scan, group, "gradcam", f"of every layer: {error}"))
        return
    for layer, attribution in layers.items():
        case = Case(classifier, scan, attribution, target, remaker.of("gradcam"))
        found.rows += [row(case, each, group=group) for each in measure(case, PROFILE)]
        grid = attribution.grid[attribution.index(target)]
        found.maps.append(
            {"model": classifier.name, "layer": layer, "content": scan.content, "group": group, "target": target,
             "map": np.round(_scaled(grid), 3).tolist()}
        )  # fmt: skip


def _scaled(grid: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "s s"]:
    """Small, and between -1 and 1: only its shape is looked at."""
    small = resize(np.asarray(grid, np.float32)[None], (SIDE, SIDE))[0]
    return np.asarray(small / max(float(np.abs(small).max()), 1e-30), np.float32)


def _real(made: Mapping[str, Attribution]) -> dict[str, Attribution]:
    return {name: each for name, each in made.items() if not names.is_null(name)}


def _edits(
    classifier: Classifier, scan: Scan, head: Head, answer: Float32[np.ndarray, " k"], told: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What the model says once a cue is gone."""
    rows = []
    for name, edit in EDITS.items():
        edited = edit.make(scan, head)
        if edited is None:
            continue
        after = classifier.predict(edited)
        at = int(answer.argmax())
        rows.append(
            {**told, "edit": name, "after": classifier.classes[int(after.argmax())],
             "probability": float(answer[at]), "probability_after": float(after[at])}
        )  # fmt: skip
    return rows


def _own_flips(
    classifier: Classifier,
    scan: Scan,
    together: Mapping[str, Attribution],
    remaker: Remaker,
    depth: Depth,
    head: Head,
    group: str,
) -> list[dict[str, Any]]:
    """Between the two likeliest classes of one explanation; and between two seeds, the base rate of all flips."""
    rows = []
    places = turning.places(scan, head)
    again: dict[str, Attribution] = {}
    if depth.faithful:
        seed = remaker.settings.seed + 1
        with suppress(WhyscanError):  # the seed agreement of these methods fails with the reason, and this has no row
            again = {name: remaker.of(name)(classifier, [scan], seed)[0] for name in together}
    for method, attribution in together.items():
        first, second = (attribution.classes[i] for i in np.argsort(-attribution.probabilities)[:2])
        shared = {"method": method, "content": scan.content, "group": group}
        pair = turned(attribution, attribution, first, second)
        rows.append({"kind": "classes", "a": "the likeliest class", "b": "the second", **shared,
                     **flip_row(pair, places)})  # fmt: skip
        if method in again:
            pair = turned(attribution, again[method], first)
            rows.append({"kind": "seeds", "a": "one seed", "b": "another", **shared, **flip_row(pair, places)})
    return rows


def _flips_between(
    superpixels: Mapping[str, Mapping[str, Attribution]], scan: Scan, head: Head, group: str
) -> list[dict[str, Any]]:
    """Between the models, for the true class, or the first model's prediction where it is not known."""
    if len(superpixels) < 2:
        return []
    (a, first), (b, second) = list(superpixels.items())[:2]
    rows = []
    for method in (name for name in SHARED if name in first and name in second):
        one, other = first[method], second[method]
        target = scan.label if scan.label in one.classes else one.predicted
        assert target is not None
        rows.append({"kind": "models", "method": method, "a": a, "b": b, "content": scan.content, "group": group,
                     **flip_row(turned(one, other, target), turning.places(scan, head))})  # fmt: skip
    return rows
