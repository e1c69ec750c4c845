"""Rows of pictures of one scan: every class, every layer, best against weak, for and against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from whyscan.records.attribution import Attribution
from whyscan.records.facts import facts
from whyscan.render import colour
from whyscan.report import captions, pictures
from whyscan.report.captions import Caption
from whyscan.report.pictures import Bar, Picture
from whyscan.report.words import number

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


def final_layer(attribution: Attribution | None) -> Row | None:
    if attribution is None:
        return None
    heading = f"Final layer, every class: {attribution.model}"
    if attribution.layer:
        heading += f", layer {attribution.layer}"
    return classes(attribution, heading, captions.GRADCAM, whole_heading=True)


def classes(attribution: Attribution | None, what: str, caption: Caption, *, whole_heading: bool = False) -> Row | None:
    """All targets of one attribution on one scale."""
    if attribution is None:
        return None
    end = pictures.limit([attribution], attribution.targets)
    panels = [pictures.heat(attribution, target, end=end) for target in attribution.targets]
    heading = what if whole_heading else f"{what}, every class: {attribution.model}"
    scale = pictures.bar(end, attribution.unit, signed=attribution.signed)
    return Row(heading, panels, caption, scale, signed=attribution.signed, notes=facts(attribution))


def strips(layers: Sequence[Attribution]) -> list[Row]:
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
    tile = pictures.heat(attribution, target, end=end, size=pictures.TILE)
    label = f"{position} {attribution.layer or ''}"
    return replace(tile, label=label, title="", note=tile.note or f"to {number(end)}")


def side_by_side(
    saved: Saved, models: Sequence[str], best: str | None, weak: str | None, label: str | None
) -> list[Row]:
    """The best model, the weak one and any others on this scan, for one and the same class."""
    maps = [each for model in models if (each := saved.one(model, "gradcam")) is not None]
    if len(maps) < 2:
        return []
    target = shared_target(maps, label)
    if target is None:
        return []
    titled = [
        replace(pictures.heat(each, target, end=pictures.limit([each], [target])), label=each.model) for each in maps
    ]
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
    titled = [replace(pictures.heat(each, target, end=end), label=each.model) for each in limes]
    scale = pictures.bar(end, limes[0].unit, signed=True)
    caption = captions.PAIR_LIME if _same_segments(limes) else captions.PAIR_LIME_APART
    return [Row(f"Best against weak, LIME: {target}", titled, caption, scale, signed=True)]


def _same_segments(limes: Sequence[Attribution]) -> bool:
    """Superpixels are cut on a model's own grid: models of other input sizes have others."""
    first, *others = (each.segments for each in limes)
    return first is not None and all(each is not None and np.array_equal(first, each) for each in others)


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


def signs(attribution: Attribution | None) -> Row | None:
    if attribution is None or attribution.segments is None:
        return None
    panels = [pictures.superpixels(attribution, target, top=_TOP) for target in attribution.targets]
    heading = f"LIME, for and against: {attribution.model}"
    return Row(heading, panels, captions.SIGNS, None, signed=True, notes=[f"At most {_TOP} superpixels a panel."])
