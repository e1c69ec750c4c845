"""TensorFlow's "same" padding, which depends on the input's size and puts the odd pixel at the end."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

Pair = tuple[int, int]


def same(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """(before, after): so many that the output has ceil(size / stride) places.

    >>> same(5, 3, 2), same(4, 3, 2), same(4, 2, 1), same(7, 1, 2)
    ((1, 1), (0, 1), (0, 1), (0, 0))
    """
    reach = (kernel - 1) * dilation + 1
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def pads(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> tuple[Pair, Pair]:
    """(top, bottom), (left, right) for an image (n, c, h, w)."""
    height, width = (same(x.shape[2 + i], kernel[i], stride[i], dilation[i]) for i in range(2))
    return height, width


def padded(x: Tensor, margins: tuple[Pair, Pair], value: float = 0.0) -> Tensor:
    (top, bottom), (left, right) = margins
    return F.pad(x, (left, right, top, bottom), value=value) if top or bottom or left or right else x


NONE: tuple[Pair, Pair] = ((0, 0), (0, 0))


def slid(
    x: Tensor, channels: int, kernel: Pair, stride: Pair, margins: tuple[Pair, Pair] = NONE, dilation: Pair = (1, 1)
) -> Tensor | None:
    """On the meta device, the shape that a window which slides over an image makes of it.

    Torch is not asked, because it would import its symbolic shapes for that, and with them sympy: a second.

    Returns:
        None where torch has to be asked after all: for numbers, or for what does not fit, which it refuses.
    """
    if not x.is_meta or x.ndim != 4:
        return None
    sizes = [
        (x.shape[2 + i] + sum(margins[i]) - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in range(2)
        if stride[i] > 0
    ]
    return x.new_empty(x.shape[0], channels, *sizes) if len(sizes) == 2 and min(sizes) > 0 else None


def _even(margins: tuple[Pair, Pair]) -> bool:
    return all(before == after for before, after in margins)


def max_pool(x: Tensor, kernel: Pair, stride: Pair, *, fill: bool) -> Tensor:
    """The largest of each window; padding never wins.

    Args:
        fill: "same" padding.
    """
    margins = pads(x, kernel, stride) if fill else NONE
    if (shape := slid(x, x.shape[1], kernel, stride, margins)) is not None:
        return shape
    if _even(margins):
        return F.max_pool2d(x, kernel, stride, (margins[0][0], margins[1][0]))
    return F.max_pool2d(padded(x, margins, -math.inf), kernel, stride)


def average_pool(x: Tensor, kernel: Pair, stride: Pair, *, fill: bool) -> Tensor:
    """The mean of each window's own pixels: padding is not counted."""
    margins = pads(x, kernel, stride) if fill else NONE
    if (shape := slid(x, x.shape[1], kernel, stride, margins)) is not None:
        return shape
    if _even(margins):
        return F.avg_pool2d(x, kernel, stride, (margins[0][0], margins[1][0]), count_include_pad=False)
    inside = padded(x.new_ones(1, 1, *x.shape[2:]), margins)
    return F.avg_pool2d(padded(x, margins), kernel, stride) / F.avg_pool2d(inside, kernel, stride)
