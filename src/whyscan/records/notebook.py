"""What a notebook shows of attributions: pictures with their class, probability and colour bar, as one piece of HTML.

Self-contained (no script, no link, no style but its own) and bounded in size, whatever the scan's. All text is escaped:
names of classes and layers come from files of strangers.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from whyscan.records.attribution import Attribution
from whyscan.records.facts import facts, note
from whyscan.records.pictures import shown_at
from whyscan.render import colour, overlay

SIDE = 260
"""Longer side of a picture, in pixels."""
MOST = 24
"""Targets that are shown; what is left out is said."""

_CELL = "display:inline-block;vertical-align:top;margin:0 12px 12px 0;text-align:left;background:none"
_SMALL = "font-size:12px;opacity:.75"


def html(attribution: Attribution) -> str:
    """The scan, and the overlay of each target, strongest prediction first, all on one scale."""
    small = shown_at(attribution, SIDE) if max(attribution.background().shape[:2]) > SIDE else attribution
    chances = probabilities(attribution)
    order = sorted(range(len(attribution.targets)), key=lambda row: -(chances.get(attribution.targets[row], -1.0)))
    limit = colour.limit_of(*small.values, share=small.share)
    cells = [_cell("scan", _true(attribution), overlay.rgb(small.background()), "the scan")]
    for row in order[:MOST]:
        target = attribution.targets[row]
        tinted = overlay.heat(small.values[row], small.background(), signed=small.signed, limit=limit)
        if small.region is not None:
            tinted = overlay.contour(tinted, small.region)
        said = [f"p = {chances[target]:.3f}" if target in chances else "a contrast"]
        said += ["predicted"] * (target == attribution.predicted)
        said += [note(attribution, target)] * bool(note(attribution, target))
        cells.append(_cell(target, " · ".join(said), tinted, attribution.title(target)))
    below = [colour.convention(attribution.signed, attribution.quantity), *facts(attribution)]
    below.insert(1, "One scale for all pictures.")
    if len(order) > MOST:
        below.append(f"{len(order) - MOST} more targets are not shown: plot(target) draws any.")
    return (
        '<div style="font-family:sans-serif;font-size:13px;line-height:1.4">'
        f'<div style="margin:0 0 8px"><b>{escape(attribution.headline)}</b></div>'
        f"<div>{''.join(cells)}</div>{_bar(attribution, limit)}"
        f'<div style="{_SMALL};max-width:60em">{" ".join(escape(line) for line in below)}</div></div>'
    )


def probabilities(attribution: Attribution) -> Mapping[str, float]:
    return dict(zip(attribution.classes, map(float, attribution.probabilities), strict=True))


def _true(attribution: Attribution) -> str:
    return "" if attribution.label is None else f"true: {attribution.label}"


def _cell(name: str, said: str, picture: UInt8[np.ndarray, "h w 3"], alt: str) -> str:
    enlarged = max(1, round(SIDE / 2 / max(picture.shape[:2])))
    height, width = (enlarged * side for side in picture.shape[:2])
    return (
        f'<div style="{_CELL};width:{width}px;max-width:100%">'
        f'<div style="overflow-wrap:anywhere"><b>{escape(name)}</b></div>'
        f'<img width="{width}" height="{height}" style="display:block;margin:3px 0;max-width:100%" '
        f'src="{_data(picture, "JPEG")}" alt="{escape(alt)}">'
        f'<div style="{_SMALL};overflow-wrap:anywhere">{escape(said)}</div></div>'
    )


def _bar(attribution: Attribution, limit: float) -> str:
    """The colour bar, with its ends and its unit."""
    ramp = np.repeat(overlay.bar(signed=attribution.signed, steps=SIDE)[None], 10, axis=0)
    low = f"−{limit:.3g}" if attribution.signed else "0"
    unit = f"{attribution.unit}{'' if limit > 0 else ' (blank)'}"
    return (
        f'<div style="margin:0 0 6px;white-space:nowrap">{low} '
        f'<img width="{SIDE}" height="10" style="display:inline-block;margin:0 4px" src="{_data(ramp, "PNG")}" '
        f'alt="colour bar"> {limit:.3g} <span style="{_SMALL}">{escape(unit)}</span></div>'
    )


def _data(picture: UInt8[np.ndarray, "h w 3"], kind: str) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=92, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
