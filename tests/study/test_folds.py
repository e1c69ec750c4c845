"""Out-of-fold models: nobody judges what it has seen, a cut changes nothing, and other folds are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whyscan import api
from whyscan.cli.main import app
from whyscan.data.catalogue import open_catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import read_splits
from whyscan.errors import BadInput, BadRun
from whyscan.models import checkpoint
from whyscan.progress import Progress, quiet
from whyscan.records.run import Run
from whyscan.study.folds import accuracies, out_of_fold, predictions
from whyscan.study.given import Given
from whyscan.training import parts
from whyscan.training.settings import TrainSettings

NAME = "test_efficientnet"
SETTINGS = TrainSettings(recipe="frozen", epochs=3, batch=8, input_size=32, precision="float32", weak_target=0.3)


def train(data: Path, out: Path, *, folds: int = 3, resume: bool = False, progress: Progress = quiet) -> Run:
    chosen = api.plans([f"{NAME}=none"], SETTINGS)
    return api.train(data, out, chosen, folds=folds, resume=resume, progress=progress)


@pytest.fixture(scope="module")
def folded(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(phantoms, tmp_path_factory.mktemp("folds") / "run")


def test_every_scan_of_the_training_part_is_judged_once_by_a_model_that_did_not_see_it(folded: Run) -> None:
    rows = {row.path: row for row in read_splits(folded.splits_path)}
    own = [row for row in rows.values() if row.split in ("train", "validation", "holdout")]
    whose = out_of_fold(folded, NAME)
    assert list(whose) == [row.path for row in own]
    assert {fold.number for fold in whose.values()} == {1, 2, 3}
    for fold in set(whose.values()):
        held = [row for row in own if whose[row.path] == fold]
        training = checkpoint.load(fold.folder).about["training"]
        assert training["train_images"] + training["validation_images"] == len(own) - len(held)
        assert not {row.group for row in held} & {row.group for row in own if whose[row.path] != fold}


def test_a_folds_record_names_exactly_the_scans_of_the_other_folds(folded: Run) -> None:
    from whyscan.data.folds import fold_numbers, fold_rows

    rows = read_splits(folded.splits_path)
    fold = fold_numbers(rows, 3, seed=0)
    for each in set(out_of_fold(folded, NAME).values()):
        assert parts.trained_here(checkpoint.load(each.folder).about, fold_rows(rows, fold, each.number, seed=0))
        assert not parts.trained_here(checkpoint.load(each.folder).about, rows)


def test_the_table_says_what_the_folds_models_say(folded: Run, phantoms: Path) -> None:
    table, whose = predictions(folded, NAME), out_of_fold(folded, NAME)
    entries = {entry.name: entry for entry in open_catalogue(phantoms).entries}
    for at in (0, 20, 41):
        path = table.paths[at]
        model = whose[path]()
        assert model.name == NAME
        np.testing.assert_allclose(model.predict(read_entry(entries[path])), table.probabilities[at], atol=2e-4)


def test_the_models_of_the_run_are_what_they_are_without_folds(folded: Run, phantoms: Path, tmp_path: Path) -> None:
    plain = api.train(phantoms, tmp_path / "plain", api.plans([f"{NAME}=none"], SETTINGS))
    assert plain.models() == folded.models()
    for name in plain.models():
        assert plain.model(name)["weights_sha256"] == folded.model(name)["weights_sha256"]


def test_scores_are_in_the_results_with_intervals(folded: Run) -> None:
    found, table = accuracies(folded)[NAME], predictions(folded, NAME)
    assert found.value == pytest.approx((table.probabilities.argmax(1) == table.labels).mean())
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert found.n == len(set(table.groups))


def test_a_cut_training_goes_on_to_the_same_result(folded: Run, phantoms: Path, tmp_path: Path) -> None:
    def cut(what: str, done: int, total: int) -> None:
        if "fold 2" in what and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(phantoms, tmp_path / "run", progress=cut)
    assert (tmp_path / "run/models" / NAME / "fold1/model.json").is_file()
    assert not (tmp_path / "run/models" / NAME / "folds.csv").exists()
    said: list[str] = []
    run = train(phantoms, tmp_path / "run", resume=True, progress=lambda what, done, total: said.append(what))
    assert not any("fold 1" in what for what in said), "the finished fold was made again"
    theirs = folded.model_folder(NAME)
    for file in ("folds.csv", "fold1/predictions.csv", "fold3/model.safetensors", "fold2/model.json"):
        assert (run.model_folder(NAME) / file).read_bytes() == (theirs / file).read_bytes()
    again: list[str] = []
    train(phantoms, tmp_path / "run", resume=True, progress=lambda what, done, total: again.append(what))
    assert not any("fold" in what for what in again), "finished folds were made again"


def test_a_weak_model_has_folds_where_each_of_them_has_one(folded: Run) -> None:
    weak = f"{NAME}-weak"
    made = [(folded.folder / "models" / weak / f"fold{number}/model.json").is_file() for number in (1, 2, 3)]
    if all(made):
        assert list(out_of_fold(folded, weak)) == list(out_of_fold(folded, NAME))
    else:
        with pytest.raises(BadRun, match="no folds"):
            out_of_fold(folded, weak)


def test_other_folds_in_the_same_run_are_refused(folded: Run, phantoms: Path) -> None:
    with pytest.raises(BadRun, match="3 folds of another cut"):
        train(phantoms, folded.folder, folds=4, resume=True)


def test_what_cannot_have_folds_is_refused_before_anything_is_read(folded: Run, phantoms: Path, tmp_path: Path) -> None:
    further = {"m": Given(folded.model_folder(NAME))}
    with pytest.raises(BadInput, match="trained further"):
        api.train(phantoms, tmp_path / "run", api.plans([], SETTINGS, further=further), folds=3)
    with pytest.raises(BadInput, match="folds = 1"):
        train(phantoms, tmp_path / "run", folds=1)
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadRun, match="no folds"):
        out_of_fold(folded, "somebody-else")


def test_a_damaged_table_is_named(folded: Run, tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "models/m").mkdir(parents=True)
    text = (folded.model_folder(NAME) / "folds.csv").read_text()
    (tmp_path / "models/m/folds.csv").write_text(text.replace("fold1", "train"))
    with pytest.raises(BadRun, match="damaged"):
        out_of_fold(run, "m")


def test_the_command_trains_folds_and_says_their_accuracies(phantoms: Path, tmp_path: Path) -> None:
    options = [
        "--backbone",
        f"{NAME}=none",
        "--recipe",
        "frozen",
        "--epochs",
        "1",
        "--batch",
        "8",
        "--input-size",
        "32",
    ]
    arguments = ["train", str(phantoms), "--out", str(tmp_path / "run"), *options, "--folds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0
    said = json.loads(result.stdout)["out_of_fold"][NAME]
    assert said["low"] <= said["value"] <= said["high"]
    result = CliRunner().invoke(app, [*arguments, "--resume"])
    assert f"{NAME}: out-of-fold accuracy {said['value']:.3f} [" in result.stdout
