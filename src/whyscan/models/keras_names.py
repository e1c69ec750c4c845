"""The names that keras.applications gives to the convolutions of an architecture that timm has too.

Each rule below was compared with Keras 3.15: every alias names a layer of that model with the same kernel and the
same number of channels. Names such as `conv2d_93` are those of the first model built in a session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import ascii_lowercase
from types import MappingProxyType

Rule = Callable[[Sequence[str]], Iterable[tuple[str, str]]]
"""timm's names of an architecture's convolutions, shallow to deep -> (timm's name, Keras's name)."""


def keras_names(architecture: str, names: Sequence[str]) -> dict[str, str]:
    """Keras's names by timm's, for as many layers as are certain; empty for an architecture that Keras has not.

    Args:
        architecture: timm's name, with or without a tag.
        names: of the convolutions, in order of execution.
    """
    base = architecture.split(".")[0]
    rule = next((rule for pattern, rule in _RULES.items() if re.fullmatch(pattern, base)), None)
    return dict(rule(names)) if rule else {}


def _xception(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    skips = 0
    fixed = {
        "conv1": "block1_conv1",
        "conv2": "block1_conv2",
        "conv3.pointwise": "block14_sepconv1",
        "conv4.pointwise": "block14_sepconv2",
    }
    for name in names:
        if name in fixed:
            yield name, fixed[name]
        elif found := re.fullmatch(r"block(\d+)\.rep\.(\d+)\.pointwise", name):
            # timm's block 1 is Keras's block 2; a unit of `rep` is (ReLU,) convolution, normalisation.
            yield name, f"block{int(found[1]) + 1}_sepconv{int(found[2]) // 3 + 1}"
        elif re.fullmatch(r"block\d+\.skip", name):
            yield name, _counted("conv2d", skips)
            skips += 1


def _vgg(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    block, number, before = 1, 0, 0
    for name in names:
        if found := re.fullmatch(r"features\.(\d+)", name):
            position = int(found[1])
            # convolution, ReLU, convolution is a step of 2; a pooling between them, the end of a block, makes it 3.
            block, number = (block + 1, 1) if position - before > 2 else (block, number + 1)
            before = position
            yield name, f"block{block}_conv{number}"


def _resnet(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        if name == "conv1":
            yield name, "conv1_conv"
        elif found := re.fullmatch(r"layer(\d)\.(\d+)\.(?:conv(\d)|downsample\.0)", name):
            yield name, f"conv{int(found[1]) + 1}_block{int(found[2]) + 1}_{found[3] or 0}_conv"


def _densenet(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        if name == "features.conv0":
            yield name, "conv1_conv"
        elif found := re.fullmatch(r"features\.denseblock(\d)\.denselayer(\d+)\.conv(\d)", name):
            yield name, f"conv{int(found[1]) + 1}_block{found[2]}_{found[3]}_conv"
        elif found := re.fullmatch(r"features\.transition(\d)\.conv", name):
            yield name, f"pool{int(found[1]) + 1}_conv"


def _mobilenet(stem: str, top: str, first: str, later: str) -> Rule:
    parts = {"conv_pw": "expand", "conv_dw": "depthwise", "conv_pwl": "project"}

    def rule(names: Sequence[str]) -> Iterable[tuple[str, str]]:
        blocks: list[str] = []
        for name in names:
            block, _, part = name.rpartition(".")
            if name == "conv_stem":
                yield name, stem
            elif part in ("conv_head", "conv"):
                yield name, top
            elif part in parts and block.startswith("blocks."):
                if block not in blocks:
                    blocks.append(block)
                number = blocks.index(block)
                # The first block does not expand: its pointwise convolution is the projection.
                kind = "project" if number == 0 and part == "conv_pw" else parts[part]
                yield name, f"{later.format(number) if number else first}_{kind}"

    return rule


def _efficientnet(depthwise: str) -> Rule:
    parts = {"conv_pw": "expand_conv", "conv_exp": "expand_conv", "conv_dw": depthwise, "conv_pwl": "project_conv"}

    def rule(names: Sequence[str]) -> Iterable[tuple[str, str]]:
        for name in names:
            if name in ("conv_stem", "conv_head"):
                yield name, {"conv_stem": "stem_conv", "conv_head": "top_conv"}[name]
            elif found := re.fullmatch(r"blocks\.(\d)\.(\d+)\.(conv\w*)", name):
                stage, block, part = int(found[1]), int(found[2]), found[3]
                # The blocks of stage 0 do not expand: their pointwise (or only) convolution is the projection.
                kind = "project_conv" if stage == 0 and part in ("conv_pw", "conv") else parts[part]
                yield name, f"block{stage + 1}{ascii_lowercase[block]}_{kind}"

    return rule


def _inception_v3(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Keras numbers them as it builds them, which is the order in which timm computes them."""
    return ((name, _counted("conv2d", number)) for number, name in enumerate(names))


def _inception_resnet(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    blocks = {"repeat": "block35", "repeat_1": "block17", "repeat_2": "block8"}
    numbered = 0
    for name in names:
        if found := re.fullmatch(r"(repeat\w*)\.(\d+)\.conv2d", name):
            yield name, f"{blocks[found[1]]}_{int(found[2]) + 1}_conv"
        elif name in ("block8.conv2d", "conv2d_7b.conv"):
            yield name, {"block8.conv2d": "block8_10_conv", "conv2d_7b.conv": "conv_7b"}[name]
        else:
            yield name, _counted("conv2d", numbered)
            numbered += 1


def _convnext_tiny(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        if found := re.fullmatch(r"stages\.(\d)\.blocks\.(\d+)\.conv_dw", name):
            yield name, f"convnext_tiny_stage_{found[1]}_block_{found[2]}_depthwise_conv"


def _counted(stem: str, number: int) -> str:
    return f"{stem}_{number}" if number else stem


_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "legacy_xception": _xception,
        "vgg(16|19)": _vgg,
        "resnet(50|101|152)": _resnet,
        "densenet(121|169|201)": _densenet,
        r"mobilenetv2_\d+": _mobilenet("Conv1", "Conv_1", "expanded_conv", "block_{}"),
        r"(tf_)?mobilenetv3_large_\d+": _mobilenet("conv", "conv_1", "expanded_conv", "expanded_conv_{}"),
        r"(tf_)?efficientnet_b[0-7]": _efficientnet("dwconv"),
        r"(tf_)?efficientnetv2_s": _efficientnet("dwconv2"),
        "inception_v3": _inception_v3,
        "inception_resnet_v2": _inception_resnet,
        "convnext_tiny": _convnext_tiny,
    }
)
