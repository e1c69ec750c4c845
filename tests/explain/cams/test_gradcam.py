from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadTarget
from whyscan.explain.cams.gradcam import GradCAM, gradcam, softmax_rows
from whyscan.models.classifier import Classifier, Layer

RED = np.array([[0.0, 0.2], [0.4, 0.6]], np.float32)
GREEN = np.array([[0.5, 0.1], [0.0, 0.1]], np.float32)


class ByHand(nn.Module):
    """Logits (4 mean(red) - 8 mean(green), 1 - 4 mean(red), 0) from a convolution that only copies."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, 1, bias=False)
        self.copy.weight = nn.Parameter(torch.eye(3)[:, :, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        red, green, _ = self.copy(pixels).mean((2, 3)).T
        return torch.stack([4 * red - 8 * green, 1 - 4 * red, 0 * red], 1)


@pytest.fixture
def by_hand() -> Classifier:
    return Classifier("by hand", ("a", "b", "c"), (2, 2), ByHand().eval(), (Layer("copy", "copy"),))


@pytest.fixture
def coloured() -> Scan:
    return Scan(np.stack([RED, GREEN, np.ones_like(RED)]), "f00d", label="b")


def test_by_hand(by_hand: Classifier, coloured: Scan) -> None:
    (found,) = GradCAM()(by_hand, [coloured])
    # d logit_a / d red is 4/4 = 1 at each of 4 pixels, d logit_a / d green is -8/4 = -2; their means are the weights
    np.testing.assert_allclose(found.maps[0], np.maximum(RED - 2 * GREEN, 0), rtol=1e-6)
    # logit_b falls with red wherever there is red: ReLU empties the map
    np.testing.assert_array_equal(found.maps[1:], 0)
    assert found.diagnosis == ("there", "negative everywhere", "no gradient")
    # mean(red) = 0.3 and mean(green) = 0.175, so the logits are (-0.2, -0.2, 0)
    expected = np.exp([-0.2, -0.2, 0]) / np.exp([-0.2, -0.2, 0]).sum()
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-6)


def test_the_kernel_is_the_equation() -> None:
    generator = torch.Generator().manual_seed(1)
    a, g = (torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = np.zeros((2, 3, 4))
    for n in range(2):
        for c in range(5):
            expected[n] += g[n, c].numpy().sum() / 12 * a[n, c].numpy()
    np.testing.assert_allclose(gradcam(a, g), np.where(expected > 0, expected, 0))


def test_batches_of_scans_with_their_own_targets_are_the_same_as_one_by_one(toy, scans) -> None:
    targets = ("predicted", "true", "glioma-men")
    together = GradCAM("first", batch=3)(toy, scans, targets)
    assert len({len(each.targets) for each in together}) == 2  # for some the prediction is right, for others not
    for scan, found in zip(scans, together, strict=True):
        (alone,) = GradCAM("block1_conv1")(toy, [scan], targets)
        assert found.targets == alone.targets
        assert found.targets[-1] == "glioma-meningioma"
        assert found.scan == scan.content
        np.testing.assert_allclose(found.maps, alone.maps, atol=1e-6)


def test_layers_and_progress(toy, scans) -> None:
    heard: list[tuple[str, int, int]] = []
    found = GradCAM(batch=3).at(toy, scans, "all", toy.layers, progress=lambda *said: heard.append(said))
    assert [[each.layer for each in layers] for layers in found] == [["first", "second"]] * 4
    assert [layers[1].maps.shape for layers in found] == [(3, 8, 8)] * 4
    assert heard == [("Grad-CAM", 3, 4), ("Grad-CAM", 4, 4)]


def test_a_layer_without_a_grid_is_refused(toy, scan) -> None:
    with pytest.raises(BadTarget, match=r"shape \(1, 3\).*height, width"):
        GradCAM().at(toy, [scan], "all", [Layer("head", "head")])


def recipe_by_torch(classifier: Classifier, scan: Scan, target: int) -> np.ndarray:
    """The notebook recipe as people write it, with torch's own softmax, in float64."""
    network = copy.deepcopy(classifier.network).double()
    kept: list[Tensor] = []
    network.second.register_forward_hook(lambda _m, _i, out: (kept.append(out), out.clone())[1])
    p = network(torch.from_numpy(classifier.prepare(scan)[0]).double()).softmax(1)
    (gradient,) = torch.autograd.grad(p[0, target], kept)
    activation = kept[0]
    guided = (activation > 0).double() * (gradient > 0).double() * gradient
    cam = (guided.mean((2, 3), keepdim=True) * activation).sum(1)[0].detach().numpy()
    return (cam - cam.min()) / (cam.max() - cam.min() + 1e-8)


