from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.models.classifier import Classifier, Network
from whyscan.progress import quiet
from whyscan.training.anatomy import anatomy, blocks, resting_blocks
from whyscan.training.fit import Part, head_phase, trunk_phase
from whyscan.training.loop import generator, run_phase
from whyscan.training.pixels import open_pixels
from whyscan.training.settings import TrainSettings
from whyscan.training.state import State

Data = tuple[Catalogue, tuple[SplitRow, ...]]
SIZE = (48, 48)


@pytest.mark.parametrize("head", ["linear", "dense256"])
def test_the_folded_head_says_of_raw_features_what_the_head_says_of_scaled_ones(
    tiny: Callable[..., Classifier], head: Literal["linear", "dense256"]
) -> None:
    network = tiny(classes=["a", "b", "c"], head=head).network
    assert isinstance(network, Network)
    width = next(m.in_features for m in network.head.modules() if isinstance(m, nn.Linear))
    rng = np.random.default_rng(0)
    raw = (rng.normal(size=(30, width)) * rng.uniform(0.01, 50, width) + rng.normal(size=width) * 9).astype(np.float32)
    labels = torch.arange(30) % 3
    phase = head_phase("head", 3, anatomy(network, SIZE), TrainSettings(batch=8), (raw, labels), (raw, labels))
    run_phase(phase, State({}), TrainSettings(batch=8), title="", finished=lambda row: None, progress=quiet)
    phase.module.eval()
    scaled = phase.inputs(np.arange(30), generator(0))
    with torch.no_grad():
        wanted = phase.module(scaled)
        network.load_state_dict(phase.export(), strict=False)
        found = network.head(torch.from_numpy(raw))
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)


def test_a_feature_that_never_varies_does_no_harm(tiny: Callable[..., Classifier]) -> None:
    network = tiny(classes=["a", "b"]).network
    assert isinstance(network, Network)
    width = next(m.in_features for m in network.head.modules() if isinstance(m, nn.Linear))
    labels = torch.tensor([0, 1])
    same = np.ones((2, width), np.float32)
    phase = head_phase("head", 1, anatomy(network, SIZE), TrainSettings(batch=2), (same, labels), (same, labels))
    assert all(torch.isfinite(tensor).all() for tensor in phase.export().values())


def test_blocks_take_stages_apart_and_keep_the_norm_with_its_convolution() -> None:
    trunk = nn.Module()
    trunk.stem = nn.Conv2d(3, 4, 3)
    trunk.norm1 = nn.BatchNorm2d(4)
    trunk.act = nn.ReLU()
    trunk.stages = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    trunk.last = nn.Conv2d(4, 8, 1)
    trunk.norm2 = nn.BatchNorm2d(8)
    trunk.pool = nn.AdaptiveAvgPool2d(1)
    assert blocks(trunk) == [
        [trunk.stem, trunk.norm1], [trunk.stages[0]], [trunk.stages[1]], [trunk.last, trunk.norm2]
    ]  # fmt: skip
    assert resting_blocks(blocks(trunk), 1) == [trunk.stem, trunk.norm1, trunk.stages[0], trunk.stages[1]]
    assert resting_blocks(blocks(trunk), None) == []
    assert resting_blocks(blocks(trunk), 9) == []


def test_only_the_last_blocks_learn(squares: Data, tiny: Callable[..., Classifier], tmp_path: Path) -> None:
    catalogue, rows = squares
    network = tiny(classes=catalogue.classes).network
    assert isinstance(network, Network)
    pixels = open_pixels(catalogue, rows, (48, 48), "stretch", tmp_path)
    part = Part(tuple(row.content for row in rows), torch.tensor([catalogue.classes.index(row.label) for row in rows]))
    settings = TrainSettings(epochs=1, unfreeze="last-1", batch=24, precision="float32")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modules = resting_blocks(blocks(network.trunk), 1)
    resting = {id(p) for module in modules for p in module.state_dict(keep_vars=True).values()}
    phase = trunk_phase(anatomy(network, SIZE), settings, pixels, part, part)
    run_phase(phase, State({}), settings, title="", finished=lambda row: None, progress=quiet)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if name not in ("mean", "std"):
            assert (name in changed) == (id(tensor) not in resting), name


def test_augmentation_can_be_switched_off(squares: Data, tiny: Callable[..., Classifier], tmp_path: Path) -> None:
    catalogue, rows = squares
    network = tiny(classes=catalogue.classes).network
    assert isinstance(network, Network)
    pixels = open_pixels(catalogue, rows, (48, 48), "stretch", tmp_path)
    part = Part(tuple(row.content for row in rows), torch.zeros(len(rows), dtype=torch.int64))
    indices = np.arange(4)
    plain, moved = (
        trunk_phase(anatomy(network, SIZE), TrainSettings(augment=on), pixels, part, part).inputs(indices, generator(0))
        for on in (False, True)
    )
    torch.testing.assert_close(plain[:, :1], pixels.batch(part.contents[:4]))
    assert plain.is_contiguous(memory_format=torch.channels_last)
    assert (moved - plain).abs().max() > 0.1
