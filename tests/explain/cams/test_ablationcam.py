from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.ablationcam import AblationCAM, substituted
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.layers import find_layers


class Net(nn.Module):
    """What happens around the layer `second` is given by `way`."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.wide = nn.Conv2d(6, 3, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.relu(self.first(pixels))
        y = self.second(x)
        if self.way == "straight":
            z = y
        elif self.way == "sum":
            z = x + y
        elif self.way == "sum in place":
            z = x.clone()
            z += y
        elif self.way == "twice":
            z = self.second(y)
        else:
            z = self.wide(torch.cat([x, y], 1))
        return self.third(torch.relu(z)).mean((2, 3)) ** 2


def classifier(way: str) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Net(way).eval()
    return Classifier(way, ("a", "b", "c"), (8, 8), network, (Layer("second", "second"),))


@pytest.fixture
def noise() -> Scan:
    return Scan(np.random.default_rng(0).random((3, 8, 8), np.float32), "f00d")


@pytest.mark.parametrize("way", ["straight", "sum", "sum in place", "twice", "concatenation"])
def test_each_weight_is_the_drop_of_the_logit_without_the_channel(way: str, noise: Scan) -> None:
    model = classifier(way)
    (found,) = AblationCAM("last", batch=2)(model, [noise], ["a", "b-c"])
    network, pixels = model.network, torch.from_numpy(noise.pixels[None])
    # the plain way: the whole network once per channel, the layer's (last) output changed by hand
    runs = 2 if way == "twice" else 1
    with torch.no_grad():
        outputs: list[Tensor] = []
        handle = network.second.register_forward_hook(lambda _m, _i, out: outputs.append(out))
        whole = network(pixels)[0]
        handle.remove()
        signed = torch.zeros(2, 8, 8)
        for c in range(3):
            changed = outputs[-1].clone()
            changed[:, c] = 0
            with substituted(network.second, changed, runs):
                drop = whole - network(pixels)[0]
            for t, weight in enumerate((drop[0], drop[1] - drop[2])):
                signed[t] += weight * outputs[-1][0, c]
    np.testing.assert_allclose(found.maps, signed.relu(), atol=1e-6)
    assert found.evaluations == 3
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(("way", "widest"), [("straight", 1), ("sum", 1), ("sum in place", 3), ("concatenation", 3)])
def test_what_lies_below_runs_for_one_scan_where_the_network_allows_it(way: str, widest: int, noise: Scan) -> None:
    model, sizes = classifier(way), []
    model.network.first.register_forward_hook(lambda _m, inputs, _o: sizes.append(len(inputs[0])))
    AblationCAM("last")(model, [noise])
    assert sizes[-1] == widest  # after the trial, which settles how it goes on


def test_in_logits_whatever_the_sign_of_the_score(noise: Scan) -> None:
    model = classifier("straight")
    (plain,) = AblationCAM("last")(model, [noise])
    original = model.network.forward
    model.network.forward = lambda pixels: original(pixels) - 100  # the same drops, from scores below 0
    (shifted,) = AblationCAM("last")(model, [noise])
    assert plain.maps.any()
    np.testing.assert_allclose(shifted.maps, plain.maps, atol=1e-4)


def test_a_channel_of_tokens_is_removed_in_all_of_them(noise: Scan) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("test_vit", num_classes=3, img_size=64).eval()
        nn.init.normal_(network.head.weight)
    layers = find_layers(network, (64, 64))
    model = Classifier("vit", ("a", "b", "c"), (64, 64), network, layers)
    (found,) = AblationCAM("blocks.3", channels=4)(model, [noise], "a")
    assert found.maps.shape == (1, 4, 4) and found.evaluations == 4
    outputs: list[Tensor] = []
    pixels = torch.from_numpy(model.prepare(noise)[0].copy())
    handle = network.blocks[3].register_forward_hook(lambda _m, _i, out: outputs.append(out))
    with torch.no_grad():
        whole = network(pixels)[0, 0]
    handle.remove()
    grid = outputs[0][0, 1:]
    signed = torch.zeros(16)
    for c in grid.norm(dim=0).argsort(descending=True)[:4]:
        changed = outputs[0].clone()
        changed[:, :, c] = 0
        with torch.no_grad(), substituted(network.blocks[3], changed):
            signed += (whole - network(pixels)[0, 0]) * grid[:, c]
    np.testing.assert_allclose(found.maps[0].ravel(), signed.relu().detach(), atol=1e-4)


def test_no_channel_is_refused() -> None:
    with pytest.raises(BadInput, match="channels 0"):
        AblationCAM(channels=0)


def test_nothing_is_left_behind_if_the_network_fails(toy, scan) -> None:
    def fail(_module: nn.Module, _inputs: object, out: Tensor) -> None:
        if len(out) > 1:
            raise KeyboardInterrupt

    handle = toy.network.head.register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        AblationCAM("last")(toy, [scan])
    handle.remove()
    assert not any(module._forward_hooks for module in toy.network.modules())
    assert all(parameter.requires_grad for parameter in toy.network.parameters())
