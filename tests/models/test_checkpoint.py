import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.errors import BadModel, BadRun
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.records import files

CLASSES = ("glioma", "meningioma", "none")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return build("mobilenetv2_035", "none", CLASSES, name="small", input_size=64, fit="pad", head="dense256", seed=2)


@pytest.fixture
def folder(classifier, tmp_path):
    checkpoint.save(classifier, tmp_path / "small")
    return tmp_path / "small"


def _pixels():
    return np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)


def _edit(folder, **changes):
    record = json.loads((folder / "model.json").read_text())
    record |= changes
    (folder / "model.json").write_text(json.dumps({key: value for key, value in record.items() if value is not ...}))


def test_there_and_back(classifier, folder):
    torch.manual_seed(9)
    state = torch.get_rng_state()
    back = checkpoint.load(folder)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(back.logits(_pixels()), classifier.logits(_pixels()))
    for field in ("name", "classes", "input_size", "layers", "fit", "hash"):
        assert getattr(back, field) == getattr(classifier, field), field
    assert not back.network.training and back.device.type == "cpu"
    assert all(back.about[key] == value for key, value in classifier.about.items() if key not in ("mean", "std"))


def test_the_record(classifier, folder):
    record = json.loads((folder / "model.json").read_text())
    assert record["weights_sha256"] == files.sha256(folder / "model.safetensors") == classifier.hash
    assert record["classes"] == list(CLASSES) and record["input_size"] == [64, 64] and record["fit"] == "pad"
    assert record["backbone"] == record["architecture"] == "mobilenetv2_035" and record["head"] == "dense256"
    assert record["origin"] == "none" and record["training"] is None and record["arguments"] == {}
    assert record["versions"].keys() == {"torch", "timm", "whyscan"}
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]


def test_either_file_names_the_model(classifier, folder):
    for name in ("model.json", "model.safetensors"):
        assert checkpoint.load(folder / name).hash == classifier.hash


def test_saving_again_writes_the_same_bytes_and_can_rename(classifier, folder, tmp_path):
    saved = checkpoint.save(checkpoint.load(folder), tmp_path / "again", name="other")
    assert saved.name == saved.about["name"] == checkpoint.load(tmp_path / "again").name == "other"
    first, second = ((place / "model.safetensors").read_bytes() for place in (folder, tmp_path / "again"))
    assert first == second


def test_what_was_trained_is_kept(classifier, tmp_path):
    about = {**classifier.about, "training": {"epochs": 3, "best_epoch": 2, "note": ""}}
    checkpoint.save(dataclasses.replace(classifier, about=about), tmp_path)
    assert checkpoint.load(tmp_path).about["training"] == about["training"]


def test_the_saved_one_has_the_hash_of_its_present_weights(tmp_path):
    fresh = build("mobilenetv2_035", "none", CLASSES, input_size=64)
    with torch.no_grad():
        fresh.network.head[1].bias += 1
    saved = checkpoint.save(fresh, tmp_path)
    assert saved.hash != fresh.hash and saved.hash == checkpoint.load(tmp_path).hash == saved.about["weights_sha256"]


def test_a_weights_file_of_a_run_serves_as_a_trunk(classifier, folder):
    again = build("mobilenetv2_035", folder / "model.safetensors", ("a", "b"), input_size=64)
    assert torch.equal(again.network.trunk.conv_head.weight, classifier.network.trunk.conv_head.weight)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_missing_files(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadModel, match=f"has no {name}"):
        checkpoint.load(folder)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadModel, match=r"has no model\.json"):
        checkpoint.load(tmp_path / "nowhere")


def test_weights_that_are_not_the_recorded_ones(folder):
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(BadModel, match=r"is not the file that model\.json describes"):
        checkpoint.load(folder)


def test_truncated_weights_with_their_own_hash(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    _edit(folder, weights_sha256=files.sha256(folder / "model.safetensors"))
    with pytest.raises(BadModel, match="cannot be read as safetensors"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": [*CLASSES, "fourth"]},  # a head of another width
        {"classes": ["only"]},
        {"classes": ["a", "a", "b"]},
        {"classes": [1, 2, 3]},
        {"classes": ...},
        {"backbone": "resnet5000"},
        {"architecture": "resnet5000"},
        {"architecture": "test_resnet"},
        {"architecture": "hf-hub:someone/something"},
        {"arguments": {"checkpoint_path": "/etc/passwd"}},
        {"arguments": []},
        {"head": "dense512"},
        {"fit": "crop"},
        {"input_size": [64]},
        {"input_size": [0, 64]},
        {"input_size": [1e6, 1e6]},
        {"mean": [0.5, 0.5]},
        {"std": ["a", "b", "c"]},
        {"weights_sha256": None},
        {"name": 7},
    ],
)
def test_a_record_that_does_not_fit(folder, changes):
    _edit(folder, **changes)
    with pytest.raises(BadModel):
        checkpoint.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_damaged_record(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(BadModel, match=r"model\.json is damaged"):
        checkpoint.load(folder)


@pytest.mark.parametrize("changes", [{"mean": [0.1, 0.2, 0.3]}, {"std": [1, 2, 3]}])
def test_a_normalisation_that_is_not_the_one_in_the_weights(folder, changes):
    _edit(folder, **changes)
    with pytest.raises(BadModel, match="normalis"):
        checkpoint.load(folder)


def test_a_module_of_ones_own_cannot_be_described(tmp_path):
    own = Classifier("own", ("a", "b"), (8, 8), nn.Linear(1, 2), ())
    with pytest.raises(BadModel, match="own does not say its backbone"):
        checkpoint.save(own, tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_folder_that_cannot_be_written(classifier, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="could not be written"):
        checkpoint.save(classifier, tmp_path / "file")


_KILLED = """
import os, sys
from pathlib import Path
import torch
from whyscan.models import checkpoint
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
classifier = checkpoint.load(folder)
with torch.no_grad():
    classifier.network.head[0].bias += 1
replace = Path.replace
def counted(self, target):
    global steps
    if steps == 0:
        os._exit(9)
    steps -= 1
    return replace(self, target)
Path.replace = counted
checkpoint.save(classifier, folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "new"), [(0, False), (1, False), (2, True)])
def test_killed_between_any_two_steps_a_whole_model_is_left(classifier, folder, steps, new):
    """The three steps: the new record is laid beside, the weights are replaced, the record is replaced."""
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(steps)], timeout=120, check=False)
    assert done.returncode == 9
    back = checkpoint.load(folder)
    assert (back.hash != classifier.hash) is new
    assert checkpoint.save(classifier, folder).hash == checkpoint.load(folder).hash == classifier.hash


def test_a_record_that_cannot_take_its_place_is_named(classifier, tmp_path):
    (tmp_path / "small" / "model.json").mkdir(parents=True)
    with pytest.raises(BadRun, match=r"model\.json could not be written"):
        checkpoint.save(classifier, tmp_path / "small")
