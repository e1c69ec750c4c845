"""What can be found out about a model without data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras_files
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from whyscan.models.blackbox import black_box
from whyscan.models.candidates import candidates, logits_as_if
from whyscan.models.classifier import Classifier
from whyscan.models.doctor import examine, layer_facts, normalisation_of
from whyscan.models.load import load
from whyscan.models.preprocess import CAFFE, IMAGENET, NORMALISATIONS, SYMMETRIC


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.second = nn.Conv2d(5, 7, 3, stride=2)
        self.head = nn.Linear(7, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(images).relu()).mean((2, 3)))


def tiny(preprocess: str = "imagenet") -> object:
    torch.manual_seed(0)
    return load(Tiny(), classes=["a", "b"], input_size=(16, 20), preprocess=preprocess)


def test_the_layers_have_the_shapes_of_their_outputs_channels_last() -> None:
    shapes = {each.name: each.shape for each in layer_facts(tiny())}
    assert shapes == {"first": (16, 20, 5), "second": (7, 9, 7)}


def test_nothing_is_left_on_the_network() -> None:
    classifier = tiny()
    examine(classifier)
    assert not any(module._forward_hooks for module in classifier.network.modules())


def test_the_facts_of_a_module() -> None:
    facts = examine(tiny("x/127.5-1"))
    assert facts.parameters == sum(p.numel() for p in Tiny().parameters())
    assert (facts.input_size, facts.classes, facts.white_box, facts.scaling) == (
        (16, 20),
        ("a", "b"),
        True,
        "x/127.5-1",
    )
    assert sum(facts.blank_answer) == pytest.approx(1, abs=1e-6)


def test_a_black_box_has_no_layers_and_no_known_scaling() -> None:
    box = black_box(lambda pixels: np.full((len(pixels), 2), 0.5), ["a", "b"], 16)
    facts = examine(box)
    assert facts.layers == () and facts.scaling == "" and "only answers" in facts.reason
    with pytest.raises(Exception, match="out of sight"):
        candidates(box)


@pytest.mark.parametrize("name", NORMALISATIONS)
@pytest.mark.parametrize("own", NORMALISATIONS)
def test_as_if_is_what_a_model_that_was_opened_so_says(own: str, name: str) -> None:
    pixels = np.random.default_rng(0).random((3, 3, 16, 20), np.float32)
    said = logits_as_if(tiny(own), pixels, NORMALISATIONS[name])
    np.testing.assert_allclose(said, tiny(name).logits(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalisation", [IMAGENET, SYMMETRIC, CAFFE])
def test_the_scaling_is_read_back(normalisation: object) -> None:
    classifier = load(Tiny(), classes=["a", "b"], input_size=16, preprocess=normalisation)
    found = normalisation_of(classifier)
    np.testing.assert_allclose([*found.mean, *found.std], [*normalisation.mean, *normalisation.std], atol=1e-6)
    assert found.flip == normalisation.flip


EXAMPLE = torch.zeros(1, 3, 64, 64)


def keras_file(folder: Path) -> Classifier:
    return load(keras_files.write(folder / "m.h5", 3))


def archive(folder: Path) -> Classifier:
    return load(keras_files.write(folder / "m.keras", 3))


def state_dict(folder: Path, suffix: str = ".pth") -> Classifier:
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), folder / f"m{suffix}")
    return load(folder / f"m{suffix}", backbone="test_resnet", input_size=64)


def checkpoint_file(folder: Path) -> Classifier:
    return state_dict(folder, ".ckpt")


def told_safetensors(folder: Path) -> Classifier:
    metadata = {"timm_model": "test_resnet", "input": "64 RGB imagenet"}
    save_file(timm.create_model("test_resnet", num_classes=3).state_dict(), folder / "m.safetensors", metadata)
    return load(folder / "m.safetensors", input_size=64)


def script(folder: Path) -> Classifier:
    torch.jit.save(torch.jit.trace(Tiny().eval(), EXAMPLE), folder / "m.pt")
    return load(folder / "m.pt", input_size=64)


def exported(folder: Path) -> Classifier:
    torch.export.save(torch.export.export(Tiny().eval(), (EXAMPLE,)), folder / "m.pt2")
    return load(folder / "m.pt2", input_size=64)


def onnx_file(folder: Path) -> Classifier:
    pytest.importorskip("onnxruntime")
    torch.onnx.export(Tiny().eval(), (EXAMPLE,), folder / "m.onnx", dynamo=False)
    return load(folder / "m.onnx")


def module(_folder: Path) -> Classifier:
    return tiny("auto")


@pytest.mark.filterwarnings("ignore")  # torch announces the end of TorchScript and of its older ONNX exporter
@pytest.mark.parametrize(
    ("opened", "begins"),
    [
        (keras_file, "/255, a guess: "), (archive, "/255, a guess: "), (state_dict, "x/127.5-1, a guess: "),
        (checkpoint_file, "x/127.5-1, a guess: "), (told_safetensors, "imagenet: the file says so"),
        (script, "imagenet, a guess: "), (exported, "imagenet, a guess: "), (onnx_file, "imagenet, a guess: "),
        (module, "imagenet, a guess: "),
    ],
)  # fmt: skip
def test_where_the_scaling_comes_from_is_said_of_every_kind_of_model_and_a_guess_is_called_one(
    tmp_path: Path, opened: Callable[[Path], Classifier], begins: str
) -> None:
    with torch.random.fork_rng():
        facts = examine(opened(tmp_path))
    assert facts.scaling_from.startswith(begins) and facts.scaling_from.startswith(facts.scaling)
    advice = "pass preprocess=" if opened is module else "whyscan doctor MODEL --data DIR"
    assert "a guess" not in begins or advice in facts.scaling_from


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("opened", [state_dict, script, onnx_file])
def test_what_was_asked_for_is_no_guess_and_blue_first_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], Classifier]
) -> None:
    monkeypatch.setitem(globals(), "load", partial(load, preprocess="caffe"))
    classifier = opened(tmp_path)
    facts = examine(classifier)
    assert (facts.scaling, facts.scaling_from) == ("caffe", "caffe: as asked for")
    pixels = np.random.default_rng(0).random((2, 3, *classifier.input_size), np.float32)
    np.testing.assert_allclose(logits_as_if(classifier, pixels, CAFFE), classifier.logits(pixels), rtol=1e-4, atol=1e-4)
