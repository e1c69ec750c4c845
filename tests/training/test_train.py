from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadRun, Diverged
from whyscan.models import checkpoint
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.predictions import Predictions
from whyscan.training import fit
from whyscan.training.settings import TrainSettings
from whyscan.training.train import train

Data = tuple[Catalogue, tuple[SplitRow, ...]]
FROZEN = TrainSettings(recipe="frozen", epochs=4, batch=8, input_size=48, precision="float32")
FINETUNE = dataclasses.replace(FROZEN, recipe="finetune", epochs=3, head_epochs=2, trunk_learning_rate=1e-4)


@pytest.fixture
def go(squares: Data, tmp_path: Path) -> Callable[..., Classifier]:
    def run(
        settings: TrainSettings, where: str = "m", *, resume: bool = False, progress: Progress = quiet
    ) -> Classifier:
        return train(
            *squares, "test_efficientnet", "none", settings, tmp_path / where / "m", name="m",
            cache=tmp_path / "cache", resume=resume, progress=progress,
        )  # fmt: skip

    return run


def _stop_in(epoch: str, step: int = 1) -> Progress:
    def progress(what: str, done: int, total: int) -> None:
        if epoch in what and done == step:
            raise KeyboardInterrupt

    return progress


def _same(a: Path, b: Path) -> None:
    """Two model folders hold the same weights, curves (but for the time they took), predictions and record."""
    first, second = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert (a / "predictions.csv").read_bytes() == (b / "predictions.csv").read_bytes()
    assert (a / "model.json").read_bytes() == (b / "model.json").read_bytes()
    tables = [[{**row, "seconds": ""} for row in files.read_rows(each / "curves.csv")] for each in (a, b)]
    assert tables[0] == tables[1]


def test_frozen_learns_and_writes_a_model_that_loads(
    go: Callable[..., Classifier], squares: Data, tmp_path: Path
) -> None:
    made, folder = go(FROZEN), tmp_path / "m" / "m"
    found = Predictions.load(folder / "predictions.csv", "m")
    right = found.probabilities.argmax(1) == found.labels
    assert right[found.subset("validation")].mean() >= 0.9
    assert (folder / "curves.png").is_file() and not (folder / "state").exists()
    assert [row["phase"] for row in files.read_rows(folder / "curves.csv")] == ["frozen"] * 4
    loaded, scan = checkpoint.load(folder), read_entry(squares[0].entries[20])
    np.testing.assert_array_equal(loaded.predict(scan), made.predict(scan))
    index = found.paths.index(squares[0].entries[20].name)
    np.testing.assert_allclose(found.probabilities[index], made.predict(scan), atol=1e-4)
    record = json.loads((folder / "model.json").read_text())["training"]
    assert (record["recipe"], record["epochs_run"], record["note"]) == ("frozen", 4, "")
    assert record["arithmetic"] == "float32, channels-last" and record["train_images"] == 48


def test_the_frozen_trunk_stays_and_the_finetuned_one_learns(go: Callable[..., Classifier]) -> None:
    settings = dataclasses.replace(FINETUNE, head_epochs=0, weak_target=None)
    frozen, tuned = go(FROZEN, "a").network.state_dict(), go(settings, "b").network.state_dict()
    trunk = [name for name in frozen if name.startswith("trunk.") and name.endswith("weight")]
    assert all(not torch.equal(frozen[name], tuned[name]) for name in trunk)
    again = go(dataclasses.replace(FROZEN, epochs=1), "c").network.state_dict()
    assert all(torch.equal(frozen[name], again[name]) for name in frozen if name.startswith("trunk."))


def test_a_seed_gives_the_same_model_and_another_seed_another(go: Callable[..., Classifier], tmp_path: Path) -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    go(FINETUNE, "a")
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    torch.rand(7)
    go(FINETUNE, "b")
    _same(tmp_path / "a" / "m", tmp_path / "b" / "m")
    assert go(dataclasses.replace(FINETUNE, seed=1), "c").hash != checkpoint.load(tmp_path / "a" / "m").hash


@pytest.mark.parametrize(
    ("settings", "stop"),
    [
        (FROZEN, "frozen, epoch 2"), (FINETUNE, "head, epoch 1"), (FINETUNE, "head, epoch 2"),
        (FINETUNE, "finetune, epoch 1"), (FINETUNE, "finetune, epoch 2"), (FINETUNE, "finetune, epoch 3"),
        (FINETUNE, "judging"),
    ],
)  # fmt: skip
def test_an_interrupted_training_ends_with_the_same_numbers(
    go: Callable[..., Classifier], tmp_path: Path, settings: TrainSettings, stop: str
) -> None:
    go(settings, "whole")
    step = 24 if stop == "judging" else 3
    with pytest.raises(KeyboardInterrupt):
        go(settings, "parts", progress=_stop_in(stop, step))
    assert not (tmp_path / "parts" / "m" / "model.json").exists()
    seen: list[str] = []
    go(settings, "parts", resume=True, progress=lambda what, done, total: seen.append(what))
    _same(tmp_path / "whole" / "m", tmp_path / "parts" / "m")
    if stop == "finetune, epoch 2":
        assert not any("finetune, epoch 1" in what or "head" in what for what in seen)


