"""The expected names were printed by Keras 3.15, by the `layers` of keras.applications.X(weights=None)."""

import pytest
import torch

from whyscan.models.backbones import BACKBONES, make_network
from whyscan.models.keras_names import keras_names
from whyscan.models.layers import find_layers


def _layers(key):
    entry = BACKBONES[key]
    about = {"architecture": entry.architecture, "arguments": {}, "head": "linear"}
    about |= {"mean": entry.normalisation.mean, "std": entry.normalisation.std}
    with torch.device("meta"):  # shapes only: no memory, no arithmetic
        network = make_network(about, (entry.input_size,) * 2, ["a", "b"])
        return find_layers(network, (entry.input_size,) * 2, entry.architecture)


@pytest.mark.parametrize(
    ("key", "count", "pairs"),
    [
        ("xception", 40, {
            "conv1": "block1_conv1", "block1.rep.0.pointwise": "block2_sepconv1",
            "block1.rep.3.pointwise": "block2_sepconv2", "block1.skip": "conv2d",
            "block2.rep.1.pointwise": "block3_sepconv1", "block3.skip": "conv2d_2",
            "block4.rep.7.pointwise": "block5_sepconv3", "block12.rep.4.pointwise": "block13_sepconv2",
            "block12.skip": "conv2d_3", "conv3.pointwise": "block14_sepconv1", "conv4.pointwise": "block14_sepconv2",
        }),
        ("vgg16", 13, {"features.0": "block1_conv1", "features.2": "block1_conv2", "features.5": "block2_conv1",
                       "features.24": "block5_conv1", "features.28": "block5_conv3"}),
        ("vgg19", 16, {"features.34": "block5_conv4", "features.10": "block3_conv1", "features.16": "block3_conv4"}),
        ("resnet50", 53, {"conv1": "conv1_conv", "layer1.0.downsample.0": "conv2_block1_0_conv",
                          "layer4.2.conv3": "conv5_block3_3_conv"}),
        ("resnet101", 104, {"layer3.22.conv2": "conv4_block23_2_conv"}),
        ("densenet121", 120, {"features.conv0": "conv1_conv", "features.transition1.conv": "pool2_conv",
                              "features.denseblock4.denselayer16.conv2": "conv5_block16_2_conv"}),
        ("mobilenetv2_100", 52, {
            "conv_stem": "Conv1", "blocks.0.0.conv_dw": "expanded_conv_depthwise",
            "blocks.0.0.conv_pw": "expanded_conv_project", "blocks.1.0.conv_pw": "block_1_expand",
            "blocks.2.0.conv_dw": "block_3_depthwise", "blocks.6.0.conv_pwl": "block_16_project",
            "conv_head": "Conv_1",
        }),
        ("mobilenetv3_large", 46, {"conv_stem": "conv", "blocks.5.2.conv_pwl": "expanded_conv_14_project",
                                   "blocks.6.0.conv": "conv_1"}),
        ("inception_v3", 94, {"Conv2d_1a_3x3.conv": "conv2d", "Mixed_5b.branch1x1.conv": "conv2d_5",
                              "Mixed_7c.branch_pool.conv": "conv2d_93"}),
        ("inception_resnet_v2", 244, {"repeat.0.conv2d": "block35_1_conv", "repeat_1.19.conv2d": "block17_20_conv",
                                      "block8.conv2d": "block8_10_conv", "conv2d_7b.conv": "conv_7b"}),
        ("efficientnet_b0", 49, {"conv_stem": "stem_conv", "blocks.0.0.conv_dw": "block1a_dwconv",
                                 "blocks.0.0.conv_pw": "block1a_project_conv",
                                 "blocks.1.1.conv_pw": "block2b_expand_conv",
                                 "blocks.6.0.conv_pwl": "block7a_project_conv", "conv_head": "top_conv"}),
        ("efficientnetv2_s", 110, {"blocks.0.1.conv": "block1b_project_conv",
                                   "blocks.1.0.conv_exp": "block2a_expand_conv",
                                   "blocks.5.14.conv_dw": "block6o_dwconv2"}),
        ("convnext_tiny", 22, {"stages.2.blocks.8.conv_dw": "convnext_tiny_stage_2_block_8_depthwise_conv"}),
    ],
)  # fmt: skip
def test_names_as_keras_prints_them(key, count, pairs):
    layers = _layers(key)
    assert len(layers) == count
    found = {layer.name: layer.alias for layer in layers}
    assert {name: found[name] for name in pairs} == pairs
    aliases = [layer.alias for layer in layers if layer.alias]
    assert len(set(aliases)) == len(aliases)
    assert key == "convnext_tiny" or len(aliases) == count


@pytest.mark.parametrize("architecture", ["", "vgg16_bn", "resnet50d", "vit_small_patch16_224", "nasnetalarge"])
def test_an_architecture_that_keras_has_not_gets_no_aliases(architecture):
    assert keras_names(architecture, ["conv1", "features.0", "conv_stem"]) == {}


def test_a_tag_changes_nothing():
    assert keras_names("resnet50.tv_in1k", ["conv1"]) == {"conv1": "conv1_conv"}
