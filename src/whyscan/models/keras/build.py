"""A module for every class of Keras layer that is known; a literal table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE
from whyscan.models.keras import plain
from whyscan.models.keras.activations import Activation, name_of
from whyscan.models.keras.arithmetic import OPERATIONS, operation
from whyscan.models.keras.axes import axis
from whyscan.models.keras.fields import Spec
from whyscan.models.keras.ops import Conv, Dense, LayerNorm, LayerScale, Normalization, PReLU, Transpose, conv2d
from whyscan.models.keras.padding import average_pool, max_pool, padded
from whyscan.models.keras.plain import Apply

Builder = Callable[[Spec], nn.Module]


def build(spec: Spec) -> nn.Module:
    """The module of one layer.

    Raises:
        BadModel: an unknown class, or arguments that it cannot have.
    """
    if builder := BUILDERS.get(spec.kind):
        # an operation of Keras 3 may have a layer's name; only layers can be trainable, or not
        if spec.kind in OPERATIONS and "trainable" not in spec.config and not spec.config.keys() & {"target_shape"}:
            return operation(spec)
        return builder(spec)
    if spec.kind.startswith("Random") and spec.kind in AUGMENTATION:
        return nn.Identity()
    if spec.kind in OPERATIONS or spec.kind in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"):
        return operation(spec)
    came = f"layer {spec.name!r} is of the class {spec.kind}, which is not known"
    if spec.kind == "Lambda":
        came = f"layer {spec.name!r} is a Lambda: code, which is never run"
    raise BadModel(came, f"one of {', '.join(sorted(BUILDERS))}",
                   f"export the model without it, or {FROM_OUTSIDE}")  # fmt: skip


def _conv(spec: Spec) -> nn.Module:
    spec.image()
    groups = spec.count("groups", 1)
    filters = spec.count("filters")
    if spec.width % groups or filters % groups:
        raise spec.bad("groups", f"a divisor of {spec.width} and {filters}")
    conv = conv2d(spec.width, filters, spec.pair("kernel_size"), spec.pair("strides", 1), spec.pair("dilation_rate", 1),
                  groups, spec.flag("use_bias", True))  # fmt: skip
    return Conv(conv, None, spec.same(), spec.act(), depthwise=False)


def _depthwise(spec: Spec) -> nn.Module:
    spec.image()
    filters = spec.width * spec.count("depth_multiplier", 1)
    conv = conv2d(spec.width, filters, spec.pair("kernel_size"), spec.pair("strides", 1), spec.pair("dilation_rate", 1),
                  spec.width, spec.flag("use_bias", True))  # fmt: skip
    return Conv(conv, None, spec.same(), spec.act(), depthwise=True)


def _separable(spec: Spec) -> nn.Module:
    spec.image()
    middle = spec.width * spec.count("depth_multiplier", 1)
    conv = conv2d(spec.width, middle, spec.pair("kernel_size"), spec.pair("strides", 1), spec.pair("dilation_rate", 1),
                  spec.width, False)  # fmt: skip
    pointwise = nn.Conv2d(middle, spec.count("filters"), 1, bias=spec.flag("use_bias", True))
    return Conv(conv, pointwise, spec.same(), spec.act(), depthwise=True)


def _transpose(spec: Spec) -> nn.Module:
    spec.image()
    if spec.config.get("output_padding") is not None:
        raise spec.bad("output_padding", "None")
    if spec.pair("dilation_rate", 1) != (1, 1):
        raise spec.bad("dilation_rate", "1")
    conv = nn.ConvTranspose2d(spec.width, spec.count("filters"), spec.pair("kernel_size"), spec.pair("strides", 1),
                              bias=spec.flag("use_bias", True))  # fmt: skip
    return Transpose(conv, spec.same(), spec.act())


def _dense(spec: Spec) -> nn.Module:
    return Dense(nn.Linear(spec.width, spec.count("units"), spec.flag("use_bias", True)), spec.act())


def _batch_norm(spec: Spec) -> nn.Module:
    spec.last_axis()
    if spec.rank not in (2, 4):
        raise spec.bad("axis", "an image or a vector")
    kind = nn.BatchNorm2d if spec.rank == 4 else nn.BatchNorm1d
    norm = kind(spec.width, eps=spec.number("epsilon", 1e-3), momentum=1 - spec.number("momentum", 0.99))
    norm.weight.requires_grad_(spec.flag("scale", True))
    norm.bias.requires_grad_(spec.flag("center", True))
    return norm


def _layer_norm(spec: Spec) -> nn.Module:
    spec.last_axis()
    if spec.flag("rms_scaling", False):
        raise spec.bad("rms_scaling", "false")
    norm = LayerNorm(spec.width, spec.number("epsilon", 1e-3))
    norm.weight.requires_grad_(spec.flag("scale", True))
    norm.bias.requires_grad_(spec.flag("center", True))
    return norm


def _normalization(spec: Spec) -> nn.Module:
    axes = spec.config.get("axis", -1)
    axes = list(axes) if isinstance(axes, list | tuple) else [axes]
    if axes not in ([-1], [spec.rank - 1], [], [None]):
        raise spec.bad("axis", "the last one, the channels, or None")
    mean, variance = spec.numbers("mean"), spec.numbers("variance")
    width = 1 if axes in ([], [None]) else spec.width
    if any(each is not None and len(each) not in (1, width) for each in (mean, variance)):
        raise spec.bad("mean", f"1 or {width} numbers")
    return Normalization(mean, variance, width, spec.flag("invert", False))


def _rescaling(spec: Spec) -> nn.Module:
    scale, offset = spec.numbers("scale"), spec.numbers("offset", 0.0)
    if scale is None or offset is None or any(len(each) not in (1, spec.width) for each in (scale, offset)):
        raise spec.bad("scale", f"1 or {spec.width} numbers")
    return plain.Rescaling(scale, offset)


def _activation(spec: Spec) -> nn.Module:
    return Activation(name_of(spec.config.get("activation"), spec.name), spec.name, keras2=spec.keras2)


def _softmax(spec: Spec) -> nn.Module:
    axes = spec.config.get("axis", -1)
    axes = list(axes) if isinstance(axes, list | tuple) else [axes]
    if axes not in ([-1], [spec.rank - 1]):
        raise spec.bad("axis", "the last one")
    return Activation("softmax", spec.name)


def _relu(spec: Spec) -> nn.Module:
    limit, slope = spec.optional("max_value"), spec.optional("negative_slope")
    slope = 0.0 if slope is None else slope
    return Apply(plain.relu(limit, slope, spec.optional("threshold") or 0.0))


def _leaky(spec: Spec) -> nn.Module:
    slope = spec.number("negative_slope" if "negative_slope" in spec.config else "alpha", 0.3)
    return Apply(lambda x: F.leaky_relu(x, slope))


def _elu(spec: Spec) -> nn.Module:
    alpha = spec.number("alpha", 1.0)
    return Apply(lambda x: F.elu(x, alpha))


def _prelu(spec: Spec) -> nn.Module:
    """Keras's shared_axes count from 1 and from the left: [1, 2] are the height and the width of an image."""
    shared = {axis(int(each), spec.rank, spec.name) for each in spec.config.get("shared_axes") or []}
    return PReLU(tuple(1 if i in shared else size for i, size in enumerate(spec.shapes[0]) if i > 0))


