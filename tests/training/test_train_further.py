"""A model that exists already learns on: from where it was, under its own layer names, and so that it can be kept."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import keras_files
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadModel, BadRun
from whyscan.models import checkpoint
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier
from whyscan.models.load import load
from whyscan.progress import Progress, quiet
from whyscan.records.predictions import Predictions
from whyscan.study.given import Given, open_models
from whyscan.training.parts import trained_here
from whyscan.training.settings import TrainSettings
from whyscan.training.train import train_further

Data = tuple[Catalogue, tuple[SplitRow, ...]]
Go = Callable[..., Classifier]
ONE = TrainSettings(epochs=1, batch=8, precision="float32", trunk_learning_rate=1e-3, augment=False, weak_target=None)


@pytest.fixture
def go(squares: Data, tmp_path: Path) -> Go:
    def run(
        model: Classifier, settings: TrainSettings = ONE, where: str = "m", *, resume: bool = False,
        progress: Progress = quiet,
    ) -> Classifier:  # fmt: skip
        return train_further(
            *squares, model, settings, tmp_path / where / "m", name="m", cache=tmp_path / "cache", resume=resume,
            progress=progress,
        )  # fmt: skip

    return run


@pytest.fixture
def built(squares: Data, tiny: Callable[..., Classifier], tmp_path: Path) -> Classifier:
    """A model folder of ours, whose classes stand in another order than the data's."""
    start = tiny(classes=squares[0].classes[::-1], name="start")
    return checkpoint.load(_saved(start, tmp_path / "start"))


@pytest.fixture
def foreign(squares: Data, tiny: Callable[..., Classifier], tmp_path: Path) -> Classifier:
    """The same network as a state dict of somebody else's."""
    network = tiny(classes=squares[0].classes).network
    state = {f"{name.removeprefix('trunk.')}": value.clone() for name, value in network.trunk.state_dict().items()}
    head = network.head[-1]
    state |= {"classifier.weight": head.weight.detach().clone(), "classifier.bias": head.bias.detach().clone()}
    save_file(state, tmp_path / "theirs.safetensors")
    options = {"backbone": "test_efficientnet", "input_size": 48}
    given = Given(tmp_path / "theirs.safetensors", options)
    return open_models({"theirs": given}, squares[0].classes)["theirs"]


@pytest.fixture
def keras(squares: Data, tmp_path: Path) -> Classifier:
    path = keras_files.write(tmp_path / "tiny.h5", 3)
    return open_models({"tiny": Given(path, {"preprocess": "/255"})}, squares[0].classes)["tiny"]


def _saved(classifier: Classifier, folder: Path) -> Path:
    checkpoint.save(classifier, folder)
    return folder


def _loss(model: Classifier, data: Data) -> float:
    from whyscan.training.evaluate import evaluate

    found = evaluate(model, *data, splits=("train",))
    return float(-np.log(found.probabilities[np.arange(len(found.labels)), found.labels]).mean())


def _stop_in(epoch: str) -> Progress:
    def progress(what: str, done: int, total: int) -> None:
        if epoch in what and done == 1:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("kind", ["built", "foreign", "keras"])
@pytest.mark.parametrize("recipe", ["finetune", "frozen"])
def test_it_is_better_than_before_and_can_be_opened_again(
    request: pytest.FixtureRequest, go: Go, squares: Data, tmp_path: Path, kind: str, recipe: str
) -> None:
    model: Classifier = request.getfixturevalue(kind)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    made = go(model, dataclasses.replace(ONE, recipe=recipe, epochs=8, head_learning_rate=5e-3))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert _loss(made, squares) < _loss(model, squares) - 0.02
    again, opened = checkpoint.load(tmp_path / "m" / "m"), load(tmp_path / "m" / "m")
    pixels = np.random.default_rng(0).random((2, 3, 48, 48), dtype=np.float32)
    for each in (again, opened):
        np.testing.assert_array_equal(each.logits(pixels), made.logits(pixels))
        assert each.layers == model.layers and each.classes == model.classes and each.name == "m"
        assert each.hash == made.hash != model.hash
    changed = {name for name, tensor in made.network.state_dict().items() if not torch.equal(tensor, before[name])}
    head = {name for name in before if name.startswith("head.") or "classifier" in name or "answer" in name}
    assert (changed <= head) == (recipe == "frozen") and changed
    found = Predictions.load(tmp_path / "m" / "m" / "predictions.csv", "m")
    assert found.classes == model.classes


