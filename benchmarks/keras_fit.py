"""One side of benchmarks/training.py: `keras.Model.fit` of the same network, in an interpreter that has TensorFlow.

Prints one JSON object: the seconds of each step after the first two.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

import keras
import numpy as np


class Clock(keras.callbacks.Callback):
    """Seconds from one batch's end to the next one's."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002 - as Keras calls it
        self.ends.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    trunk = keras.applications.Xception(
        include_top=False, weights=None, pooling="avg", input_shape=(options.size, options.size, 3)
    )
    model = keras.Sequential([trunk, keras.layers.Dense(4)])
    model.compile(keras.optimizers.AdamW(5e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    n = options.batch * (options.steps + 2)
    pixels = rng.random((n, options.size, options.size, 3), np.float32)
    clock = Clock()
    model.fit(pixels, rng.integers(0, 4, n), batch_size=options.batch, epochs=1, verbose=0, callbacks=[clock])
    seconds = [after - before for before, after in itertools.pairwise(clock.ends[1:])]
    print(json.dumps({"seconds": seconds, "keras": keras.version(), "backend": keras.backend.backend()}))


if __name__ == "__main__":
    main()
