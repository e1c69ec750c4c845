"""The gallery's section: for each scan the pictures of every method, each titled by its own attribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whyscan.errors import BadRun
from whyscan.records.attribution import Attribution
from whyscan.records.run import Run
from whyscan.render import colour
from whyscan.report import captions, pictures
from whyscan.report.captions import Caption
from whyscan.report.pictures import Bar, Picture
from whyscan.report.words import METHODS, SUBSETS, Names, figure, number, percent, plural

_STRIP = 64  # tiles in a strip at most; deeper networks are thinned evenly, the last layer always among them
_SHARED = 12  # layers in the comparison of two models
_TOP = 10  # superpixels in the classic LIME picture


@dataclass(frozen=True)
class Row:
    """Pictures that belong together, with their heading, colour bar and caption."""

    heading: str
    pictures: Sequence[Picture]
    caption: Caption
    bar: Bar | None = None
    small: bool = False
    signed: bool = False
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def convention(self) -> str:
        """What the colours mean: on every row, because libraries differ."""
        return colour.convention(self.signed)


@dataclass(frozen=True)
class Saved:
    """The attributions of one scan by model and method, and what could not be read."""

    found: Mapping[tuple[str, str], list[Attribution]]
    missing: tuple[str, ...]

    def one(self, model: str | None, method: str) -> Attribution | None:
        return next(iter(self.found.get((model or "", method), ())), None)


def section(run: Run, document: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The gallery's index as what the template shows; pictures are drawn scan by scan."""
    models = document.get("models") or {}
    roles = [models.get("best"), models.get("weak"), *(models.get("others") or [])]
    ordered = list(dict.fromkeys(str(name) for name in roles if name))
    return {
        "sampling": document.get("sampling") or "",
        "seed": document.get("seed"),
        "evaluations": document.get("evaluations"),
        "best": models.get("best"),
        "weak": models.get("weak"),
        "energy": energy(document),
        "scans": [
            _scan(run, number, entry, ordered, models.get("best"), models.get("weak"), names)
            for number, entry in enumerate(document.get("scans") or [], 1)
        ],
    }


