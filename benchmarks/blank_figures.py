"""The figures of docs/explanation/blank-maps.md from what `benchmarks/blank.py` wrote: `blank_figures.py OUT`.

No scan is in them. They stand on a light card of their own, so that they can be read on a dark page too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from whyscan.records import files

INK, FAINT, CARD = "#24303c", "#8b95a5", "#fbfbfa"
EARLY, LATE, AROUND = "#c2491d", "#2f7fd0", "#c9d0d8"
SHADES = LinearSegmentedColormap.from_list("blank", ["#f4f1ec", "#e9b48f", "#c2491d", "#3b1408"])
RECIPES = {"softmax-guided": "Recipe: gradient of the softmax score", "logit": "Grad-CAM: gradient of the logit"}


def draw(out: Path) -> None:
    about = files.read_json(out / "blank.json")
    rows = [row for row in files.read_rows(out / "training-layers.csv") if row["predicted"] == "yes"]
    surest = about["contributions"][0]
    _save(_by_confidence(rows, about["models"]), out / "blank-by-confidence")
    _save(_by_layer(files.read_rows(out / "training-layer-confidence.csv")), out / "blank-by-layer")
    _save(_ranges(rows, about["models"]), out / "blank-ranges")
    for name in about["contributions"]:
        stem = name.replace(" ", "-")
        found = files.read_rows(out / f"contribution-{stem}.csv")
        shares = rows if name == surest else files.read_rows(out / "models-layers.csv")
        blank = {
            row["layer"]: float(row["blank"])
            for row in shares
            if (row["model"], row["recipe"], row["predicted"]) == (name, "softmax-guided", "yes")
        }
        doubt = about["models"][name]["median_doubt"]
        title = f"frozen trunk, median confidence {_confidence(doubt)}" if name == surest else name
        _save(
            _contribution(found, blank, title),
            out / ("blank-contribution" if name == surest else f"contribution-{stem}"),
        )


def _by_confidence(rows: Sequence[dict[str, str]], models: dict[str, dict[str, float]]) -> Figure:
    """Blank maps as the training goes on: the first layer, thirds of the network, the last layer."""
    figure = _figure(9.2, 4.0)
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    third = len(layers) // 3
    lines = {
        "first layer": (layers[:1], EARLY, 2.4),
        "early third": (layers[:third], "#dd8a55", 1.6),
        "middle third": (layers[third : 2 * third], "#8b8fb5", 1.6),
        "late third": (layers[2 * third :], "#6aa4dc", 1.6),
        "last layer": (layers[-1:], LATE, 2.4),
    }
    for axis, (recipe, title) in zip(figure.subplots(1, 2, sharey=True), RECIPES.items(), strict=True):
        _plain(axis)
        states = list(dict.fromkeys(row["model"] for row in rows))
        x = [-np.log10(models[state]["median_doubt"]) for state in states]
        ends: list[tuple[float, str, str]] = []
        for name, (some, colour, width) in lines.items():
            mine = [
                [r for r in rows if (r["recipe"], r["model"]) == (recipe, s) and r["layer"] in some] for s in states
            ]
            shares = [100 * np.mean([float(row["blank"]) for row in each]) for each in mine]
            if len(some) == 1:
                low, high = ([100 * float(each[0][end]) for each in mine] for end in ("low", "high"))
                axis.fill_between(x, low, high, color=colour, alpha=0.14, lw=0)
            axis.plot(x, shares, color=colour, lw=width, marker="o", ms=3.5, clip_on=False, zorder=3)
            ends.append((shares[-1], name, colour))
        for y, (_, name, colour) in zip(_spread([each[0] for each in sorted(ends)], 6, 1.5), sorted(ends), strict=True):
            axis.text(max(x) + 0.15, y, name, color=colour, va="center", fontsize=9)
        axis.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
        ticks = [0, *range(1, int(np.ceil(max(x))) + 1)]
        axis.set_xticks(ticks, ["0" if t == 0 else f"{1 - 10.0**-t:.{t}f}" for t in ticks], rotation=35, fontsize=8)
        axis.set_xlim(0.2, max(x) + 0.05)
        axis.set_ylim(0, 100)
        axis.set_xlabel("median confidence of the model on held-out scans")
    figure.axes[0].set_ylabel("blank maps, predicted class (%)")
    return figure


def _by_layer(rows: Sequence[dict[str, str]]) -> Figure:
    """Every layer, by how sure the model was of the scan at hand; all states of the training together."""
    figure = _figure(9.2, 5.0)
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    bins = list(dict.fromkeys(row["confidence"] for row in sorted(rows, key=lambda row: -float(row["median_doubt"]))))
    axes = figure.subplots(2, 1, sharex=True)
    for axis, (recipe, title) in zip(axes, RECIPES.items(), strict=True):
        shares = {(row["confidence"], row["layer"]): float(row["blank"]) for row in rows if row["recipe"] == recipe}
        grid = 100 * np.array([[shares[each, layer] for layer in layers] for each in bins])
        edges = np.arange(len(layers) + 1) + 0.5, np.arange(len(bins) + 1)
        drawn = axis.pcolormesh(*edges, grid, cmap=SHADES, vmin=0, vmax=100, edgecolors=CARD, lw=0.6)
        names = [each.split(" .. ")[0].replace(">=", "").strip() for each in bins]
        axis.set_yticks(np.arange(len(bins)) + 0.5, [n if n.startswith("<") else f"≥ {n}" for n in names], fontsize=7.5)
        axis.invert_yaxis()
        axis.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
        axis.set_ylabel("confidence in the scan")
        axis.tick_params(length=0, colors=INK)
        for spine in axis.spines.values():
            spine.set_visible(False)
    _stages(axes[-1], layers)
    bar = figure.colorbar(drawn, ax=axes, aspect=30, pad=0.015)
    bar.set_label("blank maps, predicted class (%)", fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _ranges(rows: Sequence[dict[str, str]], models: dict[str, dict[str, float]]) -> Figure:
    """How far a map's values spread before the recipe scales them, against its eps."""
    figure = _figure(9.2, 4.2)
    axis = figure.subplots()
    _plain(axis)
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    states = list(dict.fromkeys(row["model"] for row in rows))
    x = np.arange(1, len(layers) + 1)
    ends: list[float] = []
    for n, state in enumerate(states):
        spans = {
            row["layer"]: float(row["median_range"])
            for row in rows
            if (row["model"], row["recipe"]) == (state, "softmax-guided")
        }
        y = np.maximum([spans[layer] for layer in layers], 1e-30)
        colour = SHADES(0.25 + 0.7 * n / max(len(states) - 1, 1))
        axis.semilogy(x, y, color=colour, lw=1.6)
        ends.append(float(np.log10(y[-1])))
    for n, place in enumerate(reversed(_spread(sorted(ends), 0.45, -12))):
        colour, doubt = SHADES(0.25 + 0.7 * n / max(len(states) - 1, 1)), models[states[n]]["median_doubt"]
        axis.text(len(layers) + 0.8, 10**place, _confidence(doubt), color=colour, va="center", fontsize=8)
    axis.axhspan(1e-30, 1e-8, color="#24303c", alpha=0.08, lw=0)
    axis.axhline(1e-8, color=INK, lw=1)
    axis.text(
        1,
        0.7e-8,
        "eps = 1e-8: below it no place of the picture is brighter than one half",
        va="top",
        fontsize=8.5,
        color=INK,
    )
    axis.set_ylim(bottom=1e-10)
    axis.set_ylabel("range of a map before it is scaled\n(median over scans)")
    axis.set_title(
        "The surer the model, the nearer all layers come to eps, the early ones first", loc="left", fontsize=10,
        color=INK, fontweight="bold",
    )  # fmt: skip
    axis.text(len(layers) + 0.8, 1.03, "median confidence", transform=axis.get_xaxis_transform(), fontsize=8, color=INK)
    _stages(axis, layers)
    return figure


