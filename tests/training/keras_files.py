"""A small Keras 2 model file, as `model.save("net.h5")` writes it, without Keras: h5py, a graph and seeded numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write(path: Path, outputs: int, *, side: int = 48, seed: int = 0) -> Path:
    """conv, norm, relu, separable, pool, dropout, answer: a softmax, or one sigmoid where `outputs` is 1."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    layers: list[tuple[str, str, dict[str, Any], dict[str, np.ndarray]]] = [
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
    configs: list[dict[str, Any]] = [
        {"class_name": kind, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}
        for kind, name, config, _ in layers
    ]
    configs[0]["config"]["batch_input_shape"] = [None, side, side, 3]
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
    return path


def _conv(filters: int, **more: Any) -> dict[str, Any]:
    return {
        "filters": filters, "kernel_size": [3, 3], "padding": "same", "data_format": "channels_last",
        "dilation_rate": [1, 1], "groups": 1, "activation": "linear", "use_bias": True, **more,
    }  # fmt: skip