def _drop(spec: Spec) -> nn.Module:
    rate = spec.number("rate", 0.0)
    if not 0 <= rate < 1:
        raise spec.bad("rate", "at least 0 and less than 1")
    shape = spec.config.get("noise_shape")
    if shape is None:
        return nn.Dropout(rate)
    if not isinstance(shape, list | tuple) or len(shape) != spec.rank:
        raise spec.bad("noise_shape", f"{spec.rank} sizes")
    shared = [each == 1 for each in shape]
    return plain.Drop(rate, [shared[0], shared[3], shared[1], shared[2]] if spec.rank == 4 else shared)


def _spatial_drop(spec: Spec) -> nn.Module:
    return plain.Drop(spec.number("rate", 0.0), [i >= 2 for i in range(spec.rank)])


def _depth(spec: Spec) -> nn.Module:
    rate = spec.number("drop_path_rate" if "drop_path_rate" in spec.config else "rate", 0.0)
    return plain.Drop(rate, [i >= 1 for i in range(spec.rank)])


def _noise(spec: Spec) -> nn.Module:
    if spec.kind == "GaussianNoise":
        return plain.Noise(spec.number("stddev", 0.0), factor=False)
    rate = spec.number("rate", 0.0)
    return plain.Noise((rate / (1 - rate)) ** 0.5 if 0 <= rate < 1 else 0.0, factor=True)


def _pool(spec: Spec, function: Callable[..., Tensor]) -> nn.Module:
    spec.image()
    kernel = spec.pair("pool_size", 2)
    stride = kernel if spec.config.get("strides") is None else spec.pair("strides")
    return Apply(partial(function, kernel=kernel, stride=stride, fill=spec.same()))


def _global(spec: Spec, function: Callable[..., Tensor]) -> nn.Module:
    spec.image()
    keep = spec.flag("keepdims", False)

    def over_places(x: Tensor) -> Tensor:
        if x.is_meta and x.ndim == 4:  # as in `slid`
            return x.new_empty(*x.shape[:2], *((1, 1) if keep else ()))
        return function(x, dim=(2, 3), keepdim=keep)

    return Apply(over_places)


def _pad(spec: Spec) -> nn.Module:
    spec.image()
    return Apply(partial(padded, margins=spec.margins("padding")))


def _crop(spec: Spec) -> nn.Module:
    spec.image()
    (top, bottom), (left, right) = spec.margins("cropping")
    return Apply(lambda x: x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right])


def _upsample(spec: Spec) -> nn.Module:
    spec.image()
    height, width = spec.pair("size", 2)
    mode = spec.choice("interpolation", "nearest", ("nearest", "bilinear"))
    corners = {"align_corners": False} if mode == "bilinear" else {}
    return Apply(lambda x: F.interpolate(x, (x.shape[2] * height, x.shape[3] * width), mode=mode, **corners))


