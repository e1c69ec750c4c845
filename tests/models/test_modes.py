from __future__ import annotations

import pytest
import torch
from torch import nn

from whyscan.models.modes import evaluating, plain_float32


def test_evaluating_puts_each_module_back_whatever_is_raised() -> None:
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3)).train()
    network[1].eval()
    with pytest.raises(KeyboardInterrupt), evaluating(network):
        assert not any(module.training for module in network.modules())
        raise KeyboardInterrupt
    assert network.training and network[0].training and not network[1].training


def test_no_autocast_is_left_inside() -> None:
    convolution, pixels = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert convolution(pixels).dtype == torch.bfloat16
        with plain_float32("cpu"):
            assert convolution(pixels).dtype == torch.float32


def test_a_graphics_card_keeps_all_bits_of_its_convolutions() -> None:
    """The switch can be looked at without a card; it stays as it was outside."""
    before = torch.backends.cudnn.allow_tf32
    with plain_float32("cuda:0"):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_device_that_knows_no_autocast_is_let_pass() -> None:
    with plain_float32("meta"):
        assert nn.Conv2d(3, 4, 3, device="meta")(torch.rand(1, 3, 8, 8, device="meta")).dtype == torch.float32
