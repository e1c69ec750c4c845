from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hub_files
import numpy as np
import pytest
from safetensors.torch import save_file

from whyscan.errors import BadInput, BadModel
from whyscan.models import backbones, checkpoint, stored
from whyscan.study.given import ASSUMED, Given, open_models, read_given, read_headers
from whyscan.training.job import check_trainable

CLASSES = ("meningioma", "glioma", "pituitary")
"""The data's, which are not in alphabetical order."""
PIXELS = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A hub's folder whose config.json names no classes."""
    return hub_files.write(tmp_path / "hub", {"input_size": [3, 64, 64]})


@pytest.fixture
def fetched(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub answers every name with that repository."""
    import huggingface_hub

    def answer(_repo: str, file: str, *, revision: str | None = None) -> str:
        return str(repository / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", answer)


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


def test_an_address_and_a_hubs_name_are_no_paths() -> None:
    texts = ["a=http://127.0.0.1:8765/predict", "b=hf-hub:owner/name@v2", "c=timm:test_resnet.r160_in1k", "d=x.h5"]
    found = {name: each.path for name, each in read_given(texts, "--model").items()}
    assert list(found.values()) == [*(text[2:] for text in texts[:3]), Path("x.h5")]
    bare = read_given(["http://host/p?a=b", "hf-hub:owner/thing@v2", "timm:test_resnet.r1"], "--from", named=False)
    assert list(bare) == ["host", "thing-v2", "test_resnet.r1"]
    assert bare["host"].path == "http://host/p?a=b" and bare["host"].describe()["from"] == "host"
    with pytest.raises(BadInput, match="--model"):
        read_given(["http://host/p?a=b"], "--model")


@pytest.mark.parametrize("source", ["hf-hub:owner/name", "folder"])
@pytest.mark.usefixtures("fetched")
def test_a_hubs_model_is_a_file_that_names_no_classes(source: str, repository: Path, tmp_path: Path) -> None:
    text = str(repository) if source == "folder" else source
    given = read_given([f"m={text}"], "--model")
    model = open_models(given, CLASSES)["m"]
    assert model.classes == tuple(sorted(CLASSES)) and model.about["classes_from"] == ASSUMED
    check_trainable(model, CLASSES)
    found = stored.source_of(model)
    assert found is not None and given["m"].describe()["from_sha256"] == found.sha256

    checkpoint.save(model, tmp_path / "run" / "m")
    for path in repository.iterdir():
        path.unlink()  # neither the hub nor its cache is asked again
    kept = checkpoint.load(tmp_path / "run" / "m")
    np.testing.assert_array_equal(kept.logits(PIXELS), model.logits(PIXELS))
    assert kept.classes == model.classes and kept.name == "m"
    record = (tmp_path / "run" / "m" / "model.json").read_text()
    assert json.loads(record)["origin"] == ("hub" if source == "folder" else source)
    assert str(repository) not in record
    checkpoint.save(kept, tmp_path / "again")
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "again").logits(PIXELS), model.logits(PIXELS))


def test_a_hubs_copy_is_checked_as_a_whole(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    checkpoint.save(open_models({"m": repository}, CLASSES)["m"], folder)
    config = folder / "source" / "original" / "config.json"
    whole = config.read_bytes()
    config.write_bytes(whole + b" ")
    with pytest.raises(BadModel, match=r"config\.json is not the file that model\.json describes"):
        checkpoint.load(folder)
    config.write_bytes(whole)
    (config.parent / "model.json").write_text("{}")
    with pytest.raises(BadModel, match=r"another model\.json"):
        checkpoint.load(folder)
    (config.parent / "model.json").unlink()
    config.unlink()
    with pytest.raises(BadModel, match=r"has no source/original/config\.json"):
        checkpoint.load(folder)


def test_a_state_dict_gets_its_network_from_the_command_line(tmp_path: Path) -> None:
    network = backbones.build("test_resnet", "none", CLASSES, input_size=64, seed=1).network
    state = {name.removeprefix("trunk."): value.clone() for name, value in network.trunk.state_dict().items()}
    state |= {f"fc.{key}": value.detach().clone() for key, value in network.head[-1].state_dict().items()}
    save_file(state, tmp_path / "r.safetensors")
    text = f"m={tmp_path / 'r.safetensors'}"
    with pytest.raises(BadModel, match="--model-backbone NAME="):
        open_models(read_given([text], "--model"), CLASSES)
    for backbone in (["test_resnet"], ["m=test_resnet"]):
        given = read_given([text], "--model", model_backbone=backbone, input_size=["64"])
        assert open_models(given, CLASSES)["m"].classes == tuple(sorted(CLASSES))


def test_a_key_goes_to_the_service_that_it_is_for() -> None:
    one = ["a=http://one/p", "b=b.h5"]
    found = read_given(one, "--model", headers_from_env=["Authorization=KEY"], protocol=["tf-serving"])
    told: dict[str, Any] = {"protocol": "tf-serving", "headers_from_env": {"Authorization": "KEY"}}
    assert found["a"].options == told and found["b"].options == {}
    two = ["a=http://one/p", "b=https://two/p"]
    with pytest.raises(BadInput, match="which model the header is for"):
        read_given(two, "--model", headers_from_env=["Authorization=KEY"])
    found = read_given(two, "--model", headers_from_env=["b=Authorization=KEY"], protocol=["a=npy"])
    assert found["a"].options == {"protocol": "npy"}
    assert found["b"].options == {"headers_from_env": {"Authorization": "KEY"}}
    with pytest.raises(BadInput, match="address of a service"):
        read_given(["b=b.h5"], "--model", protocol=["npy"])
    for texts in (["s3cret"], ["X=", "X=s3cret"], ["=s3cret"], ["X=1", "X=s3cret"]):
        with pytest.raises(BadInput, match="HEADER=VARIABLE") as error:
            read_headers(texts)
        assert "s3cret" not in str(error.value)


def test_what_a_service_answers_gets_the_datas_names() -> None:
    model = open_models({"m": Given("http://127.0.0.1:9/p", {"input_size": 8})}, CLASSES)["m"]
    assert model.classes == tuple(sorted(CLASSES)) and not model.white_box
    record = stored.lent(model)
    assert record["origin"] == "a service at 127.0.0.1" and record["classes_from"] == ASSUMED  # so the report says it
