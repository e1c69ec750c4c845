"""SmoothGrad, on functions whose mean gradient is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.errors import BadInput, BadScan
from whyscan.explain.gradients.sampled import mean_and_error
from whyscan.explain.gradients.smoothgrad import NOISE, SmoothGrad, noisy
from whyscan.models.classifier import Classifier


class Powers(nn.Module):
    """logits: the sums of x^2 and of x^3."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.stack([(pixels**2).sum((1, 2, 3)), (pixels**3).sum((1, 2, 3))], 1)


@pytest.fixture
def powers() -> Classifier:
    return Classifier("powers", ("square", "cube"), (16, 16), Powers(), ())


def test_noise_that_acts_linearly_cancels_exactly(powers: Classifier, scan) -> None:
    # the gradient of x^2 at x + e is 2 x + 2 e: pairs +e, -e leave 2 x, from the first pair on
    (found,) = SmoothGrad(samples=4)(powers, [scan], "square")
    np.testing.assert_allclose(found.maps[0], 2 * powers.prepare(scan)[0][0, 0], atol=1e-5)
    assert found.measured["standard error"][0] < 1e-6


def test_the_mean_and_its_error_are_those_of_the_normal_law(powers: Classifier, scan) -> None:
    # the gradient of x^3 at x + e is 3 (x + e)^2; a pair's mean 3 (x^2 + e^2) has mean 3 (x^2 + s^2), variance 18 s^4
    samples, pixels = 200, powers.prepare(scan)[0][0]
    sigma = 0.2 * float(pixels.max() - pixels.min())
    (found,) = SmoothGrad(samples=samples, noise=0.2)(powers, [scan], "cube")
    error = np.sqrt(18) * sigma**2 / np.sqrt(samples / 2)
    assert found.measured["standard error"][0] == pytest.approx(error, rel=0.1)
    # three channels with noise of their own, of which the strongest is taken: at most some errors too high
    away = found.maps[0] - 3 * (pixels[0] ** 2 + sigma**2)
    assert np.abs(away).max() < 6 * error
    assert found.measured["relative error"][0] < 0.1
    assert found.diagnosis == ("there",)
    assert found.evaluations == samples + 1


class Noise(nn.Module):
    """A logit that ripples so quickly that its gradient at noisy copies is noise."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        wave = torch.sin(1000 * pixels).sum((1, 2, 3))
        return torch.stack([wave, -wave], 1)


def test_a_map_that_is_mostly_noise_says_so(scan) -> None:
    classifier = Classifier("ripples", ("a", "b"), (16, 16), Noise(), ())
    (found,) = SmoothGrad(samples=8)(classifier, [scan])
    assert found.diagnosis == (NOISE, NOISE)
    assert found.measured["relative error"][0] == pytest.approx(1, abs=0.1)


def test_the_seed_decides(toy: Classifier, scan) -> None:
    one, same, other = (SmoothGrad(samples=4)(toy, [scan], seed=seed)[0] for seed in (1, 1, 2))
    assert one.digest() == same.digest()
    assert not np.array_equal(one.maps, other.maps)
    assert one.seed == 1


def test_odd_numbers_are_rounded_up_to_pairs(toy: Classifier, scan) -> None:
    (found,) = SmoothGrad(samples=3)(toy, [scan])
    assert found.settings["samples"] == 4
    (single,) = SmoothGrad(samples=1)(toy, [scan])
    assert single.settings["samples"] == 2
    assert not single.measured  # one pair has no spread
    assert single.diagnosis == ("there",) * 3


def test_noise_is_a_share_of_the_range() -> None:
    points = list(noisy(torch.zeros(3, 50, 50), 0.3, 2, seed=0))
    assert [point.group for point in points] == [0, 0, 1, 1]
    assert float(points[0].pixels.std()) == pytest.approx(0.3, rel=0.03)
    assert torch.equal(points[0].pixels, -points[1].pixels)
    assert not torch.equal(points[0].pixels, points[2].pixels)


def test_mean_and_error() -> None:
    groups = [torch.tensor([1.0, 1e4]), torch.tensor([3.0, 1e4]), torch.tensor([8.0, 1e4])]
    mean, error = mean_and_error(iter(groups))
    assert mean.tolist() == [4, 1e4]
    # variance ((-3)^2 + (-1)^2 + 4^2) / 2 = 13, of the mean 13 / 3
    assert error.tolist() == pytest.approx([np.sqrt(13 / 3), 0])


def test_a_constant_scan_is_named(toy: Classifier, scan) -> None:
    with pytest.raises(BadScan, match="constant"):
        SmoothGrad()(toy, [replace(scan, pixels=np.full_like(scan.pixels, 0.5))])


def test_bad_settings() -> None:
    with pytest.raises(BadInput, match="noise 0"):
        SmoothGrad(noise=0)
    with pytest.raises(BadInput, match="samples 0"):
        SmoothGrad(samples=0)


def test_no_seed_is_too_large_and_none_is_another_again() -> None:
    pixels = torch.zeros(1, 4, 4)
    first = [next(iter(noisy(pixels, 1.0, 1, seed))).pixels for seed in (0, 1, 2**32, 2**63, 2**64, 2**64 + 1)]
    assert len({tuple(each.flatten().tolist()) for each in first}) == 6
