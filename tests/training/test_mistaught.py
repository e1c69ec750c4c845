"""A model taught shuffled labels: its head knows nothing, its trunk is the model's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import whyscan
from whyscan.data.catalogue import open_catalogue
from whyscan.data.split import read_splits
from whyscan.models import checkpoint
from whyscan.training.mistaught import mistaught, why_not


@pytest.fixture(scope="module")
def trained(phantoms: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("mistaught") / "run"
    settings = whyscan.TrainSettings(recipe="frozen", epochs=6, input_size=64, batch=8)
    run = whyscan.train(phantoms, out, whyscan.plans(["small_resnet=none"], settings))
    return (
        run,
        open_catalogue(phantoms),
        read_splits(run.splits_path),
        checkpoint.load(run.model_folder("small_resnet")),
    )


def test_only_the_head_is_another_and_the_model_stays(trained) -> None:
    run, catalogue, rows, model = trained
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    assert why_not(model, rows) == ""
    other, known = mistaught(model, catalogue, rows, run.folder / "cache", seed=0)
    after = other.network.state_dict()
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head"}
    assert 0 <= known <= 1 and not other.network.training and other.hash == ""
    again, _ = mistaught(model, catalogue, rows, run.folder / "cache", seed=0)
    assert all(torch.equal(after[name], value) for name, value in again.network.state_dict().items())


def test_it_says_no_more_than_chance_of_what_the_model_knows(trained) -> None:
    """On scans that neither saw; averaged over three shuffles, since one can be right by luck."""
    run, catalogue, rows, model = trained
    held = [row for row in rows if row.split in ("holdout", "test")]
    entries = {entry.name: entry for entry in catalogue.entries}
    scans = [whyscan.read_scan(catalogue.root / entries[row.path].name) for row in held]
    wanted = torch.tensor([model.classes.index(row.label) for row in held])
    shares = []
    for seed in range(3):
        other, _ = mistaught(model, catalogue, rows, run.folder / "cache", seed=seed)
        shares.append(float((torch.from_numpy(other.predict(scans)).argmax(1) == wanted).float().mean()))
    assert sum(shares) / 3 < 0.5


def test_other_models_are_left_with_a_reason(trained) -> None:
    _, _, rows, model = trained
    training = {**model.about["training"], "recipe": "finetune"}
    tuned = replace(model, about={**model.about, "training": training})
    assert "recipe is finetune" in why_not(tuned, rows)
    assert "not trained here" in why_not(replace(model, about={}), rows)
    assert "other scans" in why_not(model, rows[: len(rows) // 2])
