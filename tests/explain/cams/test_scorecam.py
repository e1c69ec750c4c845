from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.channels import strongest_channels
from whyscan.explain.cams.scorecam import ScoreCAM, masks, score_weights
from whyscan.models.classifier import Classifier, Layer


class Colours(nn.Module):
    """A convolution that only copies; the logits are the sums of red, of green, and 0."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, 1, bias=False)
        self.copy.weight = nn.Parameter(torch.eye(3)[:, :, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        red, green, _ = self.copy(pixels).sum((2, 3)).T
        return torch.stack([red, green, 0 * red], 1)


def test_by_hand() -> None:
    red, green = np.array([[0.0, 0.0], [0.0, 0.8]]), np.array([[0.5, 0.0], [0.0, 0.0]])
    blue = np.full((2, 2), 0.3)
    scan = Scan(np.stack([red, green, blue]).astype(np.float32), "f00d")
    classifier = Classifier("colours", ("r", "g", "n"), (2, 2), Colours().eval(), (Layer("copy", "copy"),))
    (found,) = ScoreCAM("last", engine="float32")(classifier, [scan])
    # seen through red the scan keeps its red, 0.8; through green its green, 0.5; blue is constant: nothing is seen
    scores = {"r": [0.8, 0, 0], "g": [0, 0.5, 0], "n": [0, 0, 0]}
    for t, values in enumerate(scores.values()):
        weights = np.exp(values) / np.exp(values).sum()
        np.testing.assert_allclose(found.maps[t], np.tensordot(weights, scan.pixels, 1), rtol=1e-5)
    assert found.evaluations == 3
    assert found.diagnosis == ("there",) * 3


def test_masks_are_bilinear_and_reach_from_0_to_1() -> None:
    activation = torch.tensor([[[-1.0, 3.0]], [[2.0, 2.0]]])
    found = masks(activation, (1, 5))
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0, 0.25, 0.5, 0.75, 1]))
    assert not found[1].any()


def test_weights_add_up_to_1_and_large_logits_do_no_harm() -> None:
    weights = score_weights(np.array([[1e4, 0], [1e4, 1]], np.float32), np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(weights[0], [0.5, 0.5])
    np.testing.assert_allclose(weights.sum(1), 1)


def test_the_strongest_channels_come_first() -> None:
    activation = torch.tensor([[[0.0, 1.0]], [[-3.0, 0.0]], [[2.0, 2.0]]])
    assert strongest_channels(activation, 2).tolist() == [1, 2]
    assert strongest_channels(activation, 9).tolist() == strongest_channels(activation, None).tolist() == [0, 1, 2]


def test_fewer_channels_cost_fewer_evaluations_and_all_targets_share_them(toy, scan) -> None:
    calls: list[int] = []
    handle = toy.network.register_forward_hook(lambda _m, inputs, _o: calls.append(len(inputs[0])))
    (few,) = ScoreCAM("last", channels=2, engine="float32")(toy, [scan])
    handle.remove()
    assert calls == [1, 4, 2]  # the trace, the engine's probe, the masked scans
    assert (few.evaluations, few.settings["channels"]) == (2, 2)
    every = ScoreCAM(channels=None, engine="float32", batch=4).at(toy, [scan], "all", toy.layers)
    assert [each.evaluations for each in every[0]] == [4, 6]
    assert every[0][1].maps.shape == (3, 8, 8)
    with pytest.raises(BadInput, match="channels 0"):
        ScoreCAM(channels=0)


def test_progress_and_the_fast_engine_is_recorded(toy, scans) -> None:
    heard: list[tuple[str, int, int]] = []
    found = ScoreCAM().at(toy, scans[:2], "all", toy.layers, progress=lambda *said: heard.append(said))
    assert heard == [("Score-CAM", done, 4) for done in (1, 2, 3, 4)]
    for each, exact in zip(found[0], ScoreCAM(engine="float32").at(toy, scans[:1], "all", toy.layers)[0], strict=True):
        assert each.engine and each.deviation is not None
        np.testing.assert_allclose(each.maps, exact.maps, atol=0.05 * exact.maps.max())
