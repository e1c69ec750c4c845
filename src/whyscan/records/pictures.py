"""Pictures of attributions as files: what `whyscan explain` writes beside the numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from whyscan.records.attribution import Attribution
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
    if first.segments is not None:
        parts.append(figures.to_png(_superpixels(first)))
    return _stack(parts)


def _strip(attributions: Sequence[Attribution], target: str) -> Figure:
    # hundreds of overlays of full size would take long to draw
    small = [shown_at(each, TILE) if max(each.background().shape[:2]) > TILE else each for each in attributions]
    panels = [(each.layer or each.method, each.overlay(target)) for each in small]
    first = attributions[0]
    title = f"{first.title(target)}\n{first.method}, every layer from shallow to deep, each on its own scale"
    return figures.layer_strip(panels, title=title)


def _superpixels(attribution: Attribution) -> Figure:
    assert attribution.segments is not None
    segments = attribution.geometry.labels_to_scan(attribution.segments)
    panels = [
        (attribution.title(target), overlay.superpixels(attribution.values[row], segments, attribution.background()))
        for row, target in enumerate(attribution.targets)
    ]
    title = f"{attribution.method}: the strongest superpixels, green for the target, magenta against"
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
