"""Keras's layers with weights as torch modules: one module is one Keras layer, and its output is that layer's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whyscan.models.keras.activations import Activation
from whyscan.models.keras.axes import inwards, outwards
from whyscan.models.keras.padding import NONE, Pair, padded, pads, slid


class Conv(nn.Module):
    """Convolution(s), with TensorFlow's padding, then the activation.

    A convolution is a module of its own inside, so that whoever looks for convolutions finds it; a separable one is
    two. The activation may work in place: nothing needs what came before it.
    """

    def __init__(
        self, conv: nn.Conv2d, pointwise: nn.Conv2d | None, same: bool, act: Activation | None, *, depthwise: bool
    ) -> None:
        super().__init__()
        self.conv, self.depthwise = conv, depthwise
        self.pointwise = pointwise
        self.act = nn.ReLU(inplace=True) if act is not None and act.kind == "relu" else act
        self.kind = act.kind if act is not None else "linear"
        # what is the same on both sides at every size is left to the convolution, which pads without a copy
        reach = [(k - 1) * d for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
        if same and conv.stride == (1, 1) and all(each % 2 == 0 for each in reach):
            conv.padding = (reach[0] // 2, reach[1] // 2)
            same = False
        self.same = same
        self.window = _two(conv.kernel_size), _two(conv.stride), _two(conv.dilation)

    def forward(self, x: Tensor) -> Tensor:
        margins = pads(x, *self.window) if self.same else NONE
        if x.is_meta and (shape := self._shape(x, margins)) is not None:
            return shape
        x = self.conv(padded(x, margins))
        if self.pointwise is not None:
            x = self.pointwise(x)
        return x if self.act is None or x.is_meta else self.act(x)

    def _shape(self, x: Tensor, margins: tuple[Pair, Pair]) -> Tensor | None:
        """Where the channels fit; where they do not torch is asked, and says so."""
        if x.ndim != 4 or x.shape[1] != self.conv.in_channels or isinstance(self.conv.padding, str):
            return None
        if self.pointwise is not None and self.pointwise.in_channels != self.conv.out_channels:
            return None
        (top, bottom), (left, right) = margins
        high, wide = self.conv.padding
        reach = ((top + high, bottom + high), (left + wide, right + wide))
        last = self.conv if self.pointwise is None else self.pointwise
        kernel, stride, dilation = self.window
        return slid(x, last.out_channels, kernel, stride, reach, dilation)


def _two(each: tuple[int, ...]) -> Pair:
    return each[0], each[1]


class Transpose(nn.Module):
    """Conv2DTranspose: the full one, cut (or filled with the bias) to Keras's size."""

    def __init__(self, conv: nn.ConvTranspose2d, same: bool, act: Activation | None) -> None:
        super().__init__()
        self.conv, self.same, self.act = conv, same, act

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        full = F.conv_transpose2d(x, conv.weight, None, conv.stride)
        for axis in (2, 3):
            kernel, stride = conv.kernel_size[axis - 2], conv.stride[axis - 2]
            extra = max(kernel - stride, 0)
            begin = extra // 2 if self.same else 0
            size = x.shape[axis] * stride + (0 if self.same else extra)
            if (short := begin + size - full.shape[axis]) > 0:
                full = F.pad(full, (0, 0, 0, short) if axis == 2 else (0, short))
            full = full.narrow(axis, begin, size)
        if conv.bias is not None:
            full = full + conv.bias.view(-1, 1, 1)
        return full if self.act is None else self.act(full)


class Dense(nn.Module):
    """On the last axis: of an image, its channels."""

    def __init__(self, linear: nn.Linear, act: Activation | None) -> None:
        super().__init__()
        self.linear, self.act = linear, act

    def forward(self, x: Tensor) -> Tensor:
        x = outwards(x)
        if x.is_meta and x.shape[-1] == self.linear.in_features:
            return inwards(x.new_empty(*x.shape[:-1], self.linear.out_features))
        x = inwards(self.linear(x))
        return x if self.act is None else self.act(x)


class LayerNorm(nn.Module):
    """On the last axis."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return inwards(F.layer_norm(outwards(x), self.weight.shape, self.weight, self.bias, self.epsilon))


class LayerScale(nn.Module):
    """ConvNeXt's factor for every channel."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.initial = initial
        self.gamma = nn.Parameter(torch.full((width,), initial))

    def reset_parameters(self) -> None:
        nn.init.constant_(self.gamma, self.initial)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.gamma.view(-1, 1, 1) if x.ndim == 4 else self.gamma)


class PReLU(nn.Module):
    """Slopes of the negative side, (c,), (c, 1, 1) or one for every place (c, h, w)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(shape))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.alpha)

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp_min(0) + self.alpha * x.clamp_max(0)


class Normalization(nn.Module):
    """(x - mean) / max(sqrt(variance), 1e-7), by channel; the numbers are the config's or the file's."""

    mean: Tensor
    variance: Tensor

    def __init__(self, mean: list[float] | None, variance: list[float] | None, width: int, invert: bool) -> None:
        super().__init__()
        self.given = (mean, variance) if mean is not None and variance is not None else None
        self.invert = invert
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def reset_parameters(self) -> None:
        for buffer, values in zip((self.mean, self.variance), self.given or ([0.0], [1.0]), strict=True):
            buffer.copy_(torch.tensor(values, dtype=torch.float32).expand_as(buffer))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, 1, 1) if x.ndim == 4 else (-1,)
        mean, deviation = self.mean.view(shape), self.variance.sqrt().clamp_min(1e-7).view(shape)
        return mean + x * deviation if self.invert else (x - mean) / deviation


def conv2d(inside: int, filters: int, kernel: Pair, stride: Pair, dilation: Pair, groups: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(inside, filters, kernel, stride, 0, dilation, groups, bias)
