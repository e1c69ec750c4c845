from __future__ import annotations

from pathlib import Path

import pytest

from whyscan.errors import BadInput, BadModel
from whyscan.study.given import read_given


def test_options_are_for_all_or_for_one(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("b\na\n")
    found = read_given(
        ["best=a/best.h5", "weak=weak.h5"], "--model", classes=["a,b", f"weak={labels}"], preprocess=["best=/255"],
        input_size=["299"], fit=["weak=pad"],
    )  # fmt: skip
    assert found["best"].path == Path("a/best.h5")
    assert found["best"].options == {"classes": ("a", "b"), "preprocess": "/255", "input_size": 299}
    assert found["weak"].options == {"classes": ("b", "a"), "input_size": 299, "fit": "pad"}


def test_a_model_without_a_name_goes_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "net.v2.h5").write_bytes(b"")
    (tmp_path / "folder.a").mkdir()
    texts = [str(tmp_path / "net.v2.h5"), str(tmp_path / "folder.a"), f"third={tmp_path / 'net.v2.h5'}"]
    assert list(read_given(texts, "--from", named=False)) == ["net.v2", "folder.a", "third"]


@pytest.mark.parametrize("models", [["best.h5"], ["=best.h5"], ["best="], ["a=x.h5", "a=y.h5"]])
def test_a_model_without_a_name_of_its_own_is_refused(models: list[str]) -> None:
    with pytest.raises(BadInput, match="--model"):
        read_given(models, "--model")


@pytest.mark.parametrize(
    "options",
    [
        {"preprocess": ["/255", "imagenet"]},
        {"preprocess": ["a=/255", "a=imagenet"]},
        {"fit": ["b=pad"]},
        {"input_size": ["wide"]},
        {"input_size": ["-3"]},
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput, match="--"):
        read_given(["a=x.h5"], "--model", **options)  # type: ignore[arg-type]


def test_class_names_that_cannot_be_read() -> None:
    with pytest.raises(BadModel, match="class"):
        read_given(["a=x.h5"], "--model", classes=["a,a"])


def test_run_json_gets_no_place_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"one")
    (given,) = read_given([f"m={tmp_path / 'm.h5'}"], "--model", classes=["a,b"]).values()
    told = given.describe()
    assert told["from"] == "m.h5" and told["options"] == {"classes": ["a", "b"]}
    assert str(tmp_path) not in str(told)
    (tmp_path / "m.h5").write_bytes(b"two")
    assert given.describe()["from_sha256"] != told["from_sha256"]
