from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadTarget
from whyscan.explain.gradcam import GradCAM, diagnose, gradcam
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


def test_every_reason_for_a_blank_map_has_its_word() -> None:
    one, none = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    assert diagnose(one[0], one, one) == "there"
    assert diagnose(-one[0], one, one) == "negative everywhere"
    assert diagnose(none[0], none, one) == "dead activation"
    assert diagnose(none[0], one, none) == "no gradient"
    assert diagnose(none[0] + 1e-40, one, one) == "below float resolution"


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
