"""Pictures of attributions as files: what `whyscan explain` writes beside the numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from whyscan.records.attribution import Attribution
from whyscan.records.facts import note, told_from_zero
from whyscan.records.geometry import Geometry
from whyscan.render import figures, overlay

TILE = 150
"""Longer side of a layer's tile, in pixels."""


def sheet(attributions: Sequence[Attribution]) -> bytes:
    """One PNG of one scan and method: all targets of one layer, or for each target the strip of all layers.

    Args:
        attributions: of one scan, one method and the same targets, shallow to deep where they are layers.
    """
    first, *more = attributions
    if more:
        strips = [figures.to_png(_strip(attributions, target)) for target in first.targets]
        return _stack(strips)
    parts = [figures.to_png(first.plot())]
    if first.segments is not None and first.signed:
        parts.append(figures.to_png(_superpixels(first)))
    return _stack(parts)


def _strip(attributions: Sequence[Attribution], target: str) -> Figure:
    # hundreds of overlays of full size would take long to draw
    small = [shown_at(each, TILE) if max(each.background().shape[:2]) > TILE else each for each in attributions]
    names = [", ".join(filter(None, (each.layer or each.method, note(each, target)))) for each in small]
    panels = [(name, each.overlay(target)) for name, each in zip(names, small, strict=True)]
    first = attributions[0]
    headline = replace(first, layer=None).headline
    title = f"{first.title(target)}\n{headline}, every layer from shallow to deep, each on its own scale"
    return figures.layer_strip(panels, title=title)


def _superpixels(attribution: Attribution) -> Figure:
    assert attribution.segments is not None and attribution.weights is not None
    segments = attribution.geometry.labels_to_scan(attribution.segments)
    # signs are shown whatever the size, so one that could as well be the other is not
    sure = told_from_zero(attribution)
    weights = attribution.weights if sure is None else np.where(sure, attribution.weights, np.float32(0))
    shown = replace(attribution, weights=weights)
    background = attribution.background()
    panels = [("scan", overlay.rgb(background))]
    panels += [
        (attribution.panel_title(target), overlay.superpixels(shown.values[row], segments, background))
        for row, target in enumerate(attribution.targets)
    ]
    which = "the strongest superpixels" + ("" if sure is None else " whose 95 % interval leaves out 0")
    title = f"{attribution.headline}: {which}, green for the target, magenta against, whatever their size"
    return figures.layer_strip(panels, columns=5, tile=2.5, title=title)


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


def _stack(pngs: Sequence[bytes]) -> bytes:
    if len(pngs) == 1:
        return pngs[0]
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    whole = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    out = io.BytesIO()
    whole.quantize(256).save(out, "PNG", optimize=True)
    return out.getvalue()
