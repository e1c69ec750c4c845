"""Makes Keras models and says what Keras answers. Runs in an environment with Keras 3: keras_models.py OUT NAME..."""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import applications, layers

SIZES = {"VGG16": 32, "VGG19": 32, "Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}
DEFAULT_SIZE = 64
"""Small, and odd for some: padding then differs between the two sides."""


def arrays(layer: keras.Layer) -> dict[str, np.ndarray]:
    inner = {id(v) for child in getattr(layer, "layers", []) for v in child.variables}
    return {v.name: np.asarray(v) for v in layer.variables if id(v) not in inner and "seed" not in v.name}


def walk(model: keras.Model, before: tuple[str, ...] = ()):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from walk(layer, (*before, layer.name))
        elif found := arrays(layer):
            yield (*before, layer.name), layer, found


def shake(model: keras.Model, seed: int) -> None:
    """Random numbers everywhere, norms included, of a size that keeps the signal alive to the end."""
    rng = np.random.default_rng(seed)
    for _, layer, _ in walk(model):
        for v in layer.variables:
            if "seed" in v.name or "count" in v.name:
                continue
            shape, fan = tuple(v.shape), max(int(np.prod(v.shape[:-1])), 1)
            if "depthwise" in v.name or (type(layer).__name__ == "DepthwiseConv2D" and v.name == "kernel"):
                fan = shape[0] * shape[1]
            if "kernel" in v.name:
                value = rng.normal(0, np.sqrt(1.6 / fan), shape)
            elif v.name in ("gamma", "moving_variance", "variance"):
                value = rng.uniform(0.6, 1.4, shape)
            else:
                value = rng.normal(0, 0.1, shape)
            v.assign(value.astype("float32"))


def nested(trunk: keras.Model, size: int) -> keras.Model:
    """As exporters write it: a Sequential that holds a Sequential that holds the functional backbone."""
    inner = keras.Sequential([keras.Input((size, size, 3)), trunk, layers.GlobalAveragePooling2D()], name="features")
    head = [layers.Dense(16, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
    return keras.Sequential([keras.Input((size, size, 3)), inner, *head, layers.Dense(4, activation="softmax")])


def level(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Scale the last kernel so that the logits span a unit at most, and no softmax is full; returns them."""
    *_, (_, last, _) = walk(model)
    *_, final = (layer for layer in model.layers if hasattr(layer, "activation"))
    kept, final.activation = final.activation, keras.activations.linear
    try:
        wide = np.asarray(model(images, training=False)).std()
        for v in last.variables:
            v.assign(np.asarray(v) / np.float32(max(wide, 1.0)))
        return np.asarray(model(images, training=False))
    finally:
        final.activation = kept


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
        return np.asarray(twin(images.astype("float64"), training=False))
    finally:
        keras.config.set_floatx("float32")


def put_down(model: keras.Model, out: Path, name: str, size: int) -> None:
    shake(model, 7)
    top = 255.0 if inside(name) else 1.0
    images = np.random.default_rng(3).uniform(0, top, (2, size, size, 3)).astype("float32")
    logits = level(model, images)
    answers = np.asarray(model(images, training=False))
    model.save(out / f"{name}.keras")
    model.save(out / f"{name}.h5")
    (out / f"{name}.json").write_text(model.to_json())
    flat = {"|".join((*path, key)): value for path, _, found in walk(model) for key, value in found.items()}
    np.savez(out / f"{name}_weights.npz", **flat)
    truth = precisely(model, images)
    np.savez(out / f"{name}.npz", images=images, answers=answers, logits=logits, truth=truth)


def inside(name: str) -> bool:
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