def test_the_recipe_is_what_people_write(toy, scans) -> None:
    found = GradCAM(recipe="softmax-guided")(toy, scans)
    for scan, each in zip(scans, found, strict=True):
        assert (each.method, each.score, each.settings["recipe"]) == ("gradcam", "probability", "softmax-guided")
        assert each.diagnosis == ("there",) * 3
        for t in range(3):
            np.testing.assert_allclose(each.maps[t], recipe_by_torch(toy, scan, t), atol=1e-6)


def test_of_a_sure_model_the_recipe_leaves_nothing_and_says_why(toy, scan) -> None:
    usual = GradCAM()(toy, [scan])[0]
    with torch.no_grad():
        toy.network.head.bias += torch.tensor([0.0, 60.0, 0.0])  # the same gradients, but p = 1 in float32
    assert toy.predict(scan)[1] == 1
    (recipe,) = GradCAM(recipe="softmax-guided")(toy, [scan])
    assert recipe.diagnosis == ("softmax saturated",) * 3
    assert recipe.maps.max() < 1e-6
    assert all(0 < slope < 1e-20 for slope in recipe.measured["softmax slope"])
    (logit,) = GradCAM()(toy, [scan])
    np.testing.assert_array_equal(logit.maps, usual.maps)
    assert "there" in logit.diagnosis


def test_the_recipes_other_reasons(by_hand: Classifier, coloured: Scan) -> None:
    (found,) = GradCAM(recipe="softmax-guided")(by_hand, [coloured], ["a", "c"])
    assert found.diagnosis[0] == "there"
    with torch.no_grad():
        by_hand.network.copy.weight.neg_()  # now nothing is active
    (dead,) = GradCAM(recipe="softmax-guided")(by_hand, [coloured], "a")
    assert dead.diagnosis == ("dead activation",)
    assert not dead.maps.any()


def test_too_small_a_map_is_below_eps_for_the_recipe_only(by_hand: Classifier, coloured: Scan) -> None:
    with torch.no_grad():
        by_hand.network.copy.weight *= 1e-9
    (found,) = GradCAM(recipe="softmax-guided")(by_hand, [coloured], "a")
    assert found.diagnosis == ("below eps",)
    (usual,) = GradCAM()(by_hand, [coloured], "a")
    assert usual.diagnosis == ("there",)


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_rows_of_the_softmax_are_its_gradient(scale: float) -> None:
    logits = np.random.default_rng(0).normal(size=4).astype(np.float32) * scale
    rows = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [1, -1, 0, 0], [0, 0, 0, 0]], np.float32)
    directions, sizes = softmax_rows(rows, logits)
    z = torch.from_numpy(logits).double().requires_grad_(True)
    for row, direction, size in zip(rows, directions, sizes, strict=True):
        (expected,) = torch.autograd.grad((torch.from_numpy(row).double() * z.softmax(0)).sum(), z)
        np.testing.assert_allclose(direction * size, expected, atol=1e-15, rtol=1e-6)
    p = torch.softmax(z, 0).detach().numpy()
    np.testing.assert_allclose(sizes[:2], [p[0] * (1 - p[0]), p[2] * (1 - p[2])], atol=1e-15)
    assert not directions[3].any()


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(BadInput, match=r"'notebook'.*logit, softmax-guided"):
        GradCAM(recipe="notebook")
