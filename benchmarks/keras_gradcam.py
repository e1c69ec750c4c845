"""Grad-CAM of every convolution in Keras, for benchmarks/speed.py: a job is a line on stdin, an answer one on stdout.

Needs only keras and TensorFlow. The network is keras.applications.Xception with random weights and a head of logits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--classes", type=int, required=True)
    options = parser.parse_args()
    trunk = keras.applications.Xception(
        include_top=False, weights=None, pooling="avg", input_shape=(options.size, options.size, 3)
    )
    model = keras.Model(trunk.input, keras.layers.Dense(options.classes)(trunk.output))
    layers = [each for each in model.layers if isinstance(each, (keras.layers.Conv2D, keras.layers.SeparableConv2D))]
    at_once = keras.Model(model.input, [*(layer.output for layer in layers), model.output])
    pixels = np.random.default_rng(0).random((1, options.size, options.size, 3), np.float32)
    for line in sys.stdin:
        job, classes = line.rstrip("\n").split("\t")
        if job == "at once":
            every_layer(at_once, pixels, int(classes))
        else:
            one_by_one(model, layers[:1] if job == "one layer" else layers, pixels, int(classes))
        print(f"done\tKeras {keras.version()}, {len(layers)} layers", flush=True)


def every_layer(model: keras.Model, pixels: np.ndarray, classes: int) -> None:
    """One forward pass of a model with all outputs, one backward pass per class."""
    with tf.GradientTape(persistent=True) as tape:
        *activations, logits = model(pixels, training=False)
        scores = [logits[:, target] for target in range(classes)]
    for score in scores:
        gradients = tape.gradient(score, activations)
        for activation, gradient in zip(activations, gradients, strict=True):
            cam(activation, gradient)


def one_by_one(model: keras.Model, layers: Sequence[keras.layers.Layer], pixels: np.ndarray, classes: int) -> None:
    """As the widespread example has it: a new model, a forward and a backward pass for each layer and class."""
    for target in range(classes):
        for layer in layers:
            pair = keras.Model(model.input, [layer.output, model.output])
            with tf.GradientTape() as tape:
                activation, logits = pair(pixels, training=False)
                score = logits[:, target]
            cam(activation, tape.gradient(score, activation))


def cam(activation: tf.Tensor, gradient: tf.Tensor) -> np.ndarray:
    weights = tf.reduce_mean(gradient, axis=(0, 1, 2))
    return tf.maximum(activation[0] @ weights[..., tf.newaxis], 0).numpy()


if __name__ == "__main__":
    main()