def _resize(spec: Spec) -> nn.Module:
    spec.image()
    if spec.flag("crop_to_aspect_ratio", False) or spec.flag("pad_to_aspect_ratio", False):
        raise spec.bad("crop_to_aspect_ratio", "false")
    size = spec.count("height"), spec.count("width")
    mode = spec.choice("interpolation", "bilinear", ("nearest", "bilinear"))
    if mode == "nearest":
        return Apply(lambda x: F.interpolate(x, size, mode="nearest-exact"))
    return Apply(lambda x: F.interpolate(x, size, mode="bilinear", align_corners=False))


def _reshape(spec: Spec) -> nn.Module:
    shape = spec.config.get("target_shape")
    if not isinstance(shape, list | tuple) or not all(isinstance(each, int) for each in shape):
        raise spec.bad("target_shape", "whole numbers")
    return Apply(plain.reshape(shape), passes=True)


def _permute(spec: Spec) -> nn.Module:
    dims = spec.config.get("dims")
    if not isinstance(dims, list | tuple) or sorted(map(str, dims)) != [str(i) for i in range(1, spec.rank)]:
        raise spec.bad("dims", f"every number of 1 to {spec.rank - 1} once")
    return Apply(plain.permute(dims))


def _concatenate(spec: Spec) -> nn.Module:
    number = spec.config.get("axis", -1)
    if not isinstance(number, int):
        raise spec.bad("axis", "a whole number")
    return plain.Join(number, spec.name)


def _dot(spec: Spec) -> nn.Module:
    axes = spec.config.get("axes", -1)
    first, second = axes if isinstance(axes, list | tuple) and len(axes) == 2 else (axes, axes)
    return plain.Merge(plain.dot((int(first), int(second)), spec.flag("normalize", False)))


def _scaled(spec: Spec) -> nn.Module:
    return plain.Scaled(spec.number("scale", 1.0))


def _scale(spec: Spec) -> nn.Module:
    return LayerScale(spec.width, spec.number("init_values", 1e-6))


def _identity(_spec: Spec) -> nn.Module:
    return nn.Identity()


def _flatten(spec: Spec) -> nn.Module:
    if spec.config.get("data_format") == "channels_first":
        raise spec.bad("data_format", "channels_last")
    return Apply(plain.flatten, passes=True)


def _merge(function: Callable[[Tensor, Tensor], Tensor], *, mean: bool = False) -> Builder:
    return lambda _spec: plain.Merge(function, mean=mean)


AUGMENTATION = frozenset(
    f"Random{each}"
    for each in (
        "Flip", "Rotation", "Zoom", "Translation", "Contrast", "Brightness", "Crop", "Height", "Width", "Hue",
        "Saturation", "Sharpness", "Shear", "Grayscale", "Invert", "Posterization", "ColorJitter",
        "ColorDegeneration", "Perspective", "GaussianBlur", "ElasticTransform", "Erasing",
    )
)  # fmt: skip
"""Active in training only; here never."""

BUILDERS: Mapping[str, Builder] = MappingProxyType(
    {
        "Conv2D": _conv, "Convolution2D": _conv, "DepthwiseConv2D": _depthwise, "SeparableConv2D": _separable,
        "SeparableConvolution2D": _separable, "Conv2DTranspose": _transpose, "Dense": _dense,
        "BatchNormalization": _batch_norm, "BatchNormalizationV1": _batch_norm, "BatchNormalizationV2": _batch_norm,
        "SyncBatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "Normalization": _normalization,
        "Rescaling": _rescaling, "Activation": _activation, "Softmax": _softmax, "ReLU": _relu, "LeakyReLU": _leaky,
        "ELU": _elu, "PReLU": _prelu, "LayerScale": _scale,
        "Dropout": _drop, "SpatialDropout2D": _spatial_drop, "AlphaDropout": _drop, "StochasticDepth": _depth,
        "FixedDropout": _drop, "GaussianNoise": _noise, "GaussianDropout": _noise,
        "MaxPooling2D": partial(_pool, function=max_pool), "MaxPool2D": partial(_pool, function=max_pool),
        "AveragePooling2D": partial(_pool, function=average_pool), "AvgPool2D": partial(_pool, function=average_pool),
        "GlobalAveragePooling2D": partial(_global, function=torch.mean),
        "GlobalMaxPooling2D": partial(_global, function=torch.amax),
        "GlobalAvgPool2D": partial(_global, function=torch.mean),
        "GlobalMaxPool2D": partial(_global, function=torch.amax),
        "ZeroPadding2D": _pad, "Cropping2D": _crop, "UpSampling2D": _upsample, "Resizing": _resize,
        "Flatten": _flatten, "Reshape": _reshape, "Permute": _permute,
        "Add": _merge(torch.add), "Subtract": _merge(torch.sub), "Multiply": _merge(torch.mul),
        "Average": _merge(torch.add, mean=True), "Maximum": _merge(torch.maximum), "Minimum": _merge(torch.minimum),
        "Concatenate": _concatenate, "Dot": _dot, "CustomScaleLayer": _scaled,
        "ActivityRegularization": _identity, "Identity": _identity,
    }
)  # fmt: skip
