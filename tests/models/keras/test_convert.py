"""Against what Keras answered (fixtures/*.json, made by make_fixtures.py), and what a network must keep to."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whyscan.errors import BadModel
from whyscan.models.keras.classifier import classifier_of
from whyscan.models.keras.convert import network_of
from whyscan.models.keras.spec import KerasFile

FIXTURES = Path(__file__).with_name("fixtures")
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """As make_fixtures.py makes them."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    around = 1.0 if name.endswith(("gamma", "variance")) else 0.0
    return (around + rng.uniform(-0.4, 0.4, shape)).astype(np.float32)


def opened(name: str) -> tuple[KerasFile, dict[str, Any]]:
    record = json.loads((FIXTURES / f"{name}.json").read_text())
    weights: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for path, shape in record["shapes"].items():
        *layer, variable = path.split("|")
        weights.setdefault(tuple(layer), {})[variable] = numbers(path, tuple(shape))
    return KerasFile(record["config"], weights, "keras", record["version"], "0" * 64), record


def pictures(record: dict[str, Any]) -> torch.Tensor:
    images = np.random.default_rng(5).uniform(0, 1, (2, *record["input"])).astype(np.float32)
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_keras_answers_the_same(name: str) -> None:
    file, record = opened(name)
    network = network_of(file.config, file.weights, version=file.version)
    with torch.inference_mode():
        logits = network(pictures(record))
    found = logits.softmax(1) if network.answer == "softmax" else logits.sigmoid()
    np.testing.assert_allclose(found.numpy(), record["answers"], atol=2e-6)


