"""Figures: matplotlib pictures made without pyplot, so that nothing is left open and no window is asked for."""

from __future__ import annotations

import base64
import html as escape
import io
import re
from collections.abc import Mapping, Sequence
from textwrap import wrap

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from whyscan.render import colour, overlay, png
from whyscan.render.scale import Scale

INK = "#{:02x}{:02x}{:02x}".format(*colour.INK)
TRAIN, VALIDATION = "#8b95a5", "#2f7fd0"


def attribution(
    background: UInt8[np.ndarray, "h w *c"],
    panels: Sequence[tuple[str, Float[np.ndarray, "h w"]]],
    *,
    signed: bool,
    unit: str,
    title: str = "",
    alpha: float = 0.7,
    share: float = 1.0,
    caption: str | None = None,
    notes: Sequence[str] = (),
    region: Bool[np.ndarray, "h w"] | None = None,
) -> Figure:
    """The scan and, beside it, one overlay a panel (title, values), all on one scale with a colour bar.

    Args:
        unit: what the colour bar is labelled with, "change of probability" say.
        title: a line over all panels.
        share: of a map's values that the scale spans; those beyond are painted like its ends, and the bar says so.
        caption: what the colours mean; the convention if left out.
        notes: sentences below it.
        region: a known lesion, to outline.
    """
    limit = colour.limit_of(*(values for _, values in panels), share=share)
    columns = min(len(panels) + 1, 5)
    rows = -(-(len(panels) + 1) // columns)
    width = 2.5 * columns + 0.7
    words = [caption or colour.convention(signed), *(line for each in notes for line in wrap(each, round(16 * width)))]
    lines = max(_wrapped(name).count("\n") + 1 for name, _ in panels) if panels else 1
    title = _fitted(title, width)
    figure = _figure(width, (2.7 + 0.15 * lines) * rows + 0.4 + 0.15 * (len(words) + title.count("\n")))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    pictures = [("scan", overlay.rgb(background))]
    pictures += [(name, overlay.heat(v, background, signed=signed, limit=limit, alpha=alpha)) for name, v in panels]
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, picture) in zip(axes, pictures, strict=False):
        axis.imshow(picture if region is None else overlay.contour(picture, region))
        _text(axis, _wrapped(name))
    _colour_bar(figure, list(axes), Scale(signed, limit, unit, share, alpha))
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.supxlabel("\n".join(words), fontsize=7.5, parse_math=False)
    return figure


def curves(
    rows: Sequence[Mapping[str, object]],
    title: str,
    *,
    best_epoch: int | None = None,
    loss_limit: float | None = None,
) -> Figure:
    """Loss and accuracy per epoch, of training and validation. A thin line stands where a new phase begins.

    Args:
        rows: the rows of a curves.csv (numbers may still be text; an empty cell is a gap).
        best_epoch: the epoch whose weights were kept; marked.
        loss_limit: the top of the loss axis, the same for figures that are to be compared.
    """
    figure = _figure(6.0, 2.35)
    epochs = np.array([_number(row.get("epoch")) for row in rows])
    for axis, kind in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, shade, style in (("train", TRAIN, (0, (4, 2))), ("validation", VALIDATION, "-")):
            values = np.array([_number(row.get(f"{part}_{kind}")) for row in rows])
            axis.plot(epochs, values, color=shade, linestyle=style, linewidth=1.6, marker=".", markersize=4, label=part)
        for start in _phases(rows)[1:]:
            axis.axvline(start - 0.5, color=TRAIN, linewidth=0.8, alpha=0.6)
        if best_epoch is not None:
            axis.axvline(best_epoch, color=INK, linewidth=1.2, linestyle=":", label=f"kept: epoch {best_epoch}")
        axis.set_xlabel("epoch")
        axis.set_title(kind, loc="left")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _quiet(axis)
    loss, accuracy = figure.axes
    loss.set_ylim(bottom=0, top=loss_limit)
    accuracy.set_ylim(0, 1.02)
    accuracy.legend(loc="lower right", frameon=False, fontsize=8, labelcolor=INK)
    figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def _phases(rows: Sequence[Mapping[str, object]]) -> list[float]:
    """The first epoch of each phase."""
    return [
        _number(row.get("epoch"))
        for before, row in zip([None, *rows], rows, strict=False)
        if before is None or before.get("phase") != row.get("phase")
    ]