def energy(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How much of the explanations lies in known lesions, over many scans, as the study measured it."""
    return [
        {
            **{key: row.get(key) for key in ("model", "subset")},
            "metric": row.get("metric"),
            "method": METHODS.get(str(row.get("method")), str(row.get("method"))),
            "figure": figure(row),
        }
        for row in document.get("energy") or []
    ]


def _scan(
    run: Run,
    number_: int,
    entry: Mapping[str, Any],
    ordered: Sequence[str],
    best: str | None,
    weak: str | None,
    names: Names,
) -> dict[str, Any]:
    told = {name: entry["models"][name] for name in ordered if name in (entry.get("models") or {})}
    saved = _load(run, told)
    any_ = next((each[0] for each in saved.found.values() if each), None)
    rows = [
        _final_layer(saved.one(best, "gradcam")),
        *_strips(saved.found.get((best or "", "gradcam-layers"), [])),
        *_side_by_side(saved, list(told), best, weak, entry.get("label")),
        _classes(saved.one(best, "lime"), "LIME heat map", captions.LIME),
        _signs(saved.one(best, "lime")),
        _classes(saved.one(best, "shap"), "SHAP", captions.SHAP),
    ]
    return {
        "number": number_,
        "label": entry.get("label"),
        "case": str(entry.get("case") or ""),
        "right": bool((told.get(best or "") or {}).get("right")),
        "split": SUBSETS.get(str(entry.get("split")), str(entry.get("split") or "")),
        "source": names.show(str(entry.get("source") or "")),
        "content": str(entry.get("scan") or "")[:16],
        "picture": pictures.scan(any_) if any_ is not None else None,
        "best": best,
        "verdicts": {name: (str(each["predicted"]), bool(each["right"])) for name, each in told.items()},
        "probabilities": _probabilities(told, entry.get("label")),
        "rows": [row for row in rows if row is not None],
        "missing": saved.missing,
        "evidence": [
            {
                **{key: row.get(key) for key in ("model", "metric", "target")},
                "method": METHODS.get(str(row.get("method")), str(row.get("method"))),
                "figure": figure(row),
                "chance": percent(row.get("chance")),
            }
            for row in entry.get("evidence") or []
        ],
    }


def _load(run: Run, told: Mapping[str, Mapping[str, Any]]) -> Saved:
    found, missing = {}, []
    for model, each in told.items():
        for method in METHODS:
            relative = (each.get("files") or {}).get(method)
            try:
                if relative is None:
                    raise BadRun("not in the gallery's index", "a file", "explain the scan again")
                found[model, method] = run.attributions(relative)
            except BadRun:
                reason = "was not made" if relative is None else "cannot be read; explain the scan again"
                missing.append(f"{METHODS[method]} of {model} {reason}.")
    return Saved(found, tuple(missing))


def _probabilities(told: Mapping[str, Mapping[str, Any]], label: str | None) -> list[dict[str, Any]]:
    classes = list(dict.fromkeys(name for each in told.values() for name in each["probabilities"]))
    return [
        {
            "name": name,
            "true": name == label,
            "cells": [
                {
                    "text": percent(each["probabilities"].get(name)),
                    "width": round(100 * (each["probabilities"].get(name) or 0)),
                    "predicted": each["predicted"] == name,
                }
                for each in told.values()
            ],
        }
        for name in classes
    ]


def _final_layer(attribution: Attribution | None) -> Row | None:
    if attribution is None:
        return None
    heading = f"Final layer, every class: {attribution.model}"
    if attribution.layer:
        heading += f", layer {attribution.layer}"
    return _classes(attribution, heading, captions.GRADCAM, whole_heading=True)


def _classes(
    attribution: Attribution | None, what: str, caption: Caption, *, whole_heading: bool = False
) -> Row | None:
    """All targets of one attribution on one scale."""
    if attribution is None:
        return None
    end = pictures.limit([attribution], attribution.targets)
    panels = [pictures.heat(attribution, target, end=end) for target in attribution.targets]
    heading = what if whole_heading else f"{what}, every class: {attribution.model}"
    scale = pictures.bar(end, attribution.unit, signed=attribution.signed)
    return Row(heading, panels, caption, scale, signed=attribution.signed, notes=_facts(attribution))


def _facts(attribution: Attribution) -> list[str]:
    """How sure the map is of itself, as far as its method knows."""
    facts = []
    if attribution.evaluations:
        facts.append(f"From {plural(attribution.evaluations, 'evaluation')} of the model.")
    if attribution.intervals is not None:
        apart = np.count_nonzero((attribution.intervals[..., 0] > 0) | (attribution.intervals[..., 1] < 0), axis=1)
        total = attribution.intervals.shape[1]
        told = ", ".join(f"{target} {n} of {total}" for target, n in zip(attribution.targets, apart, strict=True))
        facts.append(f"Superpixels whose 95 % interval leaves out 0: {told}.")
    if attribution.converged is not None:
        facts.append(
            "The ranking had settled." if attribution.converged else "The ranking had not settled: read it with care."
        )
    if attribution.deviation:
        facts.append(
            f"Computed by {attribution.engine}, at most {number(attribution.deviation)} from the float32 model."
        )
    return facts


def _strips(layers: Sequence[Attribution]) -> list[Row]:
    """Every layer, shallow to deep, once for each target that was traced."""
    if not layers:
        return []
    shown = thin(layers, _STRIP)
    rows = []
    for target in layers[0].targets:
        tiles = [_tile(each, target, position) for position, each in shown]
        left_out = f"{len(shown)} of {len(layers)} layers are shown, evenly spaced." if len(shown) < len(layers) else ""
        heading = f"Layer by layer, shallow to deep: {layers[0].model}. {layers[0].title(target)}"
        notes = [left_out] if left_out else []
        scale = pictures.bar(1.0, "each tile's own maximum", signed=layers[0].signed)
        rows.append(Row(heading, tiles, captions.LAYERS, scale, small=True, signed=layers[0].signed, notes=notes))
    return rows


def thin(layers: Sequence[Attribution], most: int) -> list[tuple[int, Attribution]]:
    """At most so many layers with their position from 1, evenly spaced, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(most, len(layers))).round().astype(int))
    return [(int(i) + 1, layers[i]) for i in chosen]


