"""The picture of a Secondary Capture: scan and overlay, with everything that it takes to read them burned in."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from whyscan.records.attribution import Attribution
from whyscan.records.facts import note
from whyscan.render import colour, overlay

RESEARCH = "RESEARCH ONLY - not for diagnosis"

_PAPER, _INK, _QUIET, _WARNING = "black", "#f2f4f6", "#aab4be", "#ffc857"
_SIZE = (12.8, 7.68)  # inches
_DPI = 100


def picture(
    attribution: Attribution, target: str, *, limit: float | None = None, aspect: float = 1.0
) -> UInt8[np.ndarray, "768 1280 3"]:
    """One target's overlay beside its scan, on black.

    Args:
        limit: the end of the scale, where several pictures share one; the map's own if None.
        aspect: how high a pixel is, to its width.
    """
    row = attribution.index(target)
    values = attribution.values[row]
    end = colour.limit_of(values, share=attribution.share) if limit is None else limit
    background = attribution.background()
    tinted = overlay.heat(values, background, signed=attribution.signed, limit=end)
    if attribution.region is not None:
        tinted = overlay.contour(tinted, attribution.region)
    figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    for left, name, shown in ((0.02, _which(attribution), overlay.rgb(background)), (0.445, "explanation", tinted)):
        axis = figure.add_axes((left, 0.115, 0.405, 0.72))
        axis.imshow(shown, interpolation="bilinear", aspect=aspect)
        axis.set_axis_off()
        axis.set_title(name, fontsize=10, color=_QUIET, pad=5)
    _bar(figure.add_axes((0.88, 0.175, 0.018, 0.6)), attribution, end)
    _words(figure, attribution, attribution.targets[row], end, shared=limit is not None)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    return np.ascontiguousarray(drawn[..., :3])


def _which(attribution: Attribution) -> str:
    """ "scan, slice 12 of 33": the number that `--slices` takes and that file names have."""
    place = attribution.place
    return "scan" if place is None or place.count < 2 else f"scan, slice {place.index} of {place.count} (from 0)"


def _words(figure: Figure, attribution: Attribution, target: str, end: float, *, shared: bool) -> None:
    def say(left: float, top: float, words: str, size: float, ink: str = _INK, **more: Any) -> None:
        figure.text(left, top, words, fontsize=size, color=ink, va="top", parse_math=False, **more)

    say(0.02, 0.975, _cut(f"Explained: {_with_probability(attribution, target)}", 62), 17, fontweight="bold")
    predicted = f"Predicted: {_with_probability(attribution, attribution.predicted)}"
    say(0.02, 0.92, _cut(f"{predicted}  |  {attribution.headline}", 120), 11, _QUIET)
    say(0.98, 0.975, RESEARCH, 12, _WARNING, ha="right", fontweight="bold")
    caution = note(attribution, target) or ("nothing in this map: it is blank" if end == 0 else "")
    if caution:
        say(0.02, 0.885, _cut(f"Note: {caution}", 130), 10, _WARNING)
    lines = [colour.convention(attribution.signed, attribution.quantity)]
    if shared:
        lines[0] += " One scale for this class on all slices."
    if attribution.region is not None:
        lines.append("Amber outline: the known lesion.")
    model = f" Model {attribution.model_hash[:16]}." if attribution.model_hash else ""
    lines.append(f"Computed by whyscan from the classifier's own arithmetic; no finding.{model}")
    say(0.02, 0.092, "\n".join(_cut(line, 150) for line in lines), 10, _QUIET, linespacing=1.45)


def _bar(axis: Axes, attribution: Attribution, end: float) -> None:
    ramp = overlay.bar(signed=attribution.signed, steps=257)[::-1, None]
    top = end or 1.0
    low = -top if attribution.signed else 0.0
    axis.imshow(ramp, aspect="auto", extent=(0, 1, low, top))
    axis.set_xticks([])
    axis.set_ylim(low, top)
    axis.yaxis.tick_right()
    axis.yaxis.set_label_position("right")
    axis.tick_params(colors=_INK, labelsize=9, length=3)
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    axis.yaxis.get_offset_text().set(color=_INK, fontsize=8)
    axis.set_ylabel("\n".join(wrap(attribution.unit, 44)), fontsize=10, color=_INK, labelpad=8, parse_math=False)
    for side in axis.spines.values():
        side.set_color(_QUIET)
        side.set_linewidth(0.6)
    if attribution.signed:
        axis.text(0.5, 1.03, "for", transform=axis.transAxes, fontsize=9, color=_INK, ha="center")
        axis.text(0.5, -0.03, "against", transform=axis.transAxes, fontsize=9, color=_INK, ha="center", va="top")


def _with_probability(attribution: Attribution, name: str) -> str:
    """A class with its predicted probability; a contrast has none."""
    return f"{name} (p = {attribution.probability(name):.3f})" if name in attribution.classes else name


def _cut(words: str, limit: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
