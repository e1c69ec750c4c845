"""A small vision transformer for the pictures of attention rollout; the table of backbones has none.

    python docs/methods/small_vit.py PHANTOMS --splits RUN/splits.csv --out vit.safetensors

It learns from the rows of the split `train` and says how well it does on `validation`. Some minutes on two cores.
"""

# ruff: noqa: T201 - a script that says what it does
from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

import whyscan
from whyscan.models import torchvision_shim
from whyscan.models.classifier import Classifier
from whyscan.records.geometry import Geometry

SIZE, BATCH, RATE = 128, 32, 1e-3


def network(classes: int) -> nn.Module:
    """Patches of 16 x 16 pixels, 4 blocks."""
    torchvision_shim.ensure()
    import timm

    made: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", img_size=SIZE, embed_dim=96, depth=4, num_heads=4, num_classes=classes
    )
    return made


def opened(path: Path) -> Classifier:
    """What `main` has written."""
    with safe_open(path, "pt") as stored:
        classes = json.loads(stored.metadata()["classes"])
        made = network(len(classes))
        names = stored.keys()
        made.load_state_dict({name: stored.get_tensor(name) for name in names})
    return whyscan.load(made.eval(), classes=classes, input_size=SIZE, preprocess="x/127.5-1", name="small ViT")


def read(data: Path, rows: Sequence[dict[str, str]], classes: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Pixels (n, 1, SIZE, SIZE), normalised, and the number of each one's class."""
    found = []
    for row in rows:
        pixels = whyscan.read_scan(data / row["path"]).pixels
        found.append(Geometry.of(pixels.shape[1:], (SIZE, SIZE)).to_model(pixels).mean(0, keepdims=True))
    return torch.from_numpy(np.stack(found)) * 2 - 1, torch.tensor([classes.index(row["label"]) for row in rows])


def train(made: nn.Module, pixels: Tensor, truth: Tensor, epochs: int) -> None:
    steps = epochs * (len(pixels) // BATCH)
    optimiser = torch.optim.AdamW(made.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.1)
    for _ in range(epochs):
        order = torch.randperm(len(pixels))
        for part in order[: len(order) // BATCH * BATCH].view(-1, BATCH):
            shown = torch.roll(pixels[part], tuple(torch.randint(-8, 9, (2,)).tolist()), (2, 3))
            shown = shown.flip(3) if torch.rand(()) < 0.5 else shown
            loss = functional.cross_entropy(made(shown.expand(-1, 3, -1, -1)), truth[part], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    wanted = parser.parse_args()
    rows = list(csv.DictReader(wanted.splits.open()))
    classes = sorted({row["label"] for row in rows})
    parts = {name: [row for row in rows if row["split"] == name] for name in ("train", "validation")}
    torch.manual_seed(0)
    made = network(len(classes))
    train(made, *read(wanted.data, parts["train"], classes), wanted.epochs)
    pixels, truth = read(wanted.data, parts["validation"], classes)
    with torch.inference_mode():
        answers = made.eval()(pixels.expand(-1, 3, -1, -1)).argmax(1)
    print(f"right on {(answers == truth).double().mean():.3f} of {len(truth)} validation scans")
    save_file(made.state_dict(), wanted.out, {"classes": json.dumps(classes)})


if __name__ == "__main__":
    main()