def confusion(counts: Int[np.ndarray, "k k"], classes: Sequence[str], title: str = "") -> Figure:
    """Rows are true classes, columns predicted ones; shaded by the share of the row."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(0.75 * len(classes) + 1.7, 0.6 * len(classes) + 1.5)
    axis = figure.subplots()
    shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", VALIDATION])
    axis.imshow(share, cmap=shades, vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(counts):
        axis.text(j, i, str(int(count)), ha="center", va="center", color="white" if share[i, j] > 0.7 else INK)
    axis.set_xticks(range(len(classes)), [_plain(name) for name in classes], rotation=30, ha="right")
    axis.set_yticks(range(len(classes)), [_plain(name) for name in classes])
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    _text(axis, title, size=9)
    return figure


def reliability(
    confidence: Sequence[float | None], accuracy: Sequence[float | None], count: Sequence[int], title: str = ""
) -> Figure:
    """How often the model was right, per bin of how sure it was. On the diagonal it is as sure as it should be.

    Args:
        confidence, accuracy: the means of each bin; None in an empty one.
        count: scans in each bin; the area of its dot.
    """
    figure = _figure(2.7, 2.5)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color=TRAIN, linewidth=1, linestyle=(0, (4, 2)))
    kept = [
        (float(c), float(a), n)
        for c, a, n in zip(confidence, accuracy, count, strict=True)
        if n > 0 and c is not None and a is not None
    ]
    if kept:
        x, y, n = (np.array(part) for part in zip(*kept, strict=True))
        axis.plot(x, y, color=VALIDATION, linewidth=1.2)
        axis.scatter(x, y, s=12 + 110 * n / n.max(), color=VALIDATION, alpha=0.75, linewidths=0)
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="mean confidence", ylabel="share right")
    _quiet(axis)
    _text(axis, title, size=9)
    return figure


def to_png(figure: Figure, *, dpi: int = 110) -> bytes:
    """The figure as PNG without metadata; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs={"compress_level": 0})  # it is compressed below
    with Image.open(drawn) as picture:
        return png.encode(np.asarray(picture.convert("RGB")))


def to_svg(figure: Figure, *, name: str) -> str:
    """The figure as an <svg> element to set into a page, in the page's own ink and font.

    Args:
        name: what a screen reader says; also keeps the element's inner ids apart from those of other figures.
    """
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    drawn = out.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    # what the page brings itself: name spaces, ids that other figures would repeat, a style for everything, the font
    unwanted = r' (xmlns(:\w+)?|version)="[^"]*"|(?<=<g) id="[\w.]+"|<style.*?</style>| font-family: [^;"]*;'
    drawn = re.sub(unwanted, "", drawn, flags=re.DOTALL).replace("xlink:href", "href")
    return drawn.replace("<svg", f'<svg role="img" aria-label="{escape.escape(name)}"', 1)


def html(figure: Figure, alt: str) -> str:
    """The figure as an <img> for a notebook."""
    data = base64.b64encode(to_png(figure)).decode()
    return f'<img alt="{escape.escape(alt)}" src="data:image/png;base64,{data}" style="max-width:100%">'


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _colour_bar(figure: Figure, axes: Sequence[Axes], scale: Scale) -> None:
    steps = overlay.bar(signed=scale.signed, alpha=scale.alpha, steps=101) / 255
    colours = LinearSegmentedColormap.from_list("bar", steps, N=256)
    mapped = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(*scale.ends), colours)
    drawn = figure.colorbar(mapped, ax=list(axes), shrink=0.7, aspect=30)
    drawn.set_label(scale.label, fontsize=8, parse_math=False)
    drawn.ax.tick_params(labelsize=7)


def _quiet(axis: Axes) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(INK)
        axis.spines[side].set_linewidth(0.6)
    axis.tick_params(colors=INK, labelsize=8, width=0.6, length=3)
    axis.grid(axis="y", color=TRAIN, alpha=0.25, linewidth=0.6)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set(fontsize=8, color=INK)
    axis.title.set(fontsize=9, color=INK)
    axis._left_title.set(fontsize=9, color=INK)  # type: ignore[attr-defined]


def _text(axis: Axes, title: str, size: int = 7) -> None:
    axis.set_title(title, fontsize=size, color=INK, parse_math=False)


def _fitted(title: str, width: float) -> str:
    """Lines of a heading that fit a figure of so many inches."""
    return "\n".join(part for line in title.splitlines() for part in wrap(line, round(12 * width)))


def _wrapped(title: str) -> str:
    return title.replace(", ", ",\n")


def _plain(name: str) -> str:
    # tick labels have no parse_math switch; a name may contain a dollar sign
    return name.replace("$", r"\$")


def _number(cell: object) -> float:
    return float("nan") if cell is None or cell == "" else float(str(cell))
