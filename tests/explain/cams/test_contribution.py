"""What a layer contributes: worked out by hand on networks of a few weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadTarget
from whyscan.explain.cams.contribution import (
    Contribution,
    Reference,
    layer_contributions,
    reference_means,
    replaced,
)
from whyscan.explain.explain import explain_layers
from whyscan.models.classifier import Classifier, Layer

CLASSES = ("a", "b")


class Chain(nn.Module):
    """Two channels, the red one and its double, pooled; the logits are 3 x red and -2 x the double: (3 r, -4 r)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight[:] = torch.tensor([[1.0, 0, 0], [2.0, 0, 0]]).view(2, 3, 1, 1)
            self.head.weight[:] = torch.tensor([[3.0, 0], [0, -2.0]])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.conv(pixels)).mean((2, 3)))


class Residual(Chain):
    """The same, with a way around the convolution that carries (r, r)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head((pixels[:, :2] + self.conv(pixels)).mean((2, 3)))


class Twice(Chain):
    """One 1x1 convolution that doubles, run twice: logits (3 x 4 r, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight[:] = 2 * torch.eye(3).view(3, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        pooled = self.conv(self.conv(pixels)).mean((2, 3))
        return torch.stack([3 * pooled[:, 0], 0 * pooled[:, 0]], 1)


def classifier(network: nn.Module, *layers: Layer) -> Classifier:
    return Classifier("hand", CLASSES, (4, 4), network.eval(), layers or (Layer("conv", "conv"),))


def grey(value: float, label: str | None = None) -> Scan:
    pixels = np.full((1, 4, 4), value, np.float32)
    return Scan(pixels, content_hash(pixels), f"{value}.png", label)


REFERENCES = [grey(0.2), grey(0.4), grey(0.6)]  # mean 0.4


def of(rows: list[Contribution], target: str, scan: Scan, layer: str = "conv") -> Contribution:
    (found,) = [row for row in rows if (row.target, row.scan, row.layer) == (target, scan.content, layer)]
    return found


def test_a_chain_by_hand() -> None:
    """Logits (3 r, -4 r) become those of r = 0.4. The map of a, on 16 places, is 3/16 x r each: its sum is 3 r."""
    bright, dim = grey(0.9), grey(0.1)
    rows = layer_contributions(classifier(Chain()), [bright, dim], REFERENCES)
    assert [(row.source, row.target) for row in rows] == [(s, c) for s in ("0.9.png", "0.1.png") for c in CLASSES]
    assert of(rows, "a", bright).change == pytest.approx(3 * (0.9 - 0.4), abs=1e-6)
    assert of(rows, "b", bright).change == pytest.approx(-4 * (0.9 - 0.4), abs=1e-6)
    assert of(rows, "a", dim).change == pytest.approx(3 * (0.1 - 0.4), abs=1e-6)
    assert of(rows, "a", bright).energy == pytest.approx(3 * 0.9, abs=1e-5)
    assert of(rows, "a", bright).diagnosis == "there"
    assert of(rows, "a", bright).predicted
    assert not of(rows, "b", bright).predicted


def test_dark_is_not_unused() -> None:
    """The layer speaks against b everywhere, so b's map is empty; and yet b's logit hangs on it."""
    dim = grey(0.1)
    row = of(layer_contributions(classifier(Chain()), [dim], REFERENCES), "b", dim)
    assert (row.energy, row.share, row.diagnosis) == (0, 0, "negative everywhere")
    assert row.change == pytest.approx(4 * (0.4 - 0.1), abs=1e-6)


def test_what_runs_beside_a_layer_goes_on() -> None:
    """Logits (3 (r + r), -2 (r + 2 r)): only the convolution's part is replaced, not the way around it."""
    bright = grey(0.9)
    rows = layer_contributions(classifier(Residual()), [bright], REFERENCES)
    assert of(rows, "a", bright).change == pytest.approx(3 * 0.5, abs=1e-6)
    assert of(rows, "b", bright).change == pytest.approx(-2 * 2 * 0.5, abs=1e-6)


def test_of_a_module_that_runs_twice_the_last_run_is_replaced() -> None:
    bright = grey(0.9)
    row = of(layer_contributions(classifier(Twice()), [bright], REFERENCES), "a", bright)
    # had the first run been replaced too, its mean of the last run would have been doubled again
    assert row.change == pytest.approx(12 * (0.9 - 0.4), abs=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_means_come_from_one_pass_and_batches_change_nothing(toy: Classifier, scans, batch: int) -> None:
    found = reference_means(toy, scans, toy.layers, batch=batch)
    pixels = torch.from_numpy(np.concatenate([toy.prepare(scan)[0] for scan in scans]))
    with torch.no_grad():
        first = toy.network.first(pixels)
        second = toy.network.second(first.relu())
    torch.testing.assert_close(found["first"].value, first.mean(0, keepdim=True))
    torch.testing.assert_close(found["second"].value, second.mean(0, keepdim=True))
    ours, single = (layer_contributions(toy, scans, scans, batch=each) for each in (batch, 3))
    np.testing.assert_allclose([row.change for row in ours], [row.change for row in single], atol=1e-5)


def test_every_layer_of_the_toy_has_a_row_and_the_maps_energy(toy: Classifier, scans) -> None:
    rows = layer_contributions(toy, scans[:2], scans[2:])
    assert len(rows) == 2 * 2 * 3
    maps = explain_layers(toy, scans[1])
    for row in rows:
        if row.scan == scans[1].content:
            one = maps[row.layer]
            assert row.energy == pytest.approx(float(one.grid[one.index(row.target)].sum()), rel=1e-5)
    for scan in scans[:2]:
        for target in toy.classes:
            shares = [row.share for row in rows if (row.scan, row.target) == (scan.content, target)]
            assert sum(shares) == pytest.approx(1 if any(shares) else 0)


def test_targets_of_each_scan_and_contrasts(toy: Classifier, scans) -> None:
    rows = layer_contributions(toy, scans[:2], scans[2:], "last", ["true", "glioma-men"])
    assert [row.target for row in rows] == ["glioma", "glioma-meningioma", "no_tumor", "glioma-meningioma"]
    single = layer_contributions(toy, scans[:1], scans[2:], "last")
    assert rows[1].change == pytest.approx(single[0].change - single[1].change, abs=1e-5)


def test_one_mean_a_channel_forgets_the_place() -> None:
    left = np.zeros((1, 4, 4), np.float32)
    left[..., :2] = 1
    reference = Scan(left, content_hash(left))
    where, what = (
        reference_means(classifier(Chain()), [reference], [Layer("conv", "conv")], mean=mean)["conv"].value
        for mean in ("position", "channel")
    )
    assert where[0, 0, 0].tolist() == [1, 1, 0, 0]
    assert torch.equal(what[0, :, 0, 0], torch.tensor([0.5, 1.0]))
    assert what.std((2, 3)).max() == 0


class Tokens(nn.Module):
    """A class token and a 2 x 2 grid of tokens with 3 channels; the class token says 0, the grid is pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Identity()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        grid = nn.functional.avg_pool2d(pixels, 2).flatten(2).transpose(1, 2)
        tokens = self.embed(torch.cat([torch.zeros_like(grid[:, :1]), grid], 1))
        return tokens[:, 1:].mean(1)[:, :2] * torch.tensor([1.0, -1.0]) + tokens[:, 0, :2]


def test_tokens() -> None:
    layer = Layer("embed", "embed", form="tokens", prefix=1, grid=(2, 2))
    network = Tokens()
    network.anchor = nn.Parameter(torch.zeros(1))
    left = np.zeros((1, 4, 4), np.float32)
    left[..., :2] = 1
    reference = Scan(left, content_hash(left))
    tokens = classifier(network, layer)
    value = reference_means(tokens, [reference], [layer], mean="channel")["embed"].value
    assert value[0, :, 0].tolist() == [0, 0.5, 0.5, 0.5, 0.5]  # the class token keeps its own
    with replaced(network, "embed", Reference(value, 1)):
        assert tokens.logits(grey(0.9)).tolist() == [0.5, -0.5]


def test_nothing_is_left_behind(toy: Classifier, scans) -> None:
    toy.network.norm.train()  # a mode that somebody chose
    before = {name: tensor.clone() for name, tensor in toy.network.state_dict().items()}
    layer_contributions(toy, scans[:1], scans[1:])
    reference = reference_means(toy, scans, toy.layers)["first"]
    with pytest.raises(KeyboardInterrupt), replaced(toy.network, "first", reference):
        raise KeyboardInterrupt
    assert not any(module._forward_hooks for module in toy.network.modules())
    assert toy.network.norm.training
    assert not toy.network.first.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in toy.network.state_dict().items())
    assert all(parameter.requires_grad for parameter in toy.network.parameters())


def test_bad_input(toy: Classifier, scans) -> None:
    with pytest.raises(BadInput, match="no reference scans"):
        layer_contributions(toy, scans, [])
    with pytest.raises(BadInput, match="as the classifier"):
        layer_contributions(toy.network, scans, scans)
    with pytest.raises(BadInput, match="as the scan"):
        layer_contributions(toy, scans, ["scan.png"])
    with pytest.raises(BadTarget, match=r"'frist'.*try first"):
        layer_contributions(toy, scans, scans, ["frist"])
    with pytest.raises(BadTarget, match="'stroke'"):
        layer_contributions(toy, scans, scans, targets="stroke")
    with pytest.raises(BadTarget, match="no layer"):
        layer_contributions(toy, scans, scans, [])
    assert layer_contributions(toy, [], scans) == []
