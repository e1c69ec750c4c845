"""A small Keras model file, as `model.save` writes it, without Keras: h5py, a graph and seeded numbers."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Layer = tuple[str, str, dict[str, Any], dict[str, np.ndarray]]
"""Class, name, config, and the variables in Keras's order."""


def write(path: Path, outputs: int, *, side: int = 48, seed: int = 0, brightest: bool = False) -> Path:
    """conv, norm, relu, separable, pool, dropout, answer: a softmax, or one sigmoid where `outputs` is 1.

    Args:
        path: a Keras 2 file where it ends in .h5, one of Keras 3 where it ends in .keras.
        brightest: whether its first output rises with the brightness of the image, as if it had learned that.
    """
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    layers: list[Layer] = [
        ("Conv2D", "stem", _conv(8, strides=[2, 2]), {"kernel": drawn(3, 3, 3, 8), "bias": zeros}),
        (
            "BatchNormalization", "stem_bn", {"axis": [3], "momentum": 0.9, "epsilon": 1e-3},
            {"gamma": ones, "beta": zeros, "moving_mean": zeros, "moving_variance": ones},
        ),
        ("Activation", "stem_act", {"activation": "relu"}, {}),
        (
            "SeparableConv2D", "block2_sepconv1", _conv(12, strides=[2, 2], activation="relu", depth_multiplier=1),
            {"depthwise_kernel": drawn(3, 3, 8, 1), "pointwise_kernel": drawn(1, 1, 8, 12) * 3,
             "bias": np.zeros(12, np.float32)},
        ),
        ("GlobalAveragePooling2D", "pool", {"data_format": "channels_last"}, {}),
        ("Dropout", "drop", {"rate": 0.25, "noise_shape": None, "seed": None}, {}),
        (
            "Dense", "answer",
            {"units": outputs, "activation": "sigmoid" if outputs == 1 else "softmax", "use_bias": True},
            {"kernel": drawn(12, outputs), "bias": np.zeros(outputs, np.float32)},
        ),
    ]  # fmt: skip
    if brightest:
        _taught(layers)
    (_keras if path.suffix == ".keras" else _h5)(path, layers, [None, side, side, 3])
    return path


def _taught(layers: Sequence[Layer]) -> None:
    """Every kernel takes a mean, so that the brightness comes through; the first output is 0 where it is a half.

    The odd zeros of padding "same" lie at the right and the bottom, and take 7.3 % of it off at 48 pixels.
    """
    for _, _, _, variables in layers[:-1]:
        for name, value in variables.items():
            if "kernel" in name:
                inputs = value.shape[:2] if name.startswith("depthwise") else value.shape[:-1]
                variables[name] = np.full_like(value, 1 / np.prod(inputs))
    answer = layers[-1][3]
    weight, kept = 4.0, 0.927
    answer["kernel"], answer["bias"] = np.zeros_like(answer["kernel"]), np.zeros_like(answer["bias"])
    answer["kernel"][:, 0], answer["bias"][0] = weight, -weight * len(answer["kernel"]) * kept / 2


def _h5(path: Path, layers: Sequence[Layer], shape: list[int | None]) -> None:
    configs = _configs(layers)
    configs[0]["config"]["batch_input_shape"] = shape
    model = {"class_name": "Sequential", "config": {"name": "tiny", "layers": configs}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.4.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(model)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for _, name, _, _ in layers]
        for _, name, _, variables in layers:
            own = group.create_group(name)
            own.attrs["weight_names"] = [f"{name}/{each}:0".encode() for each in variables]
            for each, value in variables.items():
                own.create_dataset(f"{name}/{each}:0", data=value)


def _keras(path: Path, layers: Sequence[Layer], shape: list[int | None]) -> None:
    first = {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": shape, "dtype": "float32"}}
    model = {"class_name": "Sequential", "config": {"name": "tiny", "layers": [first, *_configs(layers)]}}
    stored, counted = io.BytesIO(), Counter[str]()
    with h5py.File(stored, "w") as file:
        for kind, name, _, variables in layers:
            stem = _GROUPS[kind]
            group = file.create_group(f"layers/{stem}_{counted[stem]}" if counted[stem] else f"layers/{stem}")
            counted[stem] += 1
            own = group.create_group("vars")
            own.attrs["name"] = name
            for place, value in enumerate(variables.values()):
                own.create_dataset(str(place), data=value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.0"}))
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", stored.getvalue())


_GROUPS = {
    "Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Activation": "activation",
    "SeparableConv2D": "separable_conv2d", "GlobalAveragePooling2D": "global_average_pooling2d", "Dropout": "dropout",
    "Dense": "dense",
}  # fmt: skip


def _configs(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    return [
        {"class_name": kind, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}
        for kind, name, config, _ in layers
    ]


def _conv(filters: int, **more: Any) -> dict[str, Any]:
    return {
        "filters": filters, "kernel_size": [3, 3], "padding": "same", "data_format": "channels_last",
        "dilation_rate": [1, 1], "groups": 1, "activation": "linear", "use_bias": True, **more,
    }  # fmt: skip
