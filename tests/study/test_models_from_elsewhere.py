"""A study of models that were not made here: taken in as they are, judged, explained, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from whyscan import api
from whyscan.cli.main import app
from whyscan.data.catalogue import open_catalogue
from whyscan.data.read import read_entry
from whyscan.errors import BadData, BadModel
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.records.run import Run
from whyscan.study.given import ASSUMED, Given

SETTINGS = api.StudySettings(evaluations=50, located=2)
OPTIONS = {"backbone": "test_resnet", "input_size": 64}


def state_dict(folder: Path, name: str, classes: tuple[str, ...], seed: int) -> Path:
    """A ResNet as somebody else would have saved it; the file names no classes."""
    network = build("test_resnet", "none", classes, input_size=64, seed=seed).network
    state = {name.removeprefix("trunk."): value.clone() for name, value in network.trunk.state_dict().items()}
    state |= {f"fc.{key}": value.detach().clone() for key, value in network.head[-1].state_dict().items()}
    save_file(state, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


@pytest.fixture(scope="module")
def classes(phantoms: Path) -> tuple[str, ...]:
    return open_catalogue(phantoms).classes


@pytest.fixture(scope="module")
def originals(classes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("theirs")
    return state_dict(folder, "strong", classes, 1), state_dict(folder, "feeble", classes, 2)


@pytest.fixture(scope="module")
def given(classes: tuple[str, ...], originals: tuple[Path, Path]) -> dict[str, Given]:
    """The first with its classes in another order and another spelling, the second without any."""
    named = tuple(f"{name.upper()} Tumour" for name in reversed(classes))
    return {"best": Given(originals[0], {**OPTIONS, "classes": named}), "weak": Given(originals[1], OPTIONS)}


@pytest.fixture(scope="module")
def pair(phantoms: Path, given: dict[str, Given], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.study(phantoms, tmp_path_factory.mktemp("elsewhere") / "pair", models=given, settings=SETTINGS)


def test_they_are_judged_by_their_own_answers_under_the_datas_names(
    pair: Run, phantoms: Path, given: dict[str, Given], classes: tuple[str, ...]
) -> None:
    entries = {entry.name: entry for entry in open_catalogue(phantoms).entries}
    for name in ("best", "weak"):
        found, opened = pair.predictions(name), api.load(given[name].path, **given[name].options)
        assert found.classes == (classes[::-1] if name == "best" else classes)
        for row in (0, len(found.paths) - 1):
            wanted = opened.predict(read_entry(entries[found.paths[row]]))
            np.testing.assert_allclose(found.probabilities[row], wanted, atol=1e-4)


def test_nothing_was_trained_and_the_report_shows_both(pair: Run, classes: tuple[str, ...]) -> None:
    assert pair.models() == ["best", "weak"] and not pair.curves("best")
    compared, gallery = pair.comparison(), pair.gallery()
    assert compared is not None and gallery is not None and gallery["scans"]
    assert {model["name"]: model["trained_here"] for model in compared["models"]} == {"best": None, "weak": None}
    assert (compared["pair"]["strong"], compared["pair"]["weak"]) == ("best", "weak")
    for scan in gallery["scans"]:
        assert set(scan["models"]) == {"best", "weak"}
        for each in scan["models"].values():
            assert set(each["files"]) == {"gradcam", "gradcam-layers", "lime", "shap"}
    page = pair.report_path.read_text()
    assert "It is not known that best and weak learned from this run" in page
    assert f"weak does not name its classes: its scores were taken for {', '.join(sorted(classes))}" in page
    assert "best does not name its classes" not in page
    text = " ".join(compared["text"])
    assert f"weak does not name its classes: its scores were taken for {', '.join(sorted(classes))}" in text


def test_the_record_says_where_they_came_from_and_no_place_of_the_machine(
    pair: Run, originals: tuple[Path, Path]
) -> None:
    best, weak = pair.model("best"), pair.model("weak")
    assert (best["kind"], best["origin"], best["training"]) == ("file", "strong.safetensors", None)
    assert weak["classes_from"] == ASSUMED and "classes_from" not in best
    for path in (pair.manifest_path, pair.model_folder("best") / "model.json", pair.report_path):
        assert str(originals[0].parent) not in path.read_text()


def test_a_resumed_study_makes_nothing_again_although_the_originals_have_changed_places(
    pair: Run, phantoms: Path, given: dict[str, Given], tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in pair.folder.rglob("*.npz")}
    before |= {path: path.stat().st_mtime_ns for path in (pair.folder / "models").rglob("*.*")}
    moved = {}
    for name, each in given.items():
        path = tmp_path / each.path.name
        path.write_bytes(each.path.read_bytes())
        moved[name] = Given(path, each.options)
    api.study(phantoms, pair.folder, models=moved, settings=SETTINGS, resume=True)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_what_the_run_keeps_is_a_model_like_any_other(pair: Run, given: dict[str, Given], tmp_path: Path) -> None:
    opened, kept = api.load(given["best"].path, **given["best"].options), api.load(pair.model_folder("best"))
    pixels = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)
    np.testing.assert_array_equal(kept.logits(pixels), opened.logits(pixels))
    assert kept.layers == opened.layers and kept.name == "best"
    again = checkpoint.save(kept, tmp_path / "again", name="other")
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "again").logits(pixels), opened.logits(pixels))
    assert again.name == "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../../secret.safetensors"},
        {"file": "/etc/passwd"},
        {"sha256": "0" * 64},
        {"sha256": 7},
        {"kind": "pickle"},
        {"kind": ["file"]},
        {"classes": ["a", "b"]},
        {"classes": ["a", "a", "a", "a"]},
        {"input_size": [65, 64]},
        {"options": []},
        {"options": {"cls": "x"}},
        {"options": {"path": "/etc/passwd"}},
        {"weights_sha256": "0" * 64},
        {"weights_sha256": None},
    ],
)
def test_a_record_that_does_not_fit_is_refused(pair: Run, tmp_path: Path, changes: dict[str, object]) -> None:
    folder = tmp_path / "m"
    checkpoint.save(checkpoint.load(pair.model_folder("best")), folder)
    record = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(BadModel):
        checkpoint.load(folder)


def test_a_changed_or_missing_copy_is_refused(pair: Run, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    checkpoint.save(checkpoint.load(pair.model_folder("best")), folder)
    (copy,) = (folder / "source").iterdir()
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BadModel, match="is not the file that"):
        checkpoint.load(folder)
    copy.unlink()
    with pytest.raises(BadModel, match="has no source"):
        checkpoint.load(folder)


def test_other_classes_are_refused_with_both_lists(
    phantoms: Path, originals: tuple[Path, Path], tmp_path: Path
) -> None:
    names = ("north", "east", "south", "west")
    with pytest.raises(BadData, match="north, east, south, west"):
        api.study(phantoms, tmp_path / "run", models={"best": Given(originals[0], {**OPTIONS, "classes": names})})
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_function_is_compared_and_explained_by_its_answers_alone(
    phantoms: Path, classes: tuple[str, ...], given: dict[str, Given], tmp_path: Path
) -> None:
    asked = 0

    def predict(pixels: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(pixels)
        parts = pixels[:, 0].reshape(len(pixels), 4, -1).mean(2)[:, : len(classes)]
        return np.asarray(parts / parts.sum(1, keepdims=True))

    box: Classifier = api.black_box(predict, classes, 64, hash="of this function")
    models = {"best": box, "weak": given["weak"]}
    run = api.study(phantoms, tmp_path / "run", models=models, settings=SETTINGS)
    gallery = run.gallery()
    assert gallery is not None and asked
    for scan in gallery["scans"]:
        assert set(scan["models"]["best"]["files"]) == {"lime", "shap"}
    assert "Grad-CAM, last layer of best was not made." in run.report_path.read_text()
    with pytest.raises(BadModel, match="lent to its run in memory"):
        checkpoint.load(run.model_folder("best"))
    before = asked
    api.study(phantoms, run.folder, models=models, settings=SETTINGS, resume=True)
    assert asked == before


def test_from_the_command_line(phantoms: Path, pair: Run, tmp_path: Path) -> None:
    """A run's own folders go in by their names, and one of them learns on."""
    out = tmp_path / "further"
    done = CliRunner().invoke(
        app,
        ["train", str(phantoms), "--from", f"again={pair.model_folder('weak')}", "--epochs", "1", "--batch", "64",
         "--recipe", "frozen", "--out", str(out), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    record = Run(out).model("again")
    assert record["training"]["from"]["name"] == "weak" and record["training"]["from"]["data"] == [None]
    assert json.loads(Run(out).manifest_path.read_text())["asked"]["models"]["again"]["from"] == "weak"
    first, then = checkpoint.load(pair.model_folder("weak")), checkpoint.load(Run(out).model_folder("again"))
    assert first.layers == then.layers and not torch.equal(
        next(reversed(first.network.state_dict().values())), next(reversed(then.network.state_dict().values()))
    )
