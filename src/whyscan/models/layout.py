"""In which order of axes in memory a network runs fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def laid_out(network: nn.Module, pixels: Tensor) -> Tensor:
    """The same pixels (n, c, h, w) as the network likes them best. What it answers differs by rounding only."""
    return pixels.contiguous(memory_format=memory_format(network)) if pixels.device.type == "cpu" else pixels


def memory_format(network: nn.Module) -> torch.memory_format:
    """On a CPU depthwise convolutions run faster with channels last: Xception in three quarters of the time.

    A ResNet, which has none, gains nothing, nor does a ConvNeXt, which has layer norms and turns its axes itself.
    """
    parts = list(network.modules())
    depthwise = any(isinstance(part, nn.Conv2d) and part.groups == part.in_channels > 1 for part in parts)
    gains = depthwise and any(isinstance(part, nn.BatchNorm2d) for part in parts)
    return torch.channels_last if gains else torch.contiguous_format