def _contribution(found: Sequence[dict[str, str]], blank: dict[str, float], title: str) -> Figure:
    """How far the logit moves when a layer is replaced, over the energy and the blankness of its maps."""
    figure = _figure(9.2, 5.6)
    layers = list(dict.fromkeys(row["layer"] for row in found))
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 0.55])
    x = np.arange(1, len(layers) + 1)
    for axis, column, colour in ((axes[0], "change", LATE), (axes[1], "energy", "#5b7f5f")):
        values = [np.array([float(row[column]) for row in found if row["layer"] == layer]) for layer in layers]
        low, middle, high = (np.array([np.quantile(each, q) for each in values]) for q in (0.25, 0.5, 0.75))
        around = np.array([_beside(layer) for layer in layers])
        _plain(axis)
        for mask, dot in ((~around, colour), (around, AROUND)):
            axis.vlines(x[mask], low[mask], high[mask], color=dot, lw=3.2, alpha=0.55)
            axis.plot(x[mask], middle[mask], "o", color=dot, ms=4.5, mec=INK if dot == AROUND else dot, mew=0.5)
        axis.axhline(0, color=FAINT, lw=0.8)
    axes[0].set_ylabel("what the logit loses\nwhen the layer is\nreplaced by its mean")
    axes[1].set_ylabel("energy of its\nGrad-CAM map\n(logits)")
    axes[0].set_title(
        f"What a layer contributes, and how bright its map is · {title}", loc="left", fontsize=10, color=INK
    )
    axes[0].plot([], [], "o", color=LATE, label="the only way through")
    axes[0].plot([], [], "o", color=AROUND, mec=INK, mew=0.5, label="a skip connection runs beside it")
    axes[0].legend(frameon=False, fontsize=8, ncols=2, loc="upper right", labelcolor=INK)
    top = axes[0].get_ylim()[1]
    axes[0].set_ylim(top=top * 1.18)
    shares = 100 * np.array([[blank[layer] for layer in layers]])
    axes[2].pcolormesh(np.arange(len(layers) + 1) + 0.5, [0, 1], shares, cmap=SHADES, vmin=0, vmax=100, edgecolors=CARD)
    said = f"{shares.min():.0f}-{shares.max():.0f} %" if shares.max() > shares.min() else f"{shares.max():.0f} %"
    axes[2].set_yticks([0.5], [f"blank with\nthe recipe\n({said})"], fontsize=8.5)
    for spine in axes[2].spines.values():
        spine.set_visible(False)
    axes[2].tick_params(length=0, colors=INK)
    _stages(axes[2], layers)
    return figure


