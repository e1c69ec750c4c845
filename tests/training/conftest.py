"""A small data set whose classes a tiny network can learn: a bright square, upper left or lower right, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.models import backbones
from whyscan.models.classifier import Classifier


def draw(kind: int, rng: np.random.Generator, side: int = 48) -> np.ndarray:
    """(h, w) bytes."""
    image = rng.integers(0, 60, (side, side))
    if kind:
        at = rng.integers(4, 12) if kind == 1 else rng.integers(26, 32)
        image[at : at + 12, at : at + 12] += 150
    return image.astype(np.uint8)


def with_splits(root: Path) -> tuple[Catalogue, tuple[SplitRow, ...]]:
    """A folder of classes with numbered files: 0..15 to train on, 16..21 to validate on, 22 and 23 to test on."""
    catalogue = open_catalogue(root)
    rows = []
    for entry in catalogue.entries:
        number = int(entry.path.stem)
        split = "train" if number < 16 else "validation" if number < 22 else "test"
        content = read_entry(entry).content
        rows.append(SplitRow(entry.name, entry.label, None, content[:8], split, number == 23, content))
    return catalogue, tuple(rows)


@pytest.fixture(scope="session")
def splits_of() -> Callable[[Path], tuple[Catalogue, tuple[SplitRow, ...]]]:
    return with_splits


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, tuple[SplitRow, ...]]:
    """24 scans of each class: see `with_splits`."""
    root, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for kind, label in ((2, "lower"), (0, "none"), (1, "upper")):
        (root / label).mkdir()
        for number in range(24):
            Image.fromarray(draw(kind, rng)).save(root / label / f"{number:02}.png")
    return with_splits(root)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Classifier]:
    """timm's own model for tests, 0.4 million random weights, at 48 pixels."""
    return partial(backbones.build, "test_efficientnet", "none", input_size=48)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are cut up by thread, so the last bit of a result depends on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
