"""captum's Occlusion, with the same windows and the same baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Occlusion as Captum
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.explain.games.occlusion import Occlusion
from whyscan.models.classifier import Classifier


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.Tanh(), nn.Conv2d(6, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 45, 4)
        ).eval()


@pytest.mark.parametrize(("window", "stride"), [(6, 3), (5, 5), (8, 3), (7, 2)])
@pytest.mark.parametrize("fill", [0.0, 0.4])
def test_captum_agrees(window: int, stride: int, fill: float) -> None:
    """Also where the last windows are cut off at the edge. captum needs a pass over all windows per class."""
    pixels = np.random.default_rng(1).random((3, 16, 24), np.float32)
    classifier = Classifier("small", ("a", "b", "c", "d"), (16, 24), small(), ())
    (ours,) = Occlusion(window, stride, fill=fill, engine="float32")(classifier, [Scan(pixels, content_hash(pixels))])
    given = torch.from_numpy(pixels)[None]
    for target in range(4):
        theirs = Captum(classifier.network).attribute(
            given, (3, window, window), (3, stride, stride), baselines=fill, target=target
        )
        np.testing.assert_allclose(ours.maps[target], theirs[0, 0].detach().numpy(), atol=1e-5)