def test_opening_does_not_wait_for_torchs_compiler() -> None:
    """Its import takes longer than all the rest of opening a file."""
    program = (
        "import json, sys; from pathlib import Path; from whyscan.models.keras.convert import network_of; "
        "record = json.loads(Path(sys.argv[1]).read_text()); network_of(record['config'], version=record['version']); "
        "print('torch._dynamo' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(FIXTURES / "nested.json")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["False"]


def test_shapes_are_worked_out_without_symbolic_ones() -> None:
    """torch would import sympy for a convolution or a pool of no numbers: another second."""
    program = (
        "import json, sys, torch; from pathlib import Path; from whyscan.models.keras.network import assemble; "
        "record = json.loads(Path(sys.argv[1]).read_text()); high, wide, channels = record['input']; "
        "came = torch.empty(1, channels, high, wide, device='meta'); "
        "assemble(record['config'], [came], keras2=False); print('sympy' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(FIXTURES / "nested.json")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["False"]


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_what_the_network_makes(name: str) -> None:
    """Opening works shapes out without numbers, and for some layers without asking torch."""
    file, record = opened(name)
    network = network_of(file.config, file.weights, version=file.version)
    made: dict[str, list[tuple[int, ...]]] = {name: [] for name in network.keys}

    def watch(layer: str) -> Callable[..., None]:
        return lambda _module, _inputs, out: made[layer].append(tuple(out.shape))

    for layer in network.keys:
        network.layer(layer).register_forward_hook(watch(layer))
    with torch.inference_mode():
        network(pictures(record)[:1])
    said = {layer: [shape for ref, shape in network.shapes.items() if ref.layer == layer] for layer in made}
    assert {layer: sorted(shapes) for layer, shapes in said.items()} == {
        layer: sorted(shapes) for layer, shapes in made.items()
    }


def test_names_are_those_of_keras() -> None:
    classifier = classifier_of(opened("nested")[0])
    assert [layer.name for layer in classifier.layers] == ["conv", "point"]
    assert classifier.layers[0].path == "trunk.inner.trunk.conv"
    assert classifier.layer("act").path == "trunk.inner.trunk.act"
    assert classifier.layer("act").name == "act"
    assert classifier.layer("final").name in ("bn", "inner")  # the nested model's output is that of its last layer


def test_a_convolution_is_seen_after_its_own_activation() -> None:
    file, record = opened("zoo")
    classifier = classifier_of(file)
    assert classifier.layers[0].name == "stem"
    seen: list[torch.Tensor] = []
    module = classifier.network.get_submodule(classifier.layers[0].path)
    handle = module.register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.inference_mode():
        classifier.network(pictures(record))
    handle.remove()
    assert float(seen[0].min()) == 0
    assert classifier.layer("stem.bn").name == "stem.bn"


def test_one_sigmoid_is_two_classes() -> None:
    file, record = opened("shared")
    classifier = classifier_of(file, classes=["no", "yes"], preprocess="/255")
    found = classifier.predict(pictures(record).contiguous().numpy())
    np.testing.assert_allclose(found[:, 1], np.array(record["answers"])[:, 0], atol=2e-6)


@pytest.mark.parametrize(
    ("asked", "given", "says"),
    [("auto", 255.0, "scales them itself"), ("/255", 1.0, "as asked"), ("0..255", 255.0, "as asked")],
)
def test_preprocessing_is_stated(asked: str, given: float, says: str) -> None:
    file, _ = opened("zoo")
    classifier = classifier_of(file, preprocess=asked)
    assert says in classifier.about["preprocess"]
    assert classifier.about["std"][0] == pytest.approx(1 / given)
    assert "a guess" in classifier_of(opened("nested")[0]).about["preprocess"]


def test_without_weights_it_is_a_network_to_train() -> None:
    file, record = opened("nested")
    blank, filled = network_of(file.config, version="3.0"), network_of(file.config, file.weights, version="3.0")
    blank.load_state_dict(filled.state_dict())
    with torch.inference_mode():
        assert torch.equal(blank(pictures(record)), filled(pictures(record)))
    norm = filled.get_submodule("inner.bn")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.momentum == pytest.approx(0.01)
    before = norm.running_mean.clone() if norm.running_mean is not None else torch.zeros(1)
    filled.train()(pictures(record)).sum().backward()
    assert norm.running_mean is not None
    assert not torch.equal(norm.running_mean, before)
    assert all(each.grad is not None for each in filled.parameters())


def _rename(config: dict[str, Any]) -> None:
    config["config"]["layers"][3]["class_name"] = "AttentionOfMine"


def _lambda(config: dict[str, Any]) -> None:
    config["config"]["layers"][3]["class_name"] = "Lambda"


def _first_channels(config: dict[str, Any]) -> None:
    config["config"]["layers"][2]["config"]["data_format"] = "channels_first"


def _huge(config: dict[str, Any]) -> None:
    config["config"]["layers"][2]["config"]["filters"] = 10**7


def _activation(config: dict[str, Any]) -> None:
    config["config"]["layers"][2]["config"]["activation"] = "my_function"


def _missing(config: dict[str, Any]) -> None:
    config["config"]["output_layers"] = ["nowhere", 0, 0]


def _sizeless(config: dict[str, Any]) -> None:
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_rename, "'stem.bn' is of the class AttentionOfMine"),
        (_lambda, "'stem.bn' is a Lambda: code"),
        (_first_channels, "'stem' .* channels_first"),
        (_huge, "'stem' has kernel of shape"),
        (_activation, "'stem' has the activation 'my_function'"),
        (_missing, "'nowhere'"),
        (_sizeless, "any size"),
    ],
)
def test_refusals_name_the_layer(spoil: Callable[[dict[str, Any]], None], says: str) -> None:
    file, record = opened("zoo")
    spoil(record["config"])
    with pytest.raises(BadModel, match=says):
        network_of(record["config"], file.weights, version=file.version)


def test_weights_must_be_there_and_finite() -> None:
    file, _ = opened("nested")
    path = ("inner", "trunk", "conv")
    with pytest.raises(BadModel, match="'inner/trunk/conv' has no kernel"):
        network_of(file.config, {**file.weights, path: {}})
    with pytest.raises(BadModel, match="NaN"):
        network_of(file.config, {**file.weights, path: {"kernel": file.weights[path]["kernel"] * np.float32("nan")}})
    with pytest.raises(BadModel, match="a variable extra"):
        network_of(file.config, {**file.weights, path: {**file.weights[path], "extra": np.zeros(1, np.float32)}})


def test_several_sigmoids_are_explained() -> None:
    file, _ = opened("nested")
    file.config["config"]["layers"][-1]["config"]["activation"] = "sigmoid"
    with pytest.raises(BadModel, match="2 sigmoids"):
        classifier_of(file)
