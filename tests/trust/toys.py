"""Tiny cases whose answers are known."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.explain.explain import explain
from whyscan.models.load import load
from whyscan.trust.case import Case


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        return self.head(self.second(self.first(images).relu()).relu().mean((2, 3)))


def classifier(seed: int = 0):
    torch.manual_seed(seed)
    return load(Net(), classes=["a", "b", "c"], input_size=32, preprocess="/255")


def scan(seed: int = 0, **more) -> Scan:
    rng = np.random.default_rng(seed)
    pixels = rng.random((1, 32, 32), np.float32)
    return Scan(pixels, content=f"{seed:064d}", source=f"{seed}.png", label="a", **more)


def case(method: str = "saliency", *, model=None, of=None, seed: int = 0) -> Case:
    model = model or classifier()
    of = of or scan()
    made = explain(model, of, method, "all", seed=seed)

    def again(other, changed, number):
        return [explain(other, each, method, made.predicted, seed=number) for each in changed]

    return Case(model, of, made, made.predicted, again, seed=seed)