def _beside(layer: str) -> bool:
    """Whether a skip connection runs beside a layer of MobileNetV2: in all but the first block of each stage."""
    parts = layer.split(".")
    return parts[0] == "blocks" and parts[2] != "0"


def _stages(axis: Axes, layers: Sequence[str]) -> None:
    """The stages under their layers."""
    stages = [layer.split(".")[1] if layer.startswith("blocks") else layer.split("_")[-1] for layer in layers]
    names = list(dict.fromkeys(stages))
    places = [[n for n, stage in enumerate(stages, 1) if stage == name] for name in names]
    axis.set_xticks([float(np.mean(each)) for each in places], names, fontsize=8.5)
    axis.set_xlabel("layer, shallow to deep: the stem, the stages of blocks, the head", fontsize=9)
    axis.set_xlim(0.5, len(layers) + 0.5)


def _spread(places: Sequence[float], least: float, low: float) -> list[float]:
    """Rising places, moved apart where two are nearer than `least`, about where they were and not below `low`."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + least) if out else place)
    shift = max(float(np.mean(np.subtract(places, out))), low - out[0])
    return [place + shift for place in out]


def _confidence(doubt: float) -> str:
    """As many nines as there are, and the digit after them."""
    return f"{1 - doubt:.{max(2, int(np.ceil(-np.log10(doubt))))}f}"


def _plain(axis: Axes) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(FAINT)
    axis.tick_params(colors=INK, labelsize=8)
    axis.grid(axis="y", color="#e4e6e8", lw=0.7)
    axis.set_axisbelow(True)


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), layout="constrained", facecolor=CARD)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, stem: Path) -> None:
    for axis in figure.axes:
        axis.set_facecolor(CARD)
        axis.xaxis.label.set_color(INK)
        axis.yaxis.label.set_color(INK)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
    with matplotlib.rc_context({"svg.hashsalt": "whyscan", "font.family": "DejaVu Sans"}):
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(stem.with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
