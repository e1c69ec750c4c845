"""A Keras Xception and timm's, side by side: opening, forward, Grad-CAM of all layers. Prints a Markdown table.

    python benchmarks/keras_xception.py model.h5 [timm's model folder] [--repeats 9]

Without a folder, timm's xception with random weights: its time does not depend on them. The two take turns, so that
both see the same machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import whyscan
from whyscan.data.phantom import phantom
from whyscan.models import backbones
from whyscan.models.process import keep_allocations

OPEN = (
    "import time; from whyscan import api; "
    "t = time.perf_counter(); api.load({!r}).layers; print(time.perf_counter() - t)"
)


def taking_turns(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each job, after one round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            begun = time.perf_counter()
            job()
            if turn:
                found[name].append(time.perf_counter() - begun)
    return found


def row(name: str, seconds: dict[str, list[float]]) -> str:
    ours, theirs = (statistics.median(seconds[key]) for key in ("keras", "timm"))
    ratios = [a / b for a, b in zip(seconds["keras"], seconds["timm"], strict=True)]
    low, high = np.quantile(ratios, [0.25, 0.75])
    return (
        f"| {name} | {1000 * ours:.0f} ms | {1000 * theirs:.0f} ms | {statistics.median(ratios):.2f} "
        f"({low:.2f} to {high:.2f}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("keras", type=Path)
    parser.add_argument("timm", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    opened = [
        float(
            subprocess.run(
                [sys.executable, "-c", OPEN.format(str(asked.keras))], capture_output=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    keep_allocations()
    ours = whyscan.load(asked.keras)
    if asked.timm:
        theirs = whyscan.load(asked.timm)
    else:
        theirs = backbones.build("xception", "none", ours.classes, input_size=ours.input_size[0])
    scan = phantom("glioma", size=512, seed=1)
    pixels = ours.prepare(scan)[0]
    size = asked.keras.stat().st_size / 1e6
    print(f"Opening {size:.0f} MB and listing {len(ours.layers)} layers: {statistics.median(opened):.2f} s\n")
    print("| job | Keras file | timm | ratio, median (quartiles) |\n|---|---|---|---|")
    models = {"keras": ours, "timm": theirs}
    jobs = {name: partial(each.logits, pixels) for name, each in models.items()}
    print(row("forward, one scan", taking_turns(jobs, asked.repeats)))
    for targets, called in (("predicted", "1 class"), ("all", f"{len(ours.classes)} classes")):
        jobs = {name: partial(whyscan.explain_layers, each, scan, targets=targets) for name, each in models.items()}
        print(row(f"Grad-CAM of all layers, {called}", taking_turns(jobs, asked.repeats)))


if __name__ == "__main__":
    main()