def _tile(attribution: Attribution, target: str, position: int) -> Picture:
    end = pictures.limit([attribution], [target])
    tile = pictures.heat(
        attribution, target, end=end, size=pictures.TILE, title=f"{position} {attribution.layer or ''}"
    )
    return Picture(tile.title, tile.src, tile.alt, tile.note or f"to {number(end)}")


def _side_by_side(
    saved: Saved, models: Sequence[str], best: str | None, weak: str | None, label: str | None
) -> list[Row]:
    """The best model, the weak one and any others on this scan, for one and the same class."""
    maps = [each for model in models if (each := saved.one(model, "gradcam")) is not None]
    if len(maps) < 2:
        return []
    target = shared_target(maps, label)
    if target is None:
        return []
    shown = [pictures.heat(each, target, end=pictures.limit([each], [target])) for each in maps]
    titled = [Picture(f"{a.model}. {p.title}", p.src, p.alt, p.note) for a, p in zip(maps, shown, strict=True)]
    scale = pictures.bar(1.0, "each model's own maximum", signed=maps[0].signed)
    rows = [Row(f"Best against weak, final layer: {target}", titled, captions.PAIR, scale, signed=maps[0].signed)]
    rows += _lime_pair(saved, [best, weak], target)
    rows += _layer_pair(saved, best, weak, target)
    return rows


def shared_target(attributions: Sequence[Attribution], label: str | None) -> str | None:
    """The class to compare models by: the true one if all have it, else what the first predicted."""
    wanted = [label, attributions[0].predicted, *attributions[0].targets]
    return next((name for name in wanted if name and all(name in each.targets for each in attributions)), None)


def _lime_pair(saved: Saved, models: Sequence[str | None], target: str) -> list[Row]:
    limes = [each for model in models if (each := saved.one(model, "lime")) is not None and target in each.targets]
    if len(limes) < 2:
        return []
    end = pictures.limit(limes, [target])
    shown = [pictures.heat(each, target, end=end) for each in limes]
    titled = [Picture(f"{a.model}. {p.title}", p.src, p.alt, p.note) for a, p in zip(limes, shown, strict=True)]
    scale = pictures.bar(end, limes[0].unit, signed=True)
    return [Row(f"Best against weak, LIME: {target}", titled, captions.PAIR_LIME, scale, signed=True)]


def _layer_pair(saved: Saved, best: str | None, weak: str | None, target: str) -> list[Row]:
    """The same layers of the best and the weak model, one strip each; only where they share layers and the target."""
    strong, frail = (saved.found.get((name or "", "gradcam-layers"), []) for name in (best, weak))
    theirs = {each.layer: each for each in frail}
    pairs = [(a, theirs[a.layer]) for a in strong if a.layer in theirs]
    if best == weak or not pairs or len(pairs) < len(strong):
        return []
    if target not in pairs[0][0].targets or target not in pairs[0][1].targets:
        return []
    strip = thin([a for a, _ in pairs], _SHARED)
    rows = []
    for role, layers in (("best", strip), ("weak", [(position, theirs[a.layer]) for position, a in strip])):
        tiles = [_tile(each, target, position) for position, each in layers]
        first = layers[0][1]
        heading = f"Best against weak, layer by layer: {first.model} ({role}). {first.title(target)}"
        rows.append(Row(heading, tiles, captions.PAIR_LAYERS, None, small=True, signed=first.signed))
    return rows


def _signs(attribution: Attribution | None) -> Row | None:
    if attribution is None or attribution.segments is None:
        return None
    panels = [pictures.superpixels(attribution, target, top=_TOP) for target in attribution.targets]
    heading = f"LIME, for and against: {attribution.model}"
    return Row(heading, panels, captions.SIGNS, None, signed=True, notes=[f"At most {_TOP} superpixels a panel."])
