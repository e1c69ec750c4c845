"""What a model file is, its content says."""

from __future__ import annotations

from pathlib import Path

import pytest
import seeds

import whyscan
from whyscan.errors import BadModel
from whyscan.models.kind import kind_of

KINDS = {"h5": "keras", "keras": "keras", "onnx": "onnx", "state-dict": "weights", "torchscript": "program"}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("ending", ["", ".bin", ".h5", ".onnx"])
def test_the_ending_does_not_matter(kind: str, ending: str, tmp_path: Path) -> None:
    path = seeds.make(tmp_path, [kind])[kind]
    assert kind_of(path.rename(tmp_path / f"model{ending}")) == KINDS[kind]


@pytest.mark.parametrize("content", [b"", b"TFL3TFL3TFL3", b"version https://git-lfs", b"<html></html>", b"nothing"])
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(BadModel):
        kind_of(path)


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_the_door_opens_keras_files_with_names_that_lie_beside_them(kind: str, tmp_path: Path) -> None:
    path = seeds.make(tmp_path, [kind])[kind]
    (path.parent / "labels.txt").write_text("a\nb\nc\n")
    opened = whyscan.load(path)
    assert opened.classes == ("a", "b", "c")
    assert opened.input_size == (seeds.SIDE, seeds.SIDE)
    assert [layer.name for layer in opened.layers] == ["conv"]


def test_as_many_names_as_the_head_is_wide(tmp_path: Path) -> None:
    path = seeds.make(tmp_path, ["h5"])["h5"]
    with pytest.raises(BadModel, match=r"2 classes|a, b"):
        whyscan.load(path, classes=["a", "b"])