def test_a_finished_training_is_loaded(go: Callable[..., Classifier], tmp_path: Path) -> None:
    made = go(FROZEN)
    again = go(FROZEN, resume=True, progress=lambda what, done, total: pytest.fail(what))
    assert again.hash == made.hash
    with pytest.raises(BadRun, match="epochs 4 there, 5 here"):
        go(dataclasses.replace(FROZEN, epochs=5), resume=True)
    with pytest.raises(KeyboardInterrupt):
        go(dataclasses.replace(FROZEN, seed=3), progress=_stop_in("epoch 2"))
    with pytest.raises(BadRun, match="seed 3 there, 4 here"):
        go(dataclasses.replace(FROZEN, seed=4), resume=True)


def test_a_finished_training_is_judged_again_when_its_test_set_has_changed(squares: Data, tmp_path: Path) -> None:
    catalogue, rows = squares
    folder = tmp_path / "m"

    def go(rows: Sequence[SplitRow], progress: Progress = quiet) -> Classifier:
        return train(
            catalogue, rows, "test_efficientnet", "none", dataclasses.replace(FROZEN, epochs=6, weak_target=0.7),
            folder, name="m", cache=tmp_path / "cache", resume=True, progress=progress,
        )  # fmt: skip

    made = go(rows)
    gone = next(row for row in rows if row.split == "test" and not row.leaked)
    fewer = [dataclasses.replace(row, group="other") if row.leaked else row for row in rows if row is not gone]
    seen: list[str] = []
    assert go(fewer, lambda what, done, total: seen.append(what)).hash == made.hash
    assert not any("epoch" in what for what in seen)
    for name in ("m", "m-weak"):
        after = files.read_rows(tmp_path / name / "predictions.csv")
        assert after and gone.path not in {row["path"] for row in after}
        assert {row["group"] for row in after if row["leaked"] == "true"} == {"other"}
    (folder / "predictions.csv").write_text("path,label\n")
    go(fewer)
    assert len(Predictions.load(folder / "predictions.csv", "m").paths) == len(after)


def test_without_resume_an_earlier_training_is_replaced(go: Callable[..., Classifier], tmp_path: Path) -> None:
    go(FINETUNE)
    with pytest.raises(KeyboardInterrupt):
        go(FROZEN, progress=_stop_in("epoch 2"))
    left = {path.name for path in (tmp_path / "m" / "m").iterdir()}
    assert left.isdisjoint({"model.json", "model.safetensors", "predictions.csv"})
    go(FROZEN)
    go(FROZEN, "fresh")
    _same(tmp_path / "m" / "m", tmp_path / "fresh" / "m")


