"""Integrated gradients, where the integral is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.errors import BadInput, BadScan
from whyscan.explain.gradients.baselines import baseline
from whyscan.explain.gradients.integrated import IntegratedGradients, nodes
from whyscan.models.classifier import Classifier


class Cubes(nn.Module):
    """logits: the sum of x^3, and of x; then 3 times a ReLU that opens at 0.6."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        flat = pixels.flatten(1)
        return torch.stack([(flat**3).sum(1), flat.sum(1), 3 * torch.relu(flat - 0.6).sum(1)], 1)


@pytest.fixture
def cubes() -> Classifier:
    return Classifier("cubes", ("cube", "line", "kink"), (16, 16), Cubes(), ())


def test_the_integral_of_a_polynomial_is_exact(cubes: Classifier, scan) -> None:
    # (x - b) times the integral of 3 (b + a (x - b))^2 over a is x^3 - b^3, and two nodes integrate a square exactly
    pixels = cubes.prepare(scan)[0][0]
    for kind, start in (("black", 0.0), (0.25, 0.25), ("mean", pixels.mean((1, 2), keepdims=True))):
        (found,) = IntegratedGradients(steps=2, baseline=kind)(cubes, [scan], ["cube", "line"])
        np.testing.assert_allclose(found.maps[0], (pixels**3 - start**3).sum(0), atol=1e-5)
        np.testing.assert_allclose(found.maps[1], (pixels - start).sum(0), atol=1e-5)
        # from the mean, the line changes by nothing but rounding, whose share is taken of 1e-4 of the logit
        assert np.abs(found.measured["relative gap"]).max() < 2e-3
        assert found.diagnosis == ("there", "there")


def test_the_gap_is_what_is_missing(cubes: Classifier, scan) -> None:
    (found,) = IntegratedGradients(steps=1)(cubes, [scan])
    change = cubes.logits(scan) - cubes.logits(np.zeros((1, 3, 16, 16), np.float32))[0]
    gaps = found.maps.sum((1, 2)) - change
    np.testing.assert_allclose(found.measured["completeness gap"], gaps, atol=1e-3)
    np.testing.assert_allclose(found.measured["relative gap"], np.abs(gaps / change), rtol=1e-3, atol=1e-6)
    # one node, half way: 3 x (x / 2)^2 instead of x^3, so 3/4 of it; and the kink is not seen at all
    pixels = cubes.prepare(scan)[0][0]
    np.testing.assert_allclose(found.maps[0], 0.75 * (pixels**3).sum(0), atol=1e-5)
    assert not found.maps[2].any()
    assert found.diagnosis == ("gap too large", "there", "gap too large")


def test_a_probability_is_differentiated_anew_at_every_step(cubes: Classifier, scan) -> None:
    # with the derivative of the softmax taken at the scan alone, the values would not add up
    (found,) = IntegratedGradients(steps=64, score="probability")(cubes, [scan], ["cube", "line-cube"])
    ends = cubes.predict(np.stack([cubes.prepare(scan)[0][0], np.zeros((3, 16, 16), np.float32)]))
    change = ends[0] - ends[1]
    np.testing.assert_allclose(found.maps.sum((1, 2)), [change[0], change[1] - change[0]], atol=1e-3)
    assert found.score == "probability"


def test_steps_are_doubled_until_the_gap_is_small(cubes: Classifier, scan) -> None:
    (found,) = IntegratedGradients(steps=1, tolerance=0.01)(cubes, [scan])
    assert max(found.measured["relative gap"]) <= 0.01
    used = found.settings["steps"]
    assert used in (4, 8, 16, 32, 64)
    assert found.evaluations == 2 + sum(2**i for i in range(int(np.log2(used)) + 1))
    (fixed,) = IntegratedGradients(steps=used)(cubes, [scan])
    np.testing.assert_array_equal(fixed.maps, found.maps)
    (cut,) = IntegratedGradients(steps=1, tolerance=1e-9, most=3)(cubes, [scan])
    assert cut.settings["steps"] == 2
    assert "gap too large" in cut.diagnosis


def test_batches_change_nothing(toy: Classifier, scan) -> None:
    (one,) = IntegratedGradients(steps=7, batch=1)(toy, [scan])
    (many,) = IntegratedGradients(steps=7, batch=3)(toy, [scan])
    np.testing.assert_allclose(one.maps, many.maps, rtol=1e-4, atol=1e-7)


def test_nodes_are_within_the_path_and_weigh_one() -> None:
    where, weights = nodes(5)
    assert ((where > 0) & (where < 1)).all()
    assert weights.sum() == pytest.approx(1)
    assert (weights * where**9).sum() == pytest.approx(1 / 10)


def test_baselines(scan) -> None:
    pixels = np.broadcast_to(scan.pixels, (3, 20, 24))
    assert not baseline(pixels, "black").any()
    np.testing.assert_allclose(baseline(pixels, "mean"), scan.pixels.mean(), rtol=1e-5)
    blurred = baseline(pixels, "blur")
    assert 0.2 < blurred.std() / scan.pixels.std() < 0.9
    assert (baseline(pixels, 0.5) == 0.5).all()
    with pytest.raises(BadInput, match="baseline 'white'"):
        baseline(pixels, "white")


@pytest.mark.parametrize(("kind", "value"), [("black", 0.0), ("mean", 0.4), ("blur", 0.4), (0.4, 0.4)])
def test_a_scan_that_equals_its_baseline_is_named(kind, value, toy: Classifier, scan) -> None:
    flat = replace(scan, pixels=np.full_like(scan.pixels, value))
    with pytest.raises(BadScan, match="equals its baseline"):
        IntegratedGradients(baseline=kind)(toy, [flat])


def test_bad_settings() -> None:
    with pytest.raises(BadInput, match="steps 0"):
        IntegratedGradients(steps=0)
    with pytest.raises(BadInput, match="tolerance 0"):
        IntegratedGradients(tolerance=0)
