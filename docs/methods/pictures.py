"""The pictures of the pages in this folder: each method on a drawn head, and on a real scan that is not shown.

    python docs/methods/pictures.py --model RUN/models/NAME --phantom glioma-3
    python docs/methods/pictures.py --model RUN/models/NAME --scan SCAN.jpg --mask MASK.png --label CLASS --withhold

With `--withhold` no pixel of the scan gets into the picture: the head is one flat grey, and maps as fine as the
scan's pixels, which could redraw it, are averaged over cells of 8 x 8 pixels.
"""

# ruff: noqa: T201 - a script that says what it does
from __future__ import annotations

import argparse
import io
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import small_vit
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

import whyscan
from whyscan.data.phantom import phantom
from whyscan.data.scan import Scan
from whyscan.explain.games.segments import head
from whyscan.explain.methods import METHODS
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import Attribution
from whyscan.records.pictures import shown_at
from whyscan.render import colour, overlay

AFTER_RELU = ("gradcampp", "hirescam", "xgradcam", "layercam", "scorecam")
SPEAKS_FOR_NONE = ("eigencam", "saliency", "smoothgrad", "guided_backprop", "attention_rollout")
TOGETHER = ("lime", "shap", "integrated_gradients", "occlusion")  # all signed
CELL, SIDE, HEAD, AIR, CUT = 8, 288, 110, 16, 0.995


def main(given: Sequence[str] | None = None) -> None:
    wanted = arguments().parse_args(given)
    classifier = small_vit.opened(wanted.model) if wanted.model.is_file() else whyscan.load(wanted.model)
    scan = opened(wanted)
    targets = strongest(classifier, scan)
    for method in wanted.method or (*METHODS, "consensus"):
        layer = wanted.layer if method in AFTER_RELU else None
        began = time.perf_counter()
        try:
            found = explained(classifier, scan, method, targets, layer, wanted.seed)
        except whyscan.errors.BadModel as error:
            print(f"{method}: {error}")
            continue
        took = time.perf_counter() - began
        name = f"{method}-{'real' if wanted.withhold else 'phantom'}.webp"
        size = save(picture(withheld(found, scan) if wanted.withhold else found, wanted.withhold), wanted.out / name)
        print(f"{name}: {size / 1024:.0f} KB, {took:.2f} s, {found.evaluations} evaluations, {found.diagnosis}")
        print("   ", {name: [round(float(each), 5) for each in row] for name, row in found.measured.items()})


def explained(
    classifier: Classifier, scan: Scan, method: str, targets: list[str], layer: str | None, seed: int
) -> Attribution:
    if method != "consensus":
        return whyscan.explain(classifier, scan, method, targets, layer=layer, seed=seed)
    return whyscan.consensus(whyscan.explain_many(classifier, scan, TOGETHER, targets, seed=seed)).attribution


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a model folder of a run, or what small_vit.py wrote")
    parser.add_argument("--phantom", metavar="KIND-SEED", help="glioma-3, say; drawn on the spot")
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--label")
    parser.add_argument("--withhold", action="store_true", help="show a silhouette instead of the scan")
    parser.add_argument("--method", action="append", choices=(*METHODS, "consensus"), help="all of them if left out")
    parser.add_argument("--layer", help="one that is not negative, for the methods made for such")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def opened(wanted: argparse.Namespace) -> Scan:
    if wanted.phantom:
        kind, _, seed = wanted.phantom.rpartition("-")
        return phantom(kind, seed=int(seed))
    return whyscan.read_scan(wanted.scan, mask=wanted.mask, label=wanted.label)


def strongest(classifier: Classifier, scan: Scan) -> list[str]:
    """The predicted class and the next one: what a method says of both shows whether it tells classes apart."""
    order = np.argsort(-classifier.logits(scan).ravel(), kind="stable")
    return [classifier.classes[i] for i in order[:2]]


def withheld(found: Attribution, scan: Scan) -> Attribution:
    """The same attribution, fit to be shown where the scan may not be."""
    inside = head(np.broadcast_to(scan.pixels, (3, *scan.shape)))
    silhouette = np.where(inside, np.uint8(HEAD), np.uint8(AIR))
    height, width = found.geometry.model
    maps = found.maps
    if maps is not None and maps.shape[1] > height // CELL:
        grid = maps.reshape(len(maps), height // CELL, CELL, width // CELL, CELL)
        maps = np.ascontiguousarray(grid.mean((2, 4)), np.float32)
    return replace(found, thumbnail=silhouette, maps=maps)


def picture(found: Attribution, silhouette: bool) -> Figure:
    """The scan, and each target's map on one scale, with the known lesion outlined."""
    found = shown_at(found, SIDE)
    kind = METHODS.get(found.method)
    pixels = kind is not None and kind.white_box and not kind.layered
    fine = pixels and found.maps is not None and found.maps.shape[1] > 2 * CELL
    # of a map of single pixels one dominates the scale, and nothing else would be seen
    limit = float(np.quantile(np.abs(found.values), CUT)) if fine else colour.limit_of(*found.values)
    figure = Figure(figsize=(7.8, 3.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(found.targets))
    background = overlay.rgb(found.background())
    panels = [("head only: the scan is withheld" if silhouette else f"scan: {found.label}", background)]
    for target, values in zip(found.targets, found.values, strict=True):
        said = f"predicted, p = {found.probability(target):.2f}"
        title = f"for {target} ({said if target == found.predicted else said[11:]})"
        panels.append((title, overlay.heat(values, background, signed=found.signed, limit=limit)))
    for axis, (title, image) in zip(axes, panels, strict=True):
        axis.imshow(image if found.region is None else overlay.contour(image, found.region))
        axis.set_title(title, fontsize=7.5)
        axis.set_axis_off()
    steps = overlay.bar(signed=found.signed, steps=101) / 255
    end = limit or 1.0
    scale = ScalarMappable(Normalize(-end if found.signed else 0, end), LinearSegmentedColormap.from_list("bar", steps))
    bar = figure.colorbar(scale, ax=list(axes), shrink=0.8, aspect=24)
    bar.set_label(found.unit, fontsize=6.5)
    bar.ax.tick_params(labelsize=6.5)
    bar.formatter.set_powerlimits((-3, 4))
    bar.ax.yaxis.offsetText.set_fontsize(6.5)
    figure.suptitle(
        " · ".join(
            part for part in (found.heading if kind is None else kind.title, found.layer or "", found.model) if part
        ),
        fontsize=9,
    )
    cut = "\nBeyond the 99.5th percentile colours are full." if fine else ""
    said = colour.convention(found.signed)
    if found.method in SPEAKS_FOR_NONE:
        said = "From green to yellow: ever larger, whichever class it speaks for; no tint: close to 0."
    figure.supxlabel(f"{said}{cut} Amber line: the known lesion.", fontsize=7)
    return figure


def save(figure: Figure, path: Path) -> int:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=125)
    with Image.open(drawn) as image:
        image.convert("RGB").save(path, "WEBP", quality=80, method=6)
    return path.stat().st_size


if __name__ == "__main__":
    main()
