"""Pictures of attributions as files: what `whyscan explain` writes beside the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from whyscan.records.attribution import Attribution
from whyscan.records.facts import facts, note, told_from_zero
from whyscan.records.geometry import Geometry
from whyscan.render import colour, overlay, png
from whyscan.render.scale import Scale
from whyscan.render.sheet import Pixels, fitting, page, stacked

TILE = 150
"""Longer side of a slice's tile, in pixels."""

_PANEL, _LAYER = 255, 138  # width in pixels of a target's panel, of a layer's tile
_COLUMNS, _LAYERS = 5, 10  # of them in a row
_TARGETS = 24  # at most: a picture of a thousand classes is one that no program opens


def sheet(attributions: Sequence[Attribution]) -> bytes:
    """One PNG of one scan and method: all targets of one layer, or for each target the strip of all layers.

    Args:
        attributions: of one scan, one method and the same targets, shallow to deep where they are layers. Of more than
            24 targets the most probable are shown.
    """
    if (count := len(attributions[0].targets)) > _TARGETS:
        rows = _likeliest(attributions[0])
        called = f"{attributions[0].heading or attributions[0].method} (the {_TARGETS} likeliest of {count:,} targets)"
        attributions = [replace(_only(each, rows), heading=called) for each in attributions]
    first, *more = attributions
    if more:
        small = _all_shown_at(attributions, fitting(first.geometry.scan, _LAYER))
        return png.encode(stacked([_strip(small, target) for target in first.targets]), palette=True)
    shown = shown_at(first, fitting(first.geometry.scan, _PANEL))
    classic = first.segments is not None and first.signed
    return png.encode(stacked([_panels(shown), *([_superpixels(shown)] if classic else [])]))


def _likeliest(attribution: Attribution) -> list[int]:
    """The rows of the most probable targets, in their order; contrasts, asked for by name, come first."""
    known = set(attribution.classes)
    chances = [attribution.probability(name) if name in known else 1.0 for name in attribution.targets]
    return sorted(np.argsort(-np.array(chances), kind="stable")[:_TARGETS].tolist())


def _only(attribution: Attribution, rows: list[int]) -> Attribution:
    """Some of its targets."""
    arrays = {name: getattr(attribution, name) for name in ("maps", "weights", "intervals")}
    return replace(
        attribution,
        targets=tuple(attribution.targets[row] for row in rows),
        diagnosis=tuple(attribution.diagnosis[row] for row in rows) if attribution.diagnosis else (),
        measured={name: [values[row] for row in rows] for name, values in attribution.measured.items()},
        **{name: array[rows] for name, array in arrays.items() if array is not None},
    )


def _panels(shown: Attribution) -> Pixels:
    """The scan and, beside it, every target's overlay, all on one scale."""
    background, signed = shown.background(), shown.signed
    limit = colour.limit_of(*shown.values, share=shown.share)
    tiles = [("scan", _outlined(shown, overlay.rgb(background)))]
    for target, values in zip(shown.targets, shown.values, strict=True):
        heat = overlay.heat(values, background, signed=signed, limit=limit)
        tiles.append((shown.panel_title(target), _outlined(shown, heat)))
    notes = [colour.convention(signed, shown.quantity), *facts(shown)]
    scale = Scale(signed, limit, shown.unit, shown.share)
    return page(tiles, columns=_COLUMNS, title=shown.headline, notes=notes, scale=scale)


def _strip(layers: Sequence[Attribution], target: str) -> Pixels:
    first = layers[0]
    names = [", ".join(filter(None, (each.layer or each.method, note(each, target)))) for each in layers]
    tiles = [(name, each.overlay(target)) for name, each in zip(names, layers, strict=True)]
    headline = replace(first, layer=None).headline
    title = f"{first.title(target)}\n{headline}, every layer from shallow to deep, each on its own scale"
    notes = [colour.convention(first.signed, first.quantity)]
    return page(tiles, columns=_LAYERS, title=title, notes=notes, size=10)


def _superpixels(shown: Attribution) -> Pixels:
    assert shown.segments is not None and shown.weights is not None
    segments = shown.geometry.labels_to_scan(shown.segments)
    # signs are shown whatever the size, so one that could as well be the other is not
    sure = told_from_zero(shown)
    weights = shown.weights if sure is None else np.where(sure, shown.weights, np.float32(0))
    values = replace(shown, weights=weights).values
    background = shown.background()
    tiles = [("scan", _outlined(shown, overlay.rgb(background)))]
    for target, each in zip(shown.targets, values, strict=True):
        classic = overlay.superpixels(each, segments, background)
        tiles.append((shown.panel_title(target), _outlined(shown, classic)))
    which = "the strongest superpixels" + ("" if sure is None else " whose 95 % interval leaves out 0")
    title = f"{shown.headline}: {which}, green for the target, magenta against, whatever their size"
    return page(tiles, columns=_COLUMNS, title=title)


def _outlined(shown: Attribution, image: Pixels) -> Pixels:
    """With the outline of the known lesion, if one is known."""
    return image if shown.region is None else overlay.contour(image, shown.region)


def _all_shown_at(layers: Sequence[Attribution], side: int) -> list[Attribution]:
    """All on one small scan, which is shrunk once: hundreds of times would take longer than all maps."""
    first = shown_at(layers[0], side)
    return [
        replace(each, thumbnail=first.thumbnail, region=first.region,
                geometry=replace(each.geometry, scan=first.geometry.scan))
        for each in layers
    ]  # fmt: skip


def shown_at(attribution: Attribution, side: int) -> Attribution:
    """The same maps on a scan whose longer side has `side` pixels: its picture, its lesion, and their geometry.

    Maps then go straight from their layer's grid to the one they are shown on; the scan's own may be 25 times as large.
    """
    background, region = attribution.background(), attribution.region
    scale = side / max(background.shape[:2])
    height, width = (max(1, round(each * scale)) for each in background.shape[:2])
    shrunk = np.asarray(Image.fromarray(background).resize((width, height), Image.Resampling.LANCZOS))
    if region is not None:
        region = np.asarray(Geometry.of(region.shape, (height, width)).region_to_model(region))
    geometry = replace(attribution.geometry, scan=(height, width))
    return replace(attribution, geometry=geometry, thumbnail=shrunk, region=region)
