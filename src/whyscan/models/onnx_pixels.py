"""How an ONNX graph wants its pixels, as far as the graph and its producer tell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from whyscan.models.adopt import Scaling, guess
from whyscan.models.onnx_check import onnx_packages
from whyscan.models.preprocess import IMAGENET, RAW, UNIT

_PASSED = ("Cast", "Identity", "Transpose")
_STEPS, _NUMBERS = 8, 3
_FAR, _MUCH = 2.0, 20.0
"""A pixel in [0, 1] is never shifted so far, nor divided by so much; one in 0..255 is."""


def usual_scaling(model: Any, taken: str, layout: str, channels: int) -> Scaling:
    """What "auto" means: 0..255 where the graph itself begins with a scaling of such pixels; else a guess.

    Of graphs that come from Keras the guess is /255, and of those for grey images, since ImageNet's means are those of
    colours; of others it is ImageNet's.

    Args:
        model: a checked onnx.ModelProto.
        taken: the name of its input.
        layout: "nchw" or "nhwc".
        channels: of its input.
    """
    if step := _scales_inside(model, taken):
        return Scaling(RAW, f"0..255: the graph scales them itself ({step})")
    if layout == "nhwc" or re.search("keras|tf2onnx|tensorflow", model.producer_name, re.IGNORECASE):
        return guess(UNIT, "the graph comes from Keras or TensorFlow, where most people train on pixels / 255")
    if channels == 1:
        return guess(UNIT, "networks for grey images are mostly trained on pixels / 255")
    return guess(IMAGENET, "most networks of PyTorch begin from weights trained with it")


def _scales_inside(model: Any, taken: str) -> str:
    """The first step that computes on the image, where it is arithmetic on pixels of 0..255; else ""."""
    for _ in range(_STEPS):  # a damaged graph may go round in a circle
        users = [node for node in model.graph.node if taken in node.input]
        if len(users) != 1 or not users[0].output:
            return ""
        if users[0].op_type not in _PASSED:
            return _scale(users[0], taken, dict(_constants(model)))
        taken = users[0].output[0]
    return ""


def _scale(node: Any, taken: str, constants: Mapping[str, np.ndarray]) -> str:
    """The node's name where it is arithmetic with a number for pixels of 0..255; else ""."""
    turned = node.input[0] != taken
    value = constants.get(node.input[0] if turned else node.input[-1])
    if value is None or not value.size or (turned and node.op_type not in ("Mul", "Add")):
        return ""
    size = float(np.abs(value).max())
    large = {"Mul": 0 < size < 1 / _MUCH, "Div": size > _MUCH, "Sub": size > _FAR, "Add": size > _FAR}
    return (node.name or node.op_type) if large.get(node.op_type, False) else ""


def _constants(model: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Of at most three numbers, by name: initialisers, and what nodes of the kind Constant make."""
    made = [(node.output[0], attribute.t) for node in model.graph.node if node.op_type == "Constant" and node.output
            for attribute in node.attribute if attribute.name == "value"]  # fmt: skip
    for name, tensor in (*((each.name, each) for each in model.graph.initializer), *made):
        if math.prod(tensor.dims) > _NUMBERS:
            continue
        try:
            value = onnx_packages()[0].numpy_helper.to_array(tensor)
        except Exception:  # damaged: onnxruntime and `convert` say what is wrong with it
            continue
        if value.dtype.kind in "fiu":
            yield name, np.asarray(value)
