"""How near to real time Grad-CAM is: milliseconds for one scan, last layer, one class, for every backbone.

    python benchmarks/latency.py                          # some minutes; docs/explanation/latency.csv, .svg and .png
    python benchmarks/latency.py --backbones resnet50 vit_small --repeats 5 --out OUT
    python benchmarks/latency.py --draw                   # the figure again, from the CSV

From a scan in memory to its attribution: resizing, one forward pass, the backward pass as far as the last layer. The
weights are random: the time of a pass does not depend on them. Each backbone at its own input size.
"""

from __future__ import annotations

import argparse
import csv
import gc
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from speed_setting import cpu

from whyscan.data.phantom import phantom
from whyscan.errors import WhyscanError
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.models import process
from whyscan.models.backbones import BACKBONES, build

OUT = Path(__file__).resolve().parents[1] / "docs" / "explanation"
CLASSES = ("glioma", "meningioma", "no_tumor", "pituitary")
FIELDS = ("backbone", "input", "parameters_millions", "median_ms", "low_ms", "high_ms", "n", "machine", "reason")
LIMITS = {40: "25 a second", 100: "10 a second", 1000: "1 a second"}
QUICK, MIDDLING, SLOW = "#2e8b57", "#3b6ea8", "#8a8f98"

Row = Mapping[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--out", type=Path, default=OUT, help="a folder; %(default)s")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what the CSV says")
    options = parser.parse_args()
    table = options.out / "latency.csv"
    if not options.draw:
        options.out.mkdir(parents=True, exist_ok=True)
        process.keep_allocations()
        save(table, [measure(name, options.repeats) for name in options.backbones])
    draw(load(table), options.out)


def measure(name: str, repeats: int) -> dict[str, object]:
    """The row of one backbone; with the reason instead of a time where it cannot be explained so."""
    size = BACKBONES[name].input_size
    threads = torch.get_num_threads()
    machine = f"{cpu()}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
    row: dict[str, object] = {"backbone": name, "input": size, "machine": machine}
    try:
        classifier = build(name, "none", CLASSES)
        scan, explainer = phantom("glioma", size=256, seed=0), GradCAM()
        times = []
        for _ in range(repeats + 2):
            start = time.perf_counter()
            explainer(classifier, [scan], CLASSES[0])
            times.append(1000 * (time.perf_counter() - start))
    except WhyscanError as error:
        print(f"{name}: {error}", flush=True)
        return {**row, "reason": str(error)}
    times = times[2:]
    parameters = sum(each.numel() for each in classifier.network.parameters()) / 1e6
    del classifier
    gc.collect()
    print(f"{name} at {size}: {statistics.median(times):.0f} ms [{min(times):.0f}, {max(times):.0f}]", flush=True)
    spread = {"median_ms": statistics.median(times), "low_ms": min(times), "high_ms": max(times)}
    return {**row, **{key: round(value, 2) for key, value in spread.items()}, "n": repeats,
            "parameters_millions": round(parameters, 1)}  # fmt: skip


def save(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def load(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def draw(rows: Sequence[Mapping[str, str]], out: Path) -> None:
    """One mark a backbone, the quickest on top; time on a logarithmic axis, since it spans three powers of ten."""
    timed = sorted((row for row in rows if row["median_ms"]), key=lambda row: float(row["median_ms"]))
    figure = Figure(figsize=(7.6, 1.3 + 0.27 * len(timed)), layout="constrained", facecolor="white")
    axis = figure.subplots()
    _axes(axis, timed)
    for place, row in enumerate(timed):
        median, low, high = (float(row[key]) for key in ("median_ms", "low_ms", "high_ms"))
        colour = QUICK if median <= 40 else MIDDLING if median <= 100 else SLOW
        axis.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=2)
        axis.plot(median, place, "o", color=colour, markersize=6, zorder=3)
        axis.annotate(
            f"{median:.0f}" if median >= 9.95 else f"{median:.1f}", (high, place), (7, 0), textcoords="offset points",
            va="center", fontsize=8, color="#333333",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, zorder=2.5,
        )  # fmt: skip
    figure.suptitle("Grad-CAM of one scan, last layer, one class: milliseconds", fontsize=11, x=0.01, ha="left")
    if timed:
        figure.supxlabel(
            f"median and range of {timed[0]['n']} runs; {timed[0]['machine']}", fontsize=7, x=0.01, ha="left"
        )
    with mpl.rc_context({"svg.hashsalt": "latency"}):
        figure.savefig(out / "latency.svg", metadata={"Date": None})
    figure.savefig(out / "latency.png", dpi=150)


def _axes(axis: Axes, timed: Sequence[Mapping[str, str]]) -> None:
    axis.set_xscale("log")
    ends = [float(row[key]) for row in timed for key in ("low_ms", "high_ms")] or [1.0, 100.0]
    axis.set_xlim(min(ends) / 1.25, max(*ends, 1000) * 1.6)
    axis.set_ylim(len(timed) - 0.4, -1.1)
    for limit, name in LIMITS.items():
        axis.axvline(limit, color="#999999", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axis.annotate(
            name, (limit, -0.75), (3, 0), textcoords="offset points", fontsize=8, color="#666666", va="center"
        )
    axis.set_yticks(range(len(timed)), [f"{row['backbone']}  {row['input']}" for row in timed], fontsize=8)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(axis="x", labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", color="#000000", alpha=0.06, linewidth=0.8)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
