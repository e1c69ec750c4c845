"""A network small enough to explain in milliseconds, and a scan for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.models.classifier import Classifier, Layer


class Toy(nn.Module):
    """Two convolutions with in-place ReLU, then a head: pixels (n, 3, 16, 16) -> logits (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        deep = self.norm(self.second(self.relu(self.first(pixels))))
        return self.head(torch.relu_(deep).mean((2, 3)))


def toy_network(seed: int = 0) -> Toy:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Toy()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.5)
    return network.eval()


@pytest.fixture
def toy() -> Classifier:
    layers = (Layer("first", "first", "block1_conv1"), Layer("second", "second"))
    return Classifier("toy", ("glioma", "meningioma", "no_tumor"), (16, 16), toy_network(), layers, hash="00ff")


class ToyTransformer(nn.Module):
    """4 x 4 patches and a class token, one block of attention over two heads, then a head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(pixels).flatten(2).mT
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(tokens[:, 0])


@pytest.fixture
def toy_transformer() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ToyTransformer()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.5)
    return Classifier("toy", ("glioma", "meningioma", "no_tumor"), (16, 16), network.eval(), (), hash="00ff")


@pytest.fixture
def scan() -> Scan:
    """20 x 24, a bright blob on noise; its label is known."""
    return make_scan(0)


@pytest.fixture
def scans() -> list[Scan]:
    labels = ("glioma", "no_tumor", "meningioma", "glioma")
    return [make_scan(seed, label) for seed, label in enumerate(labels)]


def make_scan(seed: int, label: str = "glioma") -> Scan:
    noise = np.random.default_rng(seed).random((1, 20, 24), np.float32)
    noise[0, 5:10, 4 + seed : 12 + seed] = 1
    return Scan(noise, content_hash(noise), source=f"{label}/{seed}.png", label=label)
