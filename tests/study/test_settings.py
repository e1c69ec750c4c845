"""What a study is asked to do is read once, strictly."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from whyscan.errors import BadInput
from whyscan.study.settings import StudySettings, per_name, plans
from whyscan.training.settings import TrainSettings


def test_a_backbone_may_bring_its_own_weights_and_settings() -> None:
    first, second = plans(
        ["xception=none", "mobilenetv2_100"],
        TrainSettings(epochs=8),
        weights="trunk.safetensors",
        overrides={"xception": {"epochs": 2}},
    )
    assert (first.name, first.weights, first.settings.epochs) == ("xception", "none", 2)
    assert (second.name, second.weights, second.settings.epochs) == ("mobilenetv2_100", "trunk.safetensors", 8)


def test_without_a_word_the_weights_are_imagenets() -> None:
    (plan,) = plans(["vgg16"], TrainSettings())
    assert plan.weights == "imagenet"


def test_a_weights_file_goes_by_its_name_not_by_its_place() -> None:
    (plan,) = plans(["vgg16=secret/place/w.safetensors"], TrainSettings())
    assert plan.describe()["weights"] == "w.safetensors"
    assert "secret" not in str(plan.describe())


def test_a_weights_file_of_the_same_name_and_other_content_is_another_plan(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    (plan,) = plans([f"vgg16={path}"], TrainSettings())
    said = []
    for content in (b"one", b"two", b"one"):
        path.write_bytes(content)
        said.append(plan.describe())
    assert said[0] == said[2] != said[1]
    assert said[0]["weights_sha256"] == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize(
    ("backbones", "overrides", "says"),
    [([], {}, "no backbone"), (["a", "a=none"], {}, "named 2 times"), (["a"], {"b": {"epochs": 1}}, "a setting for b")],
)
def test_what_does_not_fit_is_named(backbones: list[str], overrides: dict[str, dict[str, int]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        plans(backbones, TrainSettings(), overrides=overrides)


def test_an_option_may_be_for_all_and_for_one() -> None:
    assert per_name(["8", "xception=2"], "--epochs", int) == (8, {"xception": 2})
    assert per_name([], "--epochs", int) == (None, {})


@pytest.mark.parametrize("values", [["many"], ["x=many"], ["1", "2"], ["x=1", "x=2"]])
def test_an_option_that_cannot_be_read_is_named(values: list[str]) -> None:
    with pytest.raises(BadInput, match="--epochs"):
        per_name(values, "--epochs", int)


def test_too_few_evaluations_are_refused() -> None:
    with pytest.raises(BadInput, match="evaluations = 3"):
        StudySettings(evaluations=3)