@pytest.mark.parametrize("kind", ["built", "foreign", "keras"])
def test_interrupted_and_resumed_it_is_the_same(
    request: pytest.FixtureRequest, go: Go, tmp_path: Path, kind: str
) -> None:
    model: Classifier = request.getfixturevalue(kind)
    settings = dataclasses.replace(ONE, epochs=2)
    whole = go(model, settings, "whole")
    with pytest.raises(KeyboardInterrupt):
        go(model, settings, "torn", progress=_stop_in("epoch 2"))
    assert go(model, settings, "torn", resume=True).hash == whole.hash
    assert go(model, settings, "torn", resume=True).hash == whole.hash  # a finished one is read back
    weights = [load_file(tmp_path / each / "m" / "model.safetensors") for each in ("whole", "torn")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_keras_file_learns_on_under_its_own_names_with_dropout(go: Go, keras: Classifier, tmp_path: Path) -> None:
    go(keras)
    back = load(tmp_path / "m" / "m")
    assert [layer.name for layer in back.layers] == ["stem", "block2_sepconv1"]
    assert (tmp_path / "m" / "m" / "source" / "original.h5").read_bytes() == (tmp_path / "tiny.h5").read_bytes()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network, pixels = copy.deepcopy(keras.network).train(), torch.rand(1, 3, 48, 48).repeat(2, 1, 1, 1)
        first, second = network(pixels)
    assert not torch.equal(first, second)


def test_one_sigmoid_is_two_classes_that_learn(squares: Data, tmp_path: Path) -> None:
    """The same training, with two of the three classes."""
    catalogue, rows = squares
    two = dataclasses.replace(
        catalogue, classes=catalogue.classes[:2],
        entries=tuple(each for each in catalogue.entries if each.label in catalogue.classes[:2]),
    )  # fmt: skip
    rows = tuple(row for row in rows if row.label in two.classes)
    model = open_models({"tiny": Given(keras_files.write(tmp_path / "tiny.h5", 1))}, two.classes)["tiny"]
    settings = dataclasses.replace(ONE, recipe="frozen", epochs=5, head_learning_rate=2e-2)
    made = train_further(two, rows, model, settings, tmp_path / "m", name="m", cache=tmp_path / "cache")
    assert _loss(made, (two, rows)) < _loss(model, (two, rows)) - 0.02
    np.testing.assert_array_equal(load(tmp_path / "m").logits(_pixels()), made.logits(_pixels()))


def _pixels() -> np.ndarray:
    return np.random.default_rng(0).random((2, 3, 48, 48), dtype=np.float32)


def test_another_model_does_not_go_on_with_this_ones_training(go: Go, built: Classifier, foreign: Classifier) -> None:
    go(built)
    with pytest.raises(BadRun, match="differs"):
        go(foreign, resume=True)


def test_what_is_known_of_its_earlier_training_goes_with_it(
    go: Go, built: Classifier, foreign: Classifier, squares: Data, tmp_path: Path
) -> None:
    go(foreign, where="a")
    record = json.loads((tmp_path / "a" / "m" / "model.json").read_text())
    assert record["training"]["from"]["data"] == [None]
    assert trained_here(record, squares[1]) is None
    first = go(built, where="b")
    assert trained_here(first.about, squares[1]) is None  # of a model that does not say what it learned from
    second = go(checkpoint.load(tmp_path / "a" / "m"), where="c")
    assert second.about["training"]["from"]["data"] == [None, record["training"]["data"]]
    assert trained_here(second.about, squares[1]) is None


def test_a_copy_that_was_changed_is_refused(go: Go, foreign: Classifier, tmp_path: Path) -> None:
    go(foreign)
    (copy,) = (tmp_path / "m" / "m" / "source").iterdir()
    with copy.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(BadModel, match="is not the file that"):
        checkpoint.load(tmp_path / "m" / "m")


def test_weights_that_were_changed_are_refused(go: Go, foreign: Classifier, tmp_path: Path) -> None:
    go(foreign)
    with (tmp_path / "m" / "m" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(BadModel, match="is not the file that"):
        checkpoint.load(tmp_path / "m" / "m")


def test_what_cannot_learn_or_be_kept_is_refused_before_anything_is_done(
    go: Go, built: Classifier, squares: Data, tmp_path: Path
) -> None:
    classes = squares[0].classes
    asked = black_box(lambda pixels: np.full((len(pixels), 3), 1 / 3), classes, 48)
    with pytest.raises(BadModel, match="only answers"):
        go(asked)
    with pytest.raises(BadModel, match="only in memory"):
        go(dataclasses.replace(built, about={}))
    with pytest.raises(BadData, match="knows a, b, c"):
        go(dataclasses.replace(built, classes=("a", "b", "c")))
    assert not (tmp_path / "m").exists()
