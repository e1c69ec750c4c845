"""Writes fixtures/*.json: small Keras graphs and what Keras answers. Runs in an environment with Keras 3.

The weights are not kept: `numbers` makes them again from their names.
"""

import json
import zlib
from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of a variable by its name: near 1 for scales and variances, else around 0."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    around = 1.0 if name.endswith(("gamma", "variance")) else 0.0
    return (around + rng.uniform(-0.4, 0.4, shape)).astype(np.float32)


def picture(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 1, (2, *shape)).astype(np.float32)


def zoo() -> keras.Model:
    """Convolutions, norms, poolings and activations of all kinds, with paddings that are not the same on both sides."""
    image = x = keras.Input((14, 11, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    x = layers.Conv2D(6, (4, 3), strides=2, padding="same", activation="relu", name="stem")(x)
    x = layers.BatchNormalization(scale=False, name="stem.bn")(x)
    a = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, use_bias=False)(x)
    a = layers.LeakyReLU()(a)
    b = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    b = layers.PReLU(shared_axes=[1, 2])(b)
    b = layers.Conv2D(8, 2, padding="same", groups=2, activation="gelu")(b)
    x = layers.Concatenate()([layers.Add()([a, b]), layers.ELU()(layers.Subtract()([a, b]))])
    squeezed = layers.Dense(16, activation="hard_sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 16))(squeezed)])
    c = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    d = layers.MaxPooling2D(2, strides=2, padding="same")(x)
    x = layers.Maximum()([c, d])
    x = layers.LayerNormalization(epsilon=1e-3)(x)
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="silu")(x)
    x = layers.Conv2DTranspose(4, 2, strides=3)(x)
    x = layers.ZeroPadding2D(((0, 1), (2, 0)))(layers.Cropping2D(((1, 2), (0, 3)))(x))
    x = layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.2)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.MaxPooling2D(4)(layers.RandomFlip()(x))
    x = layers.Permute((3, 1, 2))(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(7, activation="tanh")(x)
    return keras.Model(image, layers.Softmax()(layers.Dense(3)(x)), name="zoo")


def nested() -> keras.Model:
    """A Sequential that holds a Sequential that holds a functional model with a branch."""
    image = keras.Input((9, 9, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv")(image)
    y = layers.Conv2D(4, 1, name="point")(x)
    trunk = keras.Model(image, layers.Activation("relu", name="act")(layers.Add()([x, y])), name="trunk")
    inner = keras.Sequential([keras.Input((9, 9, 3)), trunk, layers.BatchNormalization(name="bn")], name="inner")
    head = [layers.GlobalMaxPooling2D(), layers.Dense(5, activation="relu", name="dense"), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input((9, 9, 3)), inner, *head, layers.Activation("softmax")], name="outer")


def shared() -> keras.Model:
    """One layer and one model called twice, operations in the graph, one sigmoid."""
    image = keras.Input((8, 8, 3))
    small = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="twice")], name="small")
    x = small(image / 127.5 - 1.0)
    x = small(keras.ops.relu6(x + 3.0) * x)
    norm = layers.BatchNormalization(name="norm")
    x = layers.Average()([norm(x), norm(layers.Activation("hard_silu")(x))])
    x = keras.ops.mean(x, axis=[1, 2])
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="score")(x), name="shared")


def walk(model: keras.Model, before: tuple[str, ...] = ()):
    for layer in model.layers:
        path = (*before, layer.name)
        if hasattr(layer, "layers"):
            yield from walk(layer, path)
        else:
            yield from (("|".join((*path, v.name)), v) for v in layer.variables if "seed" not in v.name)


def old(value):
    """The same graph in Keras 2's words: nodes as lists, batch_input_shape, the axis of a norm as a list."""
    if isinstance(value, list):
        return [old(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: old(each) for key, each in value.items() if key not in ("module", "registered_name", "build_config")}
    if "inbound_nodes" in made:
        made["inbound_nodes"] = [node(each) for each in value["inbound_nodes"]]
    if "batch_shape" in made:
        made["batch_input_shape"] = made.pop("batch_shape")
    if made.get("class_name") == "BatchNormalization" and made["config"].get("axis") == -1:
        made["config"]["axis"] = [3]
    if made.get("class_name") == "LeakyReLU":
        made["config"]["alpha"] = made["config"].pop("negative_slope")
    if made.get("class_name") == "Functional":
        made["class_name"] = "Model"
        for key in ("input_layers", "output_layers"):
            ends = made["config"][key]
            made["config"][key] = [ends] if isinstance(ends[0], str) else ends
    return made


def node(call: dict) -> list:
    first = call["args"][0]
    tensors = first if isinstance(first, list) else [first]
    return [[*tensor["config"]["keras_history"], {}] for tensor in tensors]


def put_down(model: keras.Model, name: str, *, dialect: int = 3) -> None:
    shapes = {}
    for path, variable in walk(model):
        variable.assign(numbers(path, tuple(variable.shape)))
        shapes[path] = list(variable.shape)
    shape = model.input_shape[1:]
    answers = np.asarray(model(picture(shape), training=False))
    config = json.loads(model.to_json())
    record = {
        "version": keras.__version__,
        "config": old(config) if dialect == 2 else config,
        "input": list(shape),
        "shapes": shapes,
        "answers": [[float(f"{each:.9g}") for each in row] for row in answers.tolist()],
    }
    (HERE / "fixtures" / f"{name}.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    for make in (zoo, nested, shared):
        keras.utils.clear_session()
        built = make()
        put_down(built, make.__name__)
        if make is not shared:
            put_down(built, f"{make.__name__}_keras2", dialect=2)
