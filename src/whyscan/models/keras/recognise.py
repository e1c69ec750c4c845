"""Which architecture of keras.applications a network holds, by its layers' names, and what scales its pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from whyscan.models.keras.fill import layers
from whyscan.models.keras.network import KerasNetwork
from whyscan.models.keras.ops import Conv, Dense, Normalization
from whyscan.models.keras.plain import Arithmetic, Rescaling

_SIGNS = (
    ("Xception", r"block14_sepconv2"),
    ("VGG19", r"block5_conv4"),
    ("VGG16", r"block5_conv3"),
    ("InceptionV3", r"mixed10"),
    ("InceptionResNetV2", r"block8_10(_\w+)?"),
    ("NASNetLarge", r"normal_conv_1_18"),
    ("NASNetMobile", r"normal_conv_1_12"),
    ("DenseNet201", r"conv4_block48_concat"),
    ("DenseNet169", r"conv4_block32_concat"),
    ("DenseNet121", r"conv4_block24_concat"),
    ("ResNet152{}", r"conv4_block36_out"),
    ("ResNet101{}", r"conv4_block23_out"),
    ("ResNet50{}", r"conv4_block6_out"),
    ("MobileNetV2", r"block_16_project"),
    ("MobileNetV3Large", r"expanded_conv_14[_/]project"),
    ("MobileNetV3Small", r"expanded_conv_10[_/]project"),
    ("MobileNet", r"conv_pw_13"),
    ("EfficientNetV2", r"block6a_dwconv2"),
    ("EfficientNet", r"block7a_project_conv"),
    ("ConvNeXt", r"convnext_\w+_stage_3_block_0_depthwise_conv"),
)
PAPERS = {
    "Xception": "x/127.5-1", "InceptionV3": "x/127.5-1", "InceptionResNetV2": "x/127.5-1", "MobileNet": "x/127.5-1",
    "MobileNetV2": "x/127.5-1", "NASNetLarge": "x/127.5-1", "NASNetMobile": "x/127.5-1", "VGG16": "caffe",
    "VGG19": "caffe", "ResNet50": "caffe", "ResNet101": "caffe", "ResNet152": "caffe", "ResNet50V2": "x/127.5-1",
    "ResNet101V2": "x/127.5-1", "ResNet152V2": "x/127.5-1", "DenseNet121": "imagenet", "DenseNet169": "imagenet",
    "DenseNet201": "imagenet",
}  # fmt: skip
"""What keras.applications' own preprocess_input does, where it is not inside the graph."""


def architecture(names: Iterable[str]) -> str:
    """Its name in keras.applications, or "" for a network of one's own."""
    known = set(names)
    for name, sign in _SIGNS:
        if any(re.fullmatch(sign, each) for each in known):
            return name.format("V2" if "post_bn" in known else "")
    return ""


def scales_inside(network: KerasNetwork) -> str:
    """The name of a layer before the first weights that scales the pixels; "" where there is none."""
    for path, module in layers(network):
        if isinstance(module, Rescaling | Normalization | Arithmetic):
            return path[-1]
        if isinstance(module, Conv | Dense | nn.BatchNorm2d):
            return ""
    return ""