def _nan_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the augmentation answer with NaN once it was called so often (six times an epoch)."""
    real, seen = fit.augment, []

    def poisoned(pixels: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(0)
        return real(pixels, generator) * (float("nan") if len(seen) > calls else 1.0)

    monkeypatch.setattr(fit, "augment", poisoned)


def test_a_loss_that_is_not_a_number_ends_the_training_with_the_best_weights(
    go: Callable[..., Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(FINETUNE, head_epochs=0, weak_target=None)
    _nan_after(9, monkeypatch)
    made = go(settings, "nan")
    rows = files.read_rows(tmp_path / "nan" / "m" / "curves.csv")
    assert len(rows) == 1
    note = made.about["training"]["note"]
    assert "epoch 2" in note and "not a number" in note and "epoch 1 were kept" in note
    assert all(torch.isfinite(tensor).all() for tensor in made.network.state_dict().values())


def test_a_loss_that_never_was_a_number_is_an_error(
    go: Callable[..., Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _nan_after(0, monkeypatch)
    with pytest.raises(Diverged, match="not a number"):
        go(dataclasses.replace(FINETUNE, head_epochs=0))
    assert not (tmp_path / "m" / "m" / "model.json").exists()
    assert not (tmp_path / "m" / "m" / "state").exists()


def test_a_weak_state_of_the_same_backbone_is_kept(go: Callable[..., Classifier], tmp_path: Path) -> None:
    best = go(dataclasses.replace(FROZEN, epochs=6, weak_target=0.7))
    weak = checkpoint.load(tmp_path / "m" / "m-weak")
    found = Predictions.load(tmp_path / "m" / "m-weak" / "predictions.csv", "m-weak")
    rows = found.subset("validation")
    accuracy = (found.probabilities.argmax(1) == found.labels)[rows].mean()
    assert 0.5 <= accuracy <= 0.9
    assert weak.name == "m-weak" and "nearest to 0.7 of those" in weak.about["training"]["note"]
    assert [layer.path for layer in weak.layers] == [layer.path for layer in best.layers]
    ours, theirs = best.network.state_dict(), weak.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name.startswith("trunk."))
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


def _validation_accuracy(folder: Path) -> float:
    found = Predictions.load(folder / "predictions.csv", folder.name)
    return float((found.probabilities.argmax(1) == found.labels)[found.subset("validation")].mean())


@pytest.mark.parametrize("stop", [None, "epoch 2"])
def test_a_weak_state_is_kept_where_the_best_is_no_better_than_the_target(
    go: Callable[..., Classifier], tmp_path: Path, stop: str | None
) -> None:
    settings = dataclasses.replace(FROZEN, weak_target=1.0)
    if stop:
        with pytest.raises(KeyboardInterrupt):
            go(settings, progress=_stop_in(stop))
    go(settings, resume=stop is not None)
    best, weak = (_validation_accuracy(tmp_path / "m" / name) for name in ("m", "m-weak"))
    assert 0.5 <= weak <= best - 0.05 + 1e-9
    record = json.loads((tmp_path / "m" / "m-weak" / "model.json").read_text())["training"]
    assert f"{weak:.3f}, is the nearest to 1.0" in record["note"]


def test_no_weak_state_is_kept_that_is_not_clearly_weaker(go: Callable[..., Classifier], tmp_path: Path) -> None:
    go(dataclasses.replace(FINETUNE, head_epochs=0, epochs=1))  # one state only, the best
    assert not (tmp_path / "m" / "m-weak").exists()


@pytest.mark.parametrize(
    ("drop", "message"),
    [(("train", "upper"), "no training scan of upper"), (("validation", None), "no scan in the validation split")],
)
def test_missing_scans_are_named(squares: Data, tmp_path: Path, drop: tuple[str, str | None], message: str) -> None:
    catalogue, rows = squares
    rows = tuple(row for row in rows if not (row.split == drop[0] and drop[1] in (None, row.label)))
    with pytest.raises(BadData, match=message):
        train(catalogue, rows, "test_efficientnet", "none", FROZEN, tmp_path / "m", name="m", cache=tmp_path / "c")


def test_an_unknown_label_is_named(squares: Data, tmp_path: Path) -> None:
    catalogue, rows = squares
    odd = dataclasses.replace(rows[0], label="metastasis")
    with pytest.raises(BadData, match="'metastasis'"):
        train(
            catalogue, (odd, *rows[1:]), "test_efficientnet", "none", FROZEN, tmp_path / "m", name="m",
            cache=tmp_path / "c",
        )  # fmt: skip


def test_two_processes_cannot_train_in_one_folder(go: Callable[..., Classifier], tmp_path: Path) -> None:
    with files.locked(tmp_path / "m" / "m"), pytest.raises(BadRun, match="another process"):
        go(FROZEN)


def test_every_setting_reaches_the_record(go: Callable[..., Classifier]) -> None:
    settings = dataclasses.replace(FROZEN, epochs=1, fit="pad", class_weights=False, clip=None, label_smoothing=0.0)
    record: dict[str, Any] = dict(go(settings).about["training"])
    given = settings.describe()
    assert {key: record[key] for key in given if key != "head_epochs"} == {
        key: value for key, value in given.items() if key != "head_epochs"
    }


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_numbers(squares: Data, tmp_path: Path) -> None:
    """SIGKILL at three moments, each time resumed by a new process; the fourth ends."""
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import torch
        from whyscan.data.catalogue import open_catalogue
        from whyscan.data.split import read_splits
        from whyscan.training.settings import TrainSettings
        from whyscan.training.train import train

        torch.set_num_threads(1)
        root, splits, out, stop = sys.argv[1:]
        def progress(what, done, total):
            if stop and stop in what and done == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        settings = TrainSettings(epochs=3, head_epochs=2, batch=8, input_size=48, precision="float32")
        train(open_catalogue(root), read_splits(Path(splits)), "test_efficientnet", "none", settings,
              Path(out), name="m", cache=Path(out).parent / "cache", resume=True, progress=progress)
    """)
    from whyscan.data.split import write_splits

    write_splits(tmp_path / "splits.csv", squares[1])

    def run(where: str, stop: str) -> int:
        arguments = [str(squares[0].root), str(tmp_path / "splits.csv"), str(tmp_path / where / "m"), stop]
        return subprocess.run([sys.executable, "-c", script, *arguments], env=dict(os.environ), timeout=300).returncode

    assert run("whole", "") == 0
    for stop in ("head, epoch 2", "finetune, epoch 2", "m-weak: judging"):
        assert run("parts", stop) in (-signal.SIGKILL, 0)
    assert run("parts", "") == 0
    _same(tmp_path / "whole" / "m", tmp_path / "parts" / "m")
    assert not [path for path in (tmp_path / "parts" / "m").rglob("*") if path.suffix == ".part"]
