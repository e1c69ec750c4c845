"""Makes Keras models and says what Keras answers. Runs in an environment with Keras 3: keras_models.py OUT NAME...

The weights are random, but the networks behave as trained ones do: every normalisation has the statistics of what
really comes into it, the signal reaches the end, and another image gets another answer. With any random numbers in the
norms a deep network either forgets its input (whoever misreads a layer then still agrees) or magnifies the rounding of
its first layers until two right programs differ.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import applications, layers

SIZES = {"VGG16": 32, "VGG19": 32, "Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}
DEFAULT_SIZE = 64
"""Small, and odd for some: padding then differs between the two sides."""
IMAGES = 8
"""So many tell a norm its statistics; Keras's answers to the first two are kept."""
KEPT = 2


def walk(model: keras.Model) -> Iterator[keras.Layer]:
    """Every layer that is no model, in order."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from walk(layer)
        else:
            yield layer


def pictures(size: int, top: float) -> np.ndarray:
    """Images (n, size, size, 3) in 0..top that differ in more than noise: a few large patches of colour, and grain."""
    rng = np.random.default_rng(3)
    steps = np.linspace(0, 3, size)
    low, part = np.minimum(steps.astype(int), 2), steps - np.minimum(steps.astype(int), 2)
    patches = rng.uniform(0, 1, (IMAGES, 4, 4, 3))
    rows = patches[:, low] * (1 - part)[:, None, None] + patches[:, low + 1] * part[:, None, None]
    smooth = rows[:, :, low] * (1 - part)[:, None] + rows[:, :, low + 1] * part[:, None]
    return (top * (0.7 * smooth + 0.3 * rng.uniform(0, 1, smooth.shape))).astype("float32")


def draw(model: keras.Model) -> None:
    """Random numbers everywhere: kernels that keep the size of the signal, scales near 1, shifts near 0."""
    rng = np.random.default_rng(7)
    for layer in walk(model):
        depthwise = type(layer).__name__ == "DepthwiseConv2D"
        for v in layer.variables:
            if "seed" in v.name or v.name in ("count", "moving_mean", "moving_variance"):
                continue
            shape = tuple(v.shape)
            if "kernel" in v.name:
                fan = np.prod(shape[:2]) if depthwise or "depthwise" in v.name else np.prod(shape[:-1])
                value = rng.normal(0, np.sqrt(2 / fan), shape)
            elif v.name in ("gamma", "variance"):
                value = rng.uniform(0.3, 0.7, shape)
            elif v.name == "beta":
                value = rng.normal(0.5, 0.2, shape)
            else:
                value = rng.normal(0, 0.1, shape)
            v.assign(value.astype("float32"))
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # Keras goes on with the numbers from before, until it reads the saved file


def calibrate(model: keras.Model, images: np.ndarray) -> None:
    """Give every batch norm the mean and variance of what comes into it, as training would in the end."""
    kept = [(each, key, getattr(each, key)) for each in walk(model) for key in ("rate", "momentum", "drop_path_rate")
            if hasattr(each, key)]  # fmt: skip
    try:
        for layer, key, _ in kept:
            setattr(layer, key, 0.0)
        model(images, training=True)
    finally:
        for layer, key, value in kept:
            setattr(layer, key, value)


@contextlib.contextmanager
def bare(model: keras.Model) -> Iterator[None]:
    """Without the last activation: the model answers with logits."""
    *_, last = (layer for layer in walk(model) if hasattr(layer, "activation"))
    kept, last.activation = last.activation, keras.activations.linear
    try:
        yield
    finally:
        last.activation = kept


def level(model: keras.Model, images: np.ndarray) -> None:
    """Scale and shift the last kernel so that the images' logits differ by about 1, and no softmax is full."""
    *_, last = (layer for layer in walk(model) if hasattr(layer, "kernel"))  # its activation may be another layer
    with bare(model):
        scores = np.asarray(model(images, training=False))
        kernel, bias = np.asarray(last.kernel), np.asarray(last.bias)
        scale = 1 / scores.std(0).mean()
        last.kernel.assign(kernel * scale)
        last.bias.assign(np.random.default_rng(11).normal(0, 0.5, bias.shape) - (scores.mean(0) - bias) * scale)


def nested(trunk: keras.Model, size: int) -> keras.Model:
    """As exporters write it: a Sequential that holds a Sequential that holds the functional backbone."""
    inner = keras.Sequential([keras.Input((size, size, 3)), trunk, layers.GlobalAveragePooling2D()], name="features")
    head = [layers.Dense(16, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
    return keras.Sequential([keras.Input((size, size, 3)), inner, *head, layers.Dense(4, activation="softmax")])


def double(config):
    """The same graph in float64: what it says there is the truth that two float32 programs are both near."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float64"}}
        return {k: "float64" if k == "dtype" and v == "float32" else double(v) for k, v in config.items()}
    return type(config)(double(each) for each in config) if isinstance(config, list | tuple) else config


def precisely(model: keras.Model, images: np.ndarray) -> np.ndarray:
    keras.config.set_floatx("float64")
    try:
        twin = type(model).from_config(double(model.get_config()))
        twin.set_weights([np.asarray(each, "float64") for each in model.get_weights()])
        for layer in walk(twin):
            if isinstance(layer, layers.Normalization):
                layer.finalize_state()
        with bare(twin):
            return np.asarray(twin(images.astype("float64"), training=False))
    finally:
        keras.config.set_floatx("float32")


def put_down(model: keras.Model, out: Path, name: str, size: int) -> None:
    images = pictures(size, 255.0 if inside(name) else 1.0)
    draw(model)
    calibrate(model, images)
    level(model, images)
    model.save(out / f"{name}.keras")
    model.save(out / f"{name}.h5")
    images = images[:KEPT]
    answers = np.asarray(model(images, training=False))
    with bare(model):
        logits = np.asarray(model(images, training=False))
        shaken = np.asarray(model((images * (1 + 1e-6)).astype("float32"), training=False))
    truth = precisely(model, images)
    np.savez(out / f"{name}.npz", images=images, answers=answers, logits=logits, shaken=shaken, truth=truth)


def inside(name: str) -> bool:
    """Whether its graph scales the pixels."""
    return any(each in name for each in ("EfficientNet", "ConvNeXt", "MobileNetV3"))


def main() -> None:
    out, wanted = Path(sys.argv[1]), sys.argv[2:]
    for each in wanted:
        name, _, form = each.partition("-")
        size = SIZES.get(name, DEFAULT_SIZE)
        keras.utils.clear_session()
        make = getattr(applications, name)
        if form == "nested":
            model = nested(make(weights=None, include_top=False, input_shape=(size, size, 3)), size)
        else:
            model = make(weights=None, classes=10, input_shape=(size, size, 3))
        put_down(model, out, each, size)
        sys.stdout.write(f"{each} {keras.__version__}\n")


if __name__ == "__main__":
    main()
