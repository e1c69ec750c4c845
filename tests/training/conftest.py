"""A small data set whose classes a tiny network can learn: a bright square, upper left or lower right, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow

TINY = "test_efficientnet"
"""timm's own model for tests: 0.4 million weights."""


def draw(kind: int, rng: np.random.Generator, side: int = 48) -> np.ndarray:
    """(h, w) bytes."""
    image = rng.integers(0, 60, (side, side))
    if kind:
        at = rng.integers(4, 12) if kind == 1 else rng.integers(26, 32)
        image[at : at + 12, at : at + 12] += 150
    return image.astype(np.uint8)


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, tuple[SplitRow, ...]]:
    """24 scans a class, 16 to train on, 6 to validate on, 2 to test on."""
    root, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for kind, label in enumerate(("lower", "none", "upper")):
        (root / label).mkdir()
        for number in range(24):
            Image.fromarray(draw((2, 0, 1)[kind], rng)).save(root / label / f"{number:02}.png")
    return with_splits(root)


def with_splits(root: Path) -> tuple[Catalogue, tuple[SplitRow, ...]]:
    catalogue = open_catalogue(root)
    rows = []
    for entry in catalogue.entries:
        number = int(entry.path.stem)
        split = "train" if number < 16 else "validation" if number < 22 else "test"
        content = read_entry(entry).content
        rows.append(SplitRow(entry.name, entry.label, None, content[:8], split, number == 23, content))
    return catalogue, tuple(rows)
