"""From a Keras config, with or without weights, to a torch network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from whyscan.errors import BadModel
from whyscan.models.keras.fill import fill, reset
from whyscan.models.keras.head import unhead
from whyscan.models.keras.network import KerasNetwork, assemble
from whyscan.models.keras.spec import LayerPath, Variables

Shape = tuple[int | None, int | None, int | None]


def network_of(
    config: Mapping[str, Any],
    weights: Mapping[LayerPath, Variables] | None = None,
    *,
    version: str = "",
    input_size: tuple[int, int] | None = None,
) -> KerasNetwork:
    """The network that a config describes: images (n, c, h, w), as its graph wants them, -> logits (n, k).

    Args:
        config: `KerasFile.config`.
        weights: `KerasFile.weights`; None for a network to be trained, or to be given a state dict.
        version: of the Keras that wrote it: the hard sigmoid changed with Keras 3.
        input_size: (height, width) where the config leaves them open.

    Returns:
        In eval mode. `answer` says which activation was taken off its end.

    Raises:
        BadModel: an unknown layer, a graph that does not fit together, weights that do not fit, no size.
    """
    height, width, channels = input_shape(config)
    if input_size is not None:
        height, width = input_size
    if channels is None or height is None or width is None:
        raise BadModel("the model takes images of any size", "one size", "say it: input_size=224 (--input-size 224)")
    image = torch.empty(1, channels, height, width, device="meta")
    network, made = assemble(config, [image], keras2=version[:2] not in ("3.", "4."))
    if len(made) != 1:
        raise BadModel(f"the model has {len(made)} outputs", "one, the scores", "save a model with one output")
    if made[0].ndim != 2:
        raise BadModel(f"the model answers with {made[0].ndim} axes: {tuple(made[0].shape)}", "scores (n, k)",
                       "save a classifier, with its head")  # fmt: skip
    network.answer = unhead(network)
    network.input_size, network.channels, network.width = (height, width), channels, made[0].shape[1]
    if weights is None:
        reset(network)
    else:
        fill(network, weights)
    return network.eval()


def input_shape(config: Mapping[str, Any]) -> Shape:
    """(height, width, channels) as the config says, None for what it leaves open.

    Raises:
        BadModel: it says nothing, or the input is no image.
    """
    shape = _first_shape(config, 0)
    if not isinstance(shape, list | tuple) or len(shape) != 4:
        came = "no input shape in the file" if shape is None else f"an input of shape {str(shape)[:80]}"
        raise BadModel(came, "an image (height, width, channels)", "save a model of images, built")
    sizes = [each if isinstance(each, int) and 0 < each <= 2**15 else None for each in shape[1:]]
    return sizes[0], sizes[1], sizes[2]


def _first_shape(model: Any, depth: int) -> Any:
    """The shape of the first layer that has one."""
    config = model.get("config") if isinstance(model, Mapping) else None
    if isinstance(config, Mapping):
        for key in ("batch_shape", "batch_input_shape"):
            if config.get(key):
                return config[key]
    inner = config.get("layers") if isinstance(config, Mapping) else config
    for layer in inner[:4] if isinstance(inner, list) and depth < 16 else ():
        if (found := _first_shape(layer, depth + 1)) is not None:
            return found
    return config.get("build_input_shape") if isinstance(config, Mapping) else None
