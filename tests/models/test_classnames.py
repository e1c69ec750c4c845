"""Class names from a list, a text, a CSV or a JSON file, and from a file beside the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.errors import BadModel
from whyscan.models.classnames import class_names, names_beside, parse

NAMES = ("glioma", "meningioma", "no_tumor")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.txt", "glioma\nmeningioma\n\nno_tumor\n"),
        ("labels.csv", "name\nglioma\nmeningioma\nno_tumor\n"),
        ("labels.csv", "index,name\n1,meningioma\n0,glioma\n2,no_tumor\n"),
        ("labels.json", json.dumps(NAMES)),
        ("labels.json", json.dumps({"2": "no_tumor", "0": "glioma", "1": "meningioma"})),
        ("labels.json", json.dumps({"no_tumor": 2, "glioma": 0, "meningioma": 1})),
    ],
)
def test_every_layout_gives_the_same_names(file: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(text)
    assert class_names(path) == class_names(str(path)) == NAMES


def test_names_on_the_command_line() -> None:
    assert class_names("glioma, meningioma,no_tumor") == NAMES


def test_a_file_beside_the_model_is_found(tmp_path: Path) -> None:
    assert names_beside(tmp_path / "model.h5") is None
    (tmp_path / "class_indices.json").write_text(json.dumps({"b": 1, "a": 0}))
    assert names_beside(tmp_path / "model.h5") == (("a", "b"), tmp_path / "class_indices.json")


@pytest.mark.parametrize("text", ['{"0": "a", "2": "b"}', '["a", "a"]', '["a", 1]', "{", "[" * 100_000, '["a"]'])
def test_json_that_is_no_list_of_names(text: str) -> None:
    with pytest.raises(BadModel):
        parse(text, Path("labels.json"))


@given(st.text(max_size=200), st.sampled_from([".txt", ".csv", ".json", ".tsv"]))
def test_any_text_is_names_or_a_named_error(text: str, ending: str) -> None:
    try:
        found = parse(text, Path(f"labels{ending}"))
    except BadModel:
        return
    assert len(set(found)) == len(found) >= 2
