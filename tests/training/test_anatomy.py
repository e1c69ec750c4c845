"""A network is taken apart into a head and what comes before it, whoever made it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.classifier import TwoClass
from whyscan.progress import quiet
from whyscan.training.anatomy import anatomy, trunk_digest
from whyscan.training.fit import head_phase
from whyscan.training.loop import generator, run_phase
from whyscan.training.settings import TrainSettings
from whyscan.training.state import State

SIZE = (16, 16)


class Foreign(nn.Module):
    """Its modules are not in the order in which they run, and one is never run."""

    def __init__(self, outputs: int, *, bias: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.dense = nn.Linear(8, outputs, bias=bias)
        self.second = nn.Conv2d(4, 8, 3)
        self.idle = nn.Linear(8, 3)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(3, 4, 3)
        self.drop = nn.Dropout(0.5)
        self.scale = scale

    def forward(self, pixels: Tensor) -> Tensor:
        inside = torch.relu(self.norm(self.first(pixels)))
        out: Tensor = self.dense(self.drop(torch.relu(self.second(inside)).mean((2, 3))))
        return out * self.scale


def made(outputs: int, **options: object) -> nn.Module:
    torch.manual_seed(0)
    network = Foreign(outputs, **options).eval()  # type: ignore[arg-type]
    return TwoClass(network).eval() if outputs == 1 else network


@pytest.mark.parametrize("outputs", [1, 4])
def test_the_head_is_the_last_layer_that_runs(outputs: int) -> None:
    network = made(outputs)
    found = anatomy(network, SIZE)
    inner = network.network if outputs == 1 else network
    assert isinstance(inner, Foreign)
    assert found.head is inner.dense and found.alone and found.pair == (outputs == 1)
    assert found.stem == ("network.dense" if outputs == 1 else "dense")
    assert [list(block) for block in found.blocks] == [[inner.first, inner.norm], [inner.second]]
    assert {id(p) for p in found.before}.isdisjoint(id(p) for p in inner.dense.parameters())
    pixels = torch.rand(2, 3, *SIZE, generator=generator(1))
    with torch.no_grad():
        answer = found.head(found.features(pixels))
        torch.testing.assert_close(TwoClass(nn.Identity())(answer) if outputs == 1 else answer, network(pixels))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_network_that_goes_on_after_its_last_layer_has_no_head_of_its_own() -> None:
    found = anatomy(made(4, scale=3.0), SIZE)
    assert not found.alone
    part = (np.zeros((4, 8), np.float32), torch.arange(4))
    with pytest.raises(BadModel, match="use the recipe finetune"):
        head_phase("frozen", 1, found, TrainSettings("frozen"), part, part)


def test_a_network_without_weights_cannot_learn() -> None:
    with pytest.raises(BadModel, match="no weights"):
        anatomy(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), SIZE)


@pytest.mark.parametrize(("outputs", "bias"), [(1, True), (2, True), (2, False)])
def test_a_head_that_knows_something_begins_with_what_it_knows(outputs: int, bias: bool) -> None:
    network = made(outputs, bias=bias)
    rng = np.random.default_rng(0)
    raw = (rng.normal(size=(30, 8)) * rng.uniform(0.01, 50, 8) + rng.normal(size=8) * 9).astype(np.float32)
    labels = torch.arange(30) % 2
    found = anatomy(network, SIZE)
    phase = head_phase("frozen", 2, found, TrainSettings("frozen", batch=8), (raw, labels), (raw, labels), taught=True)
    with torch.no_grad():
        before = found.head(torch.from_numpy(raw))
        wanted = TwoClass(nn.Identity())(before) if found.pair else before
        torch.testing.assert_close(
            phase.module(phase.inputs(np.arange(30), generator(0))), wanted, atol=2e-4, rtol=1e-4
        )
    run_phase(phase, State({}), TrainSettings("frozen", batch=8), title="", finished=lambda _: None, progress=quiet)
    phase.module.eval()
    with torch.no_grad():
        learned = phase.module(phase.inputs(np.arange(30), generator(0)))
        missing = network.load_state_dict(phase.export(), strict=False)
        assert not missing.unexpected_keys
        after = found.head(torch.from_numpy(raw))
    torch.testing.assert_close(TwoClass(nn.Identity())(after) if found.pair else after, learned, atol=2e-4, rtol=1e-4)
    assert not torch.equal(before, after)


def test_the_digest_knows_what_comes_before_the_head_and_not_the_head() -> None:
    network = made(4)
    first = trunk_digest(anatomy(network, SIZE))
    assert isinstance(network, Foreign)
    with torch.no_grad():
        network.dense.weight.add_(1)
        assert trunk_digest(anatomy(network, SIZE)) == first
        network.norm.running_mean.add_(1)  # type: ignore[union-attr]
        assert trunk_digest(anatomy(network, SIZE)) != first
