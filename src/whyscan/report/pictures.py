"""Pictures: attributions drawn at the size they are shown, small enough to live inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8
from PIL import Image

from whyscan.records.attribution import Attribution
from whyscan.records.pictures import shown_at
from whyscan.render import colour, overlay
from whyscan.report import words

PANEL, TILE = 264, 104  # longer side in pixels: a class's panel, a layer's tile
_ALPHA = 0.75


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the page.

    Attributes:
        label: the one word that tells it from its neighbours: the explained class, the model or the layer.
        title: what is shown, in full; from the attribution itself. "" where the row's heading says it.
        src: a data: URI.
        alt: what a screen reader says.
        note: what stands below it, or "".
        key: which explanation it is of, as `key_of` names it; empty where it is of none.
    """

    label: str
    title: str
    src: str
    alt: str
    note: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A colour bar: its colours from left to right, its ends, its unit."""

    colours: str
    low: str
    middle: str
    high: str
    unit: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One target of one attribution on the grid it is shown on."""

    values: Float32[np.ndarray, "h w"]
    background: UInt8[np.ndarray, "h w *c"]
    segments: Int32[np.ndarray, "h w"] | None
    region: Bool[np.ndarray, "h w"] | None

    def outlined(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture with the known lesion's outline, if one is known."""
        return image if self.region is None else overlay.contour(image, self.region)


def draw(attribution: Attribution, target: str, size: int) -> Drawing:
    """Resample straight from the layer's grid to the display's, and only this target."""
    shown, row = shown_at(attribution, size), attribution.index(target)
    background = shown.background()
    if shown.maps is not None:
        return Drawing(shown.geometry.to_scan(shown.maps[row : row + 1])[0], background, None, shown.region)
    assert shown.segments is not None and shown.weights is not None
    segments = shown.geometry.labels_to_scan(shown.segments)
    return Drawing(np.append(shown.weights[row], np.float32(0))[segments], background, segments, shown.region)


def limit(attributions: Sequence[Attribution], targets: Sequence[str]) -> float:
    """The end of the scale that these maps share."""
    return max(
        (colour.limit_of(a.grid[a.index(t)], share=a.share) for a in attributions for t in targets if t in a.targets),
        default=0.0,
    )


def heat(attribution: Attribution, target: str, *, end: float, size: int = PANEL) -> Picture:
    """A map over its scan."""
    drawing = draw(attribution, target, size)
    image = overlay.heat(drawing.values, drawing.background, signed=attribution.signed, limit=end, alpha=_ALPHA)
    image = drawing.outlined(image)
    title = attribution.title(target)
    method = words.METHODS.get(attribution.method, attribution.method)
    layer = f", layer {attribution.layer}" if attribution.layer else ""
    alt = f"{method}{layer}, {attribution.model}. {title}"
    return Picture(target, title, encode(image), alt, blank(attribution, target), key_of(attribution, target))


def superpixels(attribution: Attribution, target: str, *, top: int) -> Picture:
    """The classic LIME picture of one target."""
    drawing = draw(attribution, target, PANEL)
    assert drawing.segments is not None
    image = overlay.superpixels(drawing.values, drawing.segments, drawing.background, top=top)
    image = drawing.outlined(image)
    title = attribution.title(target)
    alt = f"Strongest superpixels, green for, magenta against, {attribution.model}. {title}"
    return Picture(target, title, encode(image), alt, blank(attribution, target), key_of(attribution, target))


def key_of(attribution: Attribution, target: str) -> tuple[str, ...]:
    """What tells one explanation from every other of a run."""
    return attribution.model, attribution.method, attribution.layer or "", attribution.scan, target


def scan(attribution: Attribution) -> Picture:
    """The scan alone."""
    shown = shown_at(attribution, PANEL)
    image = overlay.rgb(shown.background())
    if shown.region is None:
        return Picture("The scan", "", encode(image), "The scan without any overlay")
    alt = "The scan with the outline of the known lesion"
    return Picture("The scan", "", encode(overlay.contour(image, shown.region)), alt, "outlined: the known lesion")


def blank(attribution: Attribution, target: str) -> str:
    """Says that a map is empty, or is not a number, and why if the attribution knows; "" for a map that is there."""
    row = attribution.index(target)
    values = attribution.grid[row]
    why = attribution.diagnosis[row] if row < len(attribution.diagnosis) else ""
    why = f": {why}" if why else ""
    if not np.isfinite(values).all():
        return f"Not a number in {np.mean(~np.isfinite(values)):.0%} of the map{why}"
    return "" if values.any() else f"Blank{why}"


def bar(end: float, unit: str, *, signed: bool) -> Bar:
    """The colour bar of a row of heat maps that share one scale."""
    colours = ", ".join(colour.hexadecimal(each) for each in overlay.bar(signed=signed, alpha=_ALPHA))
    low, middle = (words.number(-end), "0") if signed else ("0", "")
    return Bar(colours, low, middle, words.number(end), unit)


def encode(image: UInt8[np.ndarray, "h w 3"]) -> str:
    """A WebP data: URI; the same pixels give the same text."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
