"""Dots with intervals, a row each: several figures of the same things side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from whyscan.render.figures import INK, TRAIN, VALIDATION


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of every row.

    Attributes:
        title: what is on the axis, with its unit.
        values: (value, low, high) of each row.
        reference: a line to compare with, chance say.
        reference_name: what that line is.
        log: whether the axis is logarithmic; all values are above 0 then.
    """

    title: str
    values: Sequence[tuple[float, float, float]]
    reference: float | None = None
    reference_name: str = ""
    log: bool = False


def dots(
    names: Sequence[str], panels: Sequence[Panel], *, marked: Sequence[bool], title: str, note: str = ""
) -> Figure:
    """Rows from top to bottom; the marked ones are drawn in colour.

    Args:
        names: of the rows.
        marked: which rows are what the picture is about.
        note: a line below.
    """
    figure = Figure(figsize=(2.0 + 3.2 * len(panels), 1.3 + 0.34 * len(names)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        for row, ((value, low, high), strong) in enumerate(zip(panel.values, marked, strict=True)):
            colour = VALIDATION if strong else TRAIN
            axis.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="round", zorder=2)
            axis.plot([value], [row], "o", color=colour, markersize=6, zorder=3)
        if panel.log:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.minorticks_off()
        if panel.reference is not None:
            axis.axvline(panel.reference, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            axis.annotate(
                panel.reference_name, (panel.reference, 1), xycoords=("data", "axes fraction"), xytext=(4, 3),
                textcoords="offset points", ha="left", va="bottom", fontsize=8, color=INK,
            )  # fmt: skip
        axis.set_xlabel(panel.title, fontsize=9, color=INK)
        axis.tick_params(labelsize=9, colors=INK, length=0)
        axis.grid(axis="x", color="#e3e7ec", linewidth=0.8)
        axis.set_axisbelow(True)
        for side in axis.spines.values():
            side.set_visible(False)
    figure.get_layout_engine().set(wspace=0.08)  # type: ignore[union-attr, call-arg]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(title, fontsize=11, color=INK)
    if note:
        figure.supxlabel(note, fontsize=8, color=INK)
    return figure
