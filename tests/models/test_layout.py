from __future__ import annotations

import pytest
import torch
from torch import nn

from whyscan.models.backbones import build
from whyscan.models.layout import laid_out, memory_format


def network(groups: int, norm: type[nn.Module] = nn.BatchNorm2d) -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 3, groups=groups), norm(4) if norm is nn.BatchNorm2d else norm())


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (network(4), torch.channels_last),
        (network(1), torch.contiguous_format),
        (network(2), torch.contiguous_format),
        (network(4, nn.Identity), torch.contiguous_format),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), torch.contiguous_format),
    ],
)
def test_depthwise_convolutions_with_batch_norms_want_channels_last(one, expected) -> None:
    assert memory_format(one) == expected
    pixels = torch.rand(2, 4, 8, 8)
    laid = laid_out(one, pixels)
    assert laid.is_contiguous(memory_format=expected)
    torch.testing.assert_close(laid, pixels, rtol=0, atol=0)


def test_answers_differ_by_rounding_only() -> None:
    mobile = build("mobilenetv2_035", "none", ("a", "b")).network
    pixels = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(mobile(laid_out(mobile, pixels)), mobile(pixels), rtol=1e-4, atol=1e-5)
