"""What every job of the benchmark works on: a trained model, scans, superpixels, and the facts of the machine."""

from __future__ import annotations

import copy
import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import whyscan
from whyscan.data.phantom import KINDS, phantom
from whyscan.data.scan import Scan
from whyscan.explain.games.perturb import Game, game
from whyscan.explain.games.segments import Superpixels, segment
from whyscan.models import process
from whyscan.models.classifier import Classifier
from whyscan.models.layout import laid_out

PEERS = ("captum", "grad-cam", "lime", "shap")
OTHERS = ("torch", "numpy", "scikit-learn", "openvino")
SUFFIXES = {".png", ".jpg", ".jpeg", ".dcm", ".tif", ".tiff"}


@dataclass(frozen=True, eq=False)
class Setting:
    """One scan for most jobs, a folder's worth for one of them.

    Attributes:
        scans: on the model's grid already, so that nobody's time has resizing in it.
        own_sizes: the same scans as they were read.
        network: the peers' own copy of the classifier's network, weights needing gradients as they usually do.
        bare: another copy without, for the bounds.
        labels: superpixels (h, w) on the model's grid, the same for everybody.
        board: the scan, its superpixels and their fill, for peers that take a function of coalitions.
        samples: evaluations of LIME; SHAP's jobs take the same share of their own defaults.
        keras: an interpreter with TensorFlow, or None.
    """

    classifier: Classifier
    scans: tuple[Scan, ...]
    own_sizes: tuple[Scan, ...]
    network: nn.Module
    bare: nn.Module
    labels: np.ndarray
    board: Game
    samples: int
    keras: str | None

    @property
    def scan(self) -> Scan:
        return self.scans[0]

    @property
    def classes(self) -> range:
        return range(len(self.classifier.classes))

    @property
    def predicted(self) -> int:
        return int(np.argmax(self.classifier.logits(self.scan)))

    def tensor(self, count: int = 1) -> Tensor:
        """The first scans on the model's grid, (n, 3, h, w)."""
        pixels = [self.classifier.prepare(scan)[0] for scan in self.scans[:count]]
        return torch.from_numpy(np.concatenate(pixels))

    def laid_out(self, pixels: Tensor) -> Tensor:
        """In the memory format that whyscan's trace chooses, so that a bound is not slower for another layout."""
        return laid_out(self.bare, pixels)

    def modules(self, network: nn.Module) -> list[nn.Module]:
        """The convolutions that `whyscan.explain_layers` looks at, in a copy of the network."""
        return [network.get_submodule(layer.path) for layer in self.classifier.layers]


def make_setting(model: Path, folder: Path | None, images: int, samples: int, keras: str | None) -> Setting:
    process.keep_allocations()  # for everybody in this process
    classifier = whyscan.load(model)
    network = copy.deepcopy(classifier.network).requires_grad_(True)
    bare = copy.deepcopy(classifier.network).requires_grad_(False)
    found = _read(folder, images) if folder else _phantoms(images)
    scans = tuple(_on_grid(classifier, scan) for scan in found)
    pixels, _ = classifier.prepare(scans[0])
    labels = segment(pixels[0], Superpixels())
    return Setting(classifier, scans, found, network, bare, labels, game(pixels[0], labels), samples, keras)


def _on_grid(classifier: Classifier, scan: Scan) -> Scan:
    pixels, _ = classifier.prepare(scan)
    return dataclasses.replace(scan, pixels=pixels[0, : len(scan.pixels)].copy(), region=None)


def facts(setting: Setting) -> dict[str, object]:
    """What the table says of the model and the machine. No path, no name of a host."""
    classifier = setting.classifier
    size = " × ".join(map(str, classifier.input_size))
    layers = f"{len(classifier.layers)} convolutions"
    shown = (
        f"{classifier.about.get('backbone', classifier.name)} at {size}, {layers}, "
        f"{len(classifier.classes)} classes, {setting.board.players} superpixels"
    )
    return {
        "model": classifier.hash[:12],
        "shown": shown,
        "cpu": cpu(),
        "threads": f"{torch.get_num_threads()} thread" + "s" * (torch.get_num_threads() > 1),
        "allocations": "memory kept between batches" if process.keep_allocations() else "the platform's own allocator",
        "versions": ", ".join(_versions(("whyscan", *OTHERS, *PEERS))),
    }


def cpu() -> str:
    """The processor's model, and whether it computes in bfloat16."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = named.get("flags", "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return " ".join([named.get("model name", platform.machine()), f"({', '.join(known)})" if known else ""]).strip()


def _versions(packages: Sequence[str]) -> list[str]:
    found = []
    for name in packages:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return found


def _read(folder: Path, images: int) -> tuple[Scan, ...]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"no scans in the folder given to --scans; {', '.join(sorted(SUFFIXES))} are looked for")
    # evenly over the folder, so that every class has its share
    chosen = [files[round(i)] for i in np.linspace(0, len(files) - 1, images)]
    return tuple(whyscan.read_scan(path) for path in chosen)


def _phantoms(images: int) -> tuple[Scan, ...]:
    return tuple(phantom(KINDS[i % len(KINDS)], size=256, seed=i) for i in range(images))
