"""Charts of plain data: dots with intervals, profiles over depth, a matrix. What is drawn was decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten, wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from whyscan.render import figures
from whyscan.render.figures import INK, TRAIN, VALIDATION

SERIES = (VALIDATION, "#d98324", "#5a9e6f", TRAIN)
"""Colours that differ in brightness too, for readers who see no hue."""
MARKS = ("o", "s", "^", "D")
_LABEL = 34
_PALE = 0.5


def chart(data: Mapping[str, Any]) -> Figure | None:
    """The figure of a chart's data, by its "kind"; None where nothing is to be drawn or the kind is not known."""
    draw = {"dots": dots, "profiles": profiles, "matrix": matrix}.get(str(data.get("kind")))
    return draw(data) if draw and any(data.get(key) for key in ("entries", "panels", "names")) else None


def dots(data: Mapping[str, Any]) -> Figure:
    """One line a label, a dot with its interval for each series.

    Args:
        data: entries (label, value, low, high, series, perhaps chance, and sure: False is drawn hollow and pale), unit,
            reference: where a line is drawn, and reference_name: what it is; percent: whether values are shares.
    """
    entries: Sequence[Mapping[str, Any]] = data["entries"]
    labels = list(dict.fromkeys(str(each["label"]) for each in entries))
    series = list(dict.fromkeys(str(each.get("series") or "") for each in entries))
    lines = [wrap(shorten(label, 3 * _LABEL, placeholder="…"), _LABEL) for label in labels]
    height = 0.22 * sum(max(len(line), len(series)) for line in lines) + 0.12 * len(labels)
    figure = figures._figure(6.4, max(1.3, height + 0.75 + 0.2 * (len(series) > 1)))
    axis = figure.subplots()
    for number, name in enumerate(series):
        some = [each for each in entries if str(each.get("series") or "") == name]
        shift = (number - (len(series) - 1) / 2) * 0.5 / max(1, len(series))
        y = np.array([labels.index(str(each["label"])) + shift for each in some])
        value, low, high = (np.array([float(each[key]) for each in some]) for key in ("value", "low", "high"))
        colour = SERIES[number % len(SERIES)]
        mark = MARKS[number % len(MARKS)]
        pale = np.array([each.get("sure") is False for each in some], bool)
        for rows, alpha, fill in ((~pale, 1.0, colour), (pale, _PALE, "none")):
            ends = np.minimum(low, value)[rows], np.maximum(high, value)[rows]
            axis.hlines(y[rows], *ends, color=colour, linewidth=1.6, alpha=alpha)
            axis.plot(value[rows], y[rows], linestyle="", marker=mark, markersize=5, color=colour,
                      markerfacecolor=fill, alpha=min(1.0, alpha + 0.2))  # fmt: skip
        axis.plot([], [], linestyle="", marker=mark, markersize=5, color=colour, label=name)
    if data.get("reference") is not None:
        axis.axvline(float(data["reference"]), color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axis.annotate(
            str(data.get("reference_name") or ""), (float(data["reference"]), 1), xycoords=("data", "axes fraction"),
            xytext=(3, 2), textcoords="offset points", ha="left", va="bottom", fontsize=7.5, color=INK,
        )  # fmt: skip
    if data.get("percent"):
        axis.xaxis.set_major_formatter(_percent)
    axis.set_yticks(range(len(labels)), ["\n".join(figures._plain(part) for part in line) for line in lines])
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_xlabel(str(data.get("unit") or ""))
    figures._quiet(axis)
    axis.grid(visible=False, axis="y")
    axis.grid(axis="x", color=TRAIN, alpha=0.25, linewidth=0.6)
    _legend(figure, axis, series)
    return figure


def profiles(data: Mapping[str, Any]) -> Figure:
    """A panel for each metric, a line with its band for each series."""
    panels: Sequence[Mapping[str, Any]] = data["panels"]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = figures._figure(3.2 * columns, 2.1 * rows + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    names = list(dict.fromkeys(str(line["name"]) for panel in panels for line in panel["series"]))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        for line in panel["series"]:
            number = names.index(str(line["name"]))
            colour, mark = SERIES[number % len(SERIES)], MARKS[number % len(MARKS)]
            axis.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
            axis.plot(line["x"], line["y"], color=colour, marker=mark, markersize=3, linewidth=1.4, label=line["name"])
        figures._text(axis, str(panel["title"]), size=9)
        axis.set_xlabel(str(data.get("x") or ""))
        figures._quiet(axis)
        if panel.get("percent"):
            axis.yaxis.set_major_formatter(_percent)
    _legend(figure, axes[0], names)
    return figure


def matrix(data: Mapping[str, Any]) -> Figure:
    """A square of numbers, shaded by their size; what was not measured is left white.

    Args:
        data: names, values, unit; perhaps digits (2), and sure: cells that are told from 0, which are bold and alone
            are shaded. Without it numbers are correlations, shaded from -1 to 1.
    """
    names = [shorten(str(name), 22, placeholder="…") for name in data["names"]]
    values = np.array([[np.nan if cell is None else float(cell) for cell in row] for row in data["values"]])
    sure = np.array(data["sure"], bool) if data.get("sure") else np.ones(values.shape, bool)
    reach = 1.0 if not data.get("sure") else max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-12)
    figure = figures._figure(max(5.6, 0.62 * len(names) + 2.2), max(0.5 * len(names), 1.0) + 1.5)
    axis = figure.subplots()
    shades = LinearSegmentedColormap.from_list("shades", ["#d98324", "#ffffff", VALIDATION])
    axis.imshow(np.ma.masked_invalid(np.where(sure, values, np.nan)), cmap=shades, vmin=-reach, vmax=reach, aspect=0.8)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            # on a shaded cell, so never the page's own ink, which is light on a dark page
            shaded = "#ffffff" if abs(value) > 0.75 * reach else "#101418"
            axis.text(
                j, i, _signed(value, int(data.get("digits", 2))), ha="center", va="center", fontsize=7,
                color=shaded if sure[i, j] else INK, weight="bold" if sure[i, j] and data.get("sure") else "normal",
            )  # fmt: skip
    axis.set_xticks(range(len(names)), [figures._plain(name) for name in names], rotation=35, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), [figures._plain(name) for name in names], fontsize=8)
    axis.set_xlabel(str(data.get("unit") or ""), fontsize=8, color=INK)
    axis.tick_params(colors=INK, length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return figure


def _signed(value: float, digits: int) -> str:
    """Rounded, with a minus sign; what rounds to 0 has none."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _percent(value: float, _: float) -> str:
    return f"{100 * value:.3g} %".replace("-", "−")


def _legend(figure: Figure, axis: Axes, names: Sequence[str]) -> None:
    if len(names) > 1:
        handles, labels = axis.get_legend_handles_labels()
        figure.legend(handles, [figures._plain(each) for each in labels], loc="outside upper right", ncols=len(labels),
                      frameon=False, fontsize=8, labelcolor=INK)  # fmt: skip
