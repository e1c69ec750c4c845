"""The figure of error against evaluations: one row a model, one panel for each kind of value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

INK, FAINT, CARD = "#24303c", "#8b95a5", "#fbfbfa"
PANELS = {"lime": "LIME's weights", "shap": "Shapley values", "owen": "Owen values"}
LOOK = {  # colour, width
    "whyscan": ("#c2491d", 2.6),
    "whyscan, alone": ("#8f2f0d", 1.3),
    "whyscan regression": ("#dd8a55", 1.6),
    "lime": ("#2f6fb0", 1.8),
    "captum Lime": ("#7a6bb0", 1.8),
    "shap Kernel": ("#2f6fb0", 1.8),
    "shap Kernel as it comes": ("#7fa8d1", 1.6),
    "captum KernelShap": ("#7a6bb0", 1.8),
    "shap Partition": ("#2f6fb0", 1.8),
}
NAMES = {"whyscan regression": "whyscan,\nregression", "shap Kernel as it comes": "shap Kernel,\nas it comes"}
_FLOOR = 3e-3  # below it a value is as good as exact

Row = Mapping[str, Any]


def draw(summary: Sequence[Row], docs: Path) -> None:
    models = list(dict.fromkeys(row["model"] for row in summary))
    figure = Figure((12.0, 0.5 + 3.7 * len(models)), layout="constrained", facecolor=CARD)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(models), len(PANELS), squeeze=False, sharex=True)
    for line, model in zip(axes, models, strict=True):
        for axis, (family, title) in zip(line, PANELS.items(), strict=True):
            mine = [row for row in summary if (row["model"], row["family"]) == (model, family)]
            _panel(axis, [row for row in mine if row["score"] == "probability"])
            axis.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
        line[0].set_ylabel(f"{model}, {mine[0]['scans']} scans\nerror / size of the values", fontsize=9, color=INK)
    for axis in axes[-1]:
        axis.set_xlabel("evaluations of the model", fontsize=9, color=INK)
    with matplotlib.rc_context({"svg.hashsalt": "whyscan", "font.family": "DejaVu Sans"}):
        figure.savefig(docs / "error.svg", metadata={"Date": None})


def _panel(axis: Axes, rows: Sequence[Row]) -> None:
    ends: list[tuple[float, str]] = []
    for name in [name for name in LOOK if any(row["estimator"] == name for row in rows)]:
        mine = [row for row in rows if row["estimator"] == name and row["error"] is not None]
        x, y, low, high = (
            np.array([float(row[key]) for row in mine]) for key in ("evaluations", "error", "error_low", "error_high")
        )
        colour, width = LOOK[name]
        axis.fill_between(x, np.maximum(low, _FLOOR), np.maximum(high, _FLOOR), color=colour, alpha=0.1, lw=0)
        axis.plot(x, np.maximum(y, _FLOOR), color=colour, lw=width, marker="o", ms=3, zorder=3 if "why" in name else 2)
        ends.append((max(float(y[-1]), _FLOOR), name))
    _scales(axis)
    _labels(axis, sorted(ends))


def _scales(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(45, 2200)
    axis.set_ylim(_FLOOR * 0.9, 2.2)
    axis.xaxis.set_major_locator(FixedLocator([50, 100, 200, 500, 1000, 2000]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_locator(FixedLocator([0.003, 0.01, 0.03, 0.1, 0.3, 1.0]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: "≤ 0.3 %" if value < 0.004 else f"{100 * value:g} %"))
    for way in (axis.xaxis, axis.yaxis):
        way.set_minor_formatter(NullFormatter())
    axis.tick_params(colors=INK, labelsize=8, which="major")
    axis.tick_params(which="minor", length=0)
    axis.grid(color="#e4e6e8", lw=0.7, which="major")
    axis.set_axisbelow(True)
    axis.set_facecolor(CARD)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def _labels(axis: Axes, ends: Sequence[tuple[float, str]]) -> None:
    """Names at the lines' right ends, moved apart where they would meet."""
    places: list[float] = []
    for end, name in ends:
        room = 0.2 if "\n" in NAMES.get(name, "") else 0.13
        places.append(max(np.log10(end), places[-1] + room) if places else float(np.log10(end)))
    shift = float(np.mean(np.subtract([np.log10(end) for end, _ in ends], places)))
    for place, (_, name) in zip(places, ends, strict=True):
        bold = "bold" if name == "whyscan" else "normal"
        axis.text(
            2300, 10 ** (place + shift), NAMES.get(name, name), color=LOOK[name][0], fontsize=8.5, fontweight=bold,
            va="center", linespacing=0.9, clip_on=False,
        )  # fmt: skip
