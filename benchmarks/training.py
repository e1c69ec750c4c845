"""How fast training is beside the plain ways of doing it: one command, one table.

    python benchmarks/training.py                                  # xception at 299, batch 16: some minutes
    python benchmarks/training.py --keras-python path/to/python    # and keras.Model.fit, if that one has TensorFlow
    python benchmarks/training.py --quick                          # only to see that it works

1. `frozen`: a whole training of 20 epochs, the pass through the trunk included, over the bare pass alone.
2. `finetune`: images a second of whole steps (pixels from the cache, augmentation, forward, backward, clipping, AdamW)
   beside a naive loop (float32, NCHW, no augmentation) and keras.Model.fit. Every contender has a process of its own,
   all start from random weights, and the median step counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from whyscan.models import backbones, process
from whyscan.models.classifier import Network
from whyscan.progress import quiet
from whyscan.training.anatomy import anatomy
from whyscan.training.features import trunk_features
from whyscan.training.fit import Part, head_phase, trunk_phase
from whyscan.training.loop import run_phase
from whyscan.training.pixels import PixelCache
from whyscan.training.settings import TrainSettings
from whyscan.training.state import State

CLASSES = ("a", "b", "c", "d")


def main() -> None:
    options = _options()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options)))
        return
    rows = [("what", "value", "beside"), *_frozen_rows(_ask("frozen", options)), *_finetune_rows(options)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    machine = f"{os.cpu_count()} cores, torch {torch.__version__}"
    print(f"{options.backbone} at {options.size} x {options.size}, batch {options.batch}, {machine}")
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="xception")
    parser.add_argument("--size", type=int, default=299, help="side of the input in pixels")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=7, help="timed steps of each contender, after two to warm up")
    parser.add_argument("--images", type=int, default=256, help="scans of the frozen comparison")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of the frozen comparison")
    parser.add_argument("--keras-python", help="an interpreter with TensorFlow (the backbone is then Xception)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.size, options.batch, options.steps, options.images = 96, 4, 5, 24
    return options


def _ask(worker: str, options: argparse.Namespace) -> dict[str, list[float]]:
    command = [sys.executable, __file__, "--worker", worker]
    for name in ("backbone", "size", "batch", "steps", "images", "epochs"):
        command += [f"--{name}", str(getattr(options, name))]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _frozen_rows(found: dict[str, list[float]]) -> list[tuple[str, str, str]]:
    ratio = statistics.median(found["frozen"]) / statistics.median(found["pass"])
    return [
        ("frozen: one bare pass through the trunk", f"{statistics.median(found['pass']):.2f} s", ""),
        ("frozen: the whole training", f"{statistics.median(found['frozen']):.2f} s", f"{ratio:.3f} passes"),
    ]


def _finetune_rows(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    rates = {worker: _rate(_ask(worker, options)["seconds"], options.batch) for worker in ("naive", "ours")}
    if options.keras_python:
        command = [options.keras_python, str(Path(__file__).with_name("keras_fit.py"))]
        for name in ("size", "batch", "steps"):
            command += [f"--{name}", str(getattr(options, name))]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        rates["keras.Model.fit"] = _rate(json.loads(out.splitlines()[-1])["seconds"], options.batch)
    return [
        (f"finetune: {name}", f"{rate:.2f} images/s", f"ours is {rates['ours'] / rate:.2f} x")
        for name, rate in rates.items()
    ]


def _rate(seconds: list[float], batch: int) -> float:
    return batch / statistics.median(seconds)


def _frozen(options: argparse.Namespace) -> dict[str, list[float]]:
    """Three times each, taking turns: the bare pass, and the training on an empty cache."""
    process.keep_allocations()
    network, settings = _network(options, "dense256"), TrainSettings("frozen", epochs=options.epochs, patience=None)
    pixels, names, labels = _pixels(options, options.images)
    found: dict[str, list[float]] = {"pass": [], "frozen": []}
    cut = options.images * 4 // 5
    _bare_pass(network, pixels, names[: 2 * options.batch], settings, options.batch)
    for _ in range(3):
        start = time.perf_counter()
        _bare_pass(network, pixels, names, settings, options.batch)
        middle = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            features = trunk_features(
                anatomy(network, pixels.size), pixels, names, Path(folder), bfloat16=settings.bfloat16,
                batch=options.batch,
            )  # fmt: skip
        parts = [(features[:cut], labels[:cut]), (features[cut:], labels[cut:])]
        phase = head_phase("frozen", settings.epochs, anatomy(network, pixels.size), settings, *parts)
        run_phase(phase, State({}), settings, title="", finished=lambda _: None, progress=quiet)
        found["pass"].append(middle - start)
        found["frozen"].append(time.perf_counter() - middle)
    return found


def _bare_pass(network: Network, pixels: PixelCache, names: list[str], settings: TrainSettings, batch: int) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
        for start in range(0, len(names), batch):
            inputs = pixels.batch(names[start : start + batch]).expand(-1, 3, -1, -1)
            network.features(inputs.contiguous(memory_format=torch.channels_last))


def _ours(options: argparse.Namespace) -> dict[str, list[float]]:
    process.keep_allocations()
    settings = TrainSettings(epochs=1, batch=options.batch)
    pixels, names, labels = _pixels(options, options.batch * (options.steps + 2))
    part, held = Part(tuple(names), labels), Part(tuple(names[: options.batch]), labels[: options.batch])
    ends: list[float] = []
    phase = trunk_phase(anatomy(_network(options, "linear"), pixels.size), settings, pixels, part, held)
    run_phase(
        phase, State({}), settings, title="", finished=lambda _: None,
        progress=lambda *_: ends.append(time.perf_counter()),
    )  # fmt: skip
    return {"seconds": [after - before for before, after in itertools.pairwise(ends[1:])]}


def _naive(options: argparse.Namespace) -> dict[str, list[float]]:
    network = _network(options, "linear").train()
    optimiser = torch.optim.AdamW(network.parameters(), 5e-4)
    pixels, names, labels = _pixels(options, options.batch * (options.steps + 2))
    images = pixels.batch(names).expand(-1, 3, -1, -1).contiguous()
    seconds = []
    for start in range(0, len(names), options.batch):
        before = time.perf_counter()
        optimiser.zero_grad()
        logits = network(images[start : start + options.batch])
        torch.nn.functional.cross_entropy(logits, labels[start : start + options.batch]).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - before)
    return {"seconds": seconds[2:]}


def _network(options: argparse.Namespace, head: backbones.Head) -> Network:
    made = backbones.build(options.backbone, "none", CLASSES, input_size=options.size, head=head).network
    assert isinstance(made, Network)
    return made


def _pixels(options: argparse.Namespace, n: int) -> tuple[PixelCache, list[str], torch.Tensor]:
    """Noise: the time of a step does not depend on what is on the scan."""
    rng = np.random.default_rng(0)
    area = options.size**2
    names = [str(i) for i in range(n)]
    values = rng.integers(0, 65536, n * area, np.uint16)
    places = {name: (i * area, 1) for i, name in enumerate(names)}
    labels = torch.from_numpy(rng.integers(0, len(CLASSES), n))
    return PixelCache((options.size, options.size), "stretch", places, values), names, labels


WORKERS = {"frozen": _frozen, "ours": _ours, "naive": _naive}


if __name__ == "__main__":
    main()
