from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whyscan.models import torchvision_shim
from whyscan.training.augment import ANGLE, affine, augment, jitter


@pytest.fixture
def batch() -> Tensor:
    return torch.rand((3, 2, 20, 31), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("flip", "angle", "scale", "right", "down"),
    [(False, 0.0, 1.0, 0.0, 0.0), (True, 0.0, 1.0, 0.0, 0.0), (False, 9.0, 1.0, 0.0, 0.0),
     (False, 0.0, 1.1, 0.0, 0.0), (False, 0.0, 1.0, 0.1, -0.05), (True, -7.0, 0.92, -0.05, 0.1)],
)  # fmt: skip
def test_affine_is_torchvisions(
    batch: Tensor, flip: bool, angle: float, scale: float, right: float, down: float
) -> None:
    torchvision_shim.ensure()
    from torchvision.transforms.v2 import InterpolationMode, functional

    n, _, height, width = batch.shape
    ours = affine(batch, torch.tensor([flip] * n), *(torch.full((n,), each) for each in (angle, scale, right, down)))
    mirrored = functional.horizontal_flip(batch) if flip else batch
    theirs = functional.affine(
        mirrored, angle=angle, translate=[right * width, down * height], scale=scale, shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


def test_each_scan_has_parameters_of_its_own(batch: Tensor) -> None:
    flips = torch.tensor([True, False, True])
    ones, zeros = torch.ones(3), torch.zeros(3)
    moved = affine(batch, flips, zeros, ones, zeros, zeros)
    torch.testing.assert_close(moved[0], batch[0].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1], batch[1], atol=1e-5, rtol=0)


def test_jitter_by_hand() -> None:
    pixels = torch.tensor([[[[0.2, 0.4]]], [[[0.0, 1.0]]]])
    out = jitter(pixels, torch.tensor([1.5, 1.0]), torch.tensor([2.0, 0.5]))
    # 0.3, 0.6: mean 0.45, doubled about it: 0.15, 0.75; and 0, 1 halved about 0.5
    torch.testing.assert_close(out, torch.tensor([[[[0.15, 0.75]]], [[[0.25, 0.75]]]]))


def test_the_generator_decides_everything(batch: Tensor) -> None:
    before = torch.get_rng_state()
    first, again, other = (augment(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.min() >= 0 and first.max() <= 1


def test_a_black_scan_stays_black_and_the_turns_are_small() -> None:
    assert not augment(torch.zeros(4, 1, 16, 16), torch.Generator().manual_seed(0)).any()
    assert ANGLE <= 15
