"""A whole study: what it writes, that it resumes, and that it refuses what it cannot use."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from whyscan import api
from whyscan.data.catalogue import Entry
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import read_splits
from whyscan.errors import BadData, BadInput, BadModel, BadRun, BadScan
from whyscan.models.backbones import build
from whyscan.models.weights import serialise
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study import explaining
from whyscan.study import workspace as workspaces
from whyscan.study.ledger import Ledger
from whyscan.study.workspace import split_seed, workspace


def test_every_stage_left_its_record(studied: Run) -> None:
    assert studied.audit() and studied.comparison() and studied.gallery()
    assert {"test_resnet", "test_efficientnet"} <= set(studied.models())
    assert studied.report_path.stat().st_size > 10_000
    stages = {row["stage"] for row in studied.results()}
    assert stages == {"audit", "compare", "explain"}


def test_the_gallery_names_files_that_exist_and_speak_of_their_scan(studied: Run) -> None:
    gallery = studied.gallery()
    assert gallery is not None and gallery["scans"]
    for scan in gallery["scans"]:
        for name, model in scan["models"].items():
            assert set(model["files"]) == {"gradcam", "gradcam-layers", "lime", "shap"}
            for method, path in model["files"].items():
                for attribution in studied.attributions(path):
                    assert attribution.scan == scan["scan"]
                    assert attribution.model == name
                    assert attribution.label == scan["label"]
                    assert attribution.method == method.removesuffix("-layers")
                    assert attribution.predicted == model["predicted"]


def test_lime_and_shap_shared_their_evaluations_and_their_segments(
    studied: Run, quick_settings: api.StudySettings
) -> None:
    gallery = studied.gallery()
    assert gallery is not None
    chosen = gallery["scans"][0]["models"][gallery["models"]["best"]]["files"]
    (lime,), (shap,) = studied.attributions(chosen["lime"]), studied.attributions(chosen["shap"])
    assert lime.segments is not None and shap.segments is not None
    assert np.array_equal(lime.segments, shap.segments)
    assert lime.evaluations == shap.evaluations <= quick_settings.evaluations


def test_no_scan_of_the_gallery_was_trained_on_or_leaked(studied: Run) -> None:
    rows = {row.path: row for row in read_splits(studied.splits_path)}
    gallery = studied.gallery()
    assert gallery is not None
    for scan in gallery["scans"]:
        assert rows[scan["source"]].split in ("validation", "holdout", "test")
        assert not rows[scan["source"]].leaked


def test_the_energy_in_the_lesion_stands_beside_its_chance(studied: Run) -> None:
    rows = [row for row in studied.results() if row["subset"] == "held out, known lesion"]
    assert {row["metric"] for row in rows} >= {"mean energy in lesion"}
    gallery = studied.gallery()
    assert gallery is not None
    for scan in gallery["scans"]:
        for row in scan["evidence"]:
            assert 0 < row["chance"] < 1
            assert row["value"] is None or 0 <= row["value"] <= 1


def test_the_records_name_no_place_of_this_machine(studied: Run, phantoms: Path) -> None:
    for path in (studied.manifest_path, studied.audit_path, studied.gallery_path, studied.report_path):
        assert str(phantoms.parent) not in path.read_text()
    for name in studied.models():
        assert str(studied.folder) not in json.dumps(studied.model(name))


def test_resuming_a_finished_study_makes_nothing_again(
    studied: Run, phantoms: Path, tiny_plans: tuple[api.Plan, ...], quick_settings: api.StudySettings
) -> None:
    before = {path: path.stat().st_mtime_ns for path in studied.folder.rglob("*.npz")}
    before |= {path: path.stat().st_mtime_ns for path in studied.folder.rglob("*.safetensors")}
    report = studied.report_path.read_bytes()
    api.study(phantoms, studied.folder, chosen=tiny_plans, settings=quick_settings, resume=True)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert studied.report_path.read_bytes() == report


@pytest.mark.slow
def test_a_study_that_was_killed_ends_with_the_same_numbers(
    studied: Run, phantoms: Path, tmp_path: Path, tiny_plans: tuple[api.Plan, ...], quick_settings: api.StudySettings
) -> None:
    class Killed(BaseException):
        pass

    def killer(at: str, what: str, done: int, total: int) -> None:
        if what.startswith(at) and done > 0:
            raise Killed

    out = tmp_path / "run"
    for at in ("test_efficientnet", "explaining"):
        with pytest.raises(Killed):
            progress = partial(killer, at)
            api.study(phantoms, out, chosen=tiny_plans, settings=quick_settings, resume=True, progress=progress)
        assert not (out / "report.html").exists()
    run = api.study(phantoms, out, chosen=tiny_plans, settings=quick_settings, resume=True)
    for name in studied.models():
        assert run.model(name)["weights_sha256"] == studied.model(name)["weights_sha256"]
    assert run.comparison() == studied.comparison()
    assert run.gallery() == studied.gallery()


@pytest.mark.slow
def test_models_of_an_earlier_run_serve_without_training(
    studied: Run, phantoms: Path, tmp_path: Path, quick_settings: api.StudySettings
) -> None:
    models = {name: api.load(studied.model_folder(name)) for name in ("test_resnet", "test_efficientnet")}
    run = api.study(
        phantoms,
        tmp_path / "pair",
        models=dict(zip(("best", "weak"), models.values(), strict=True)),
        settings=quick_settings,
    )
    assert run.models() == ["best", "weak"]
    assert np.allclose(run.predictions("best").probabilities, studied.predictions("test_resnet").probabilities)
    assert not any(piece.startswith("train") for piece in Ledger(run.folder / "ledger.jsonl").seconds())
    assert run.report_path.is_file()


def test_a_model_of_other_classes_is_refused(
    studied: Run, phantoms: Path, tmp_path: Path, quick_settings: api.StudySettings
) -> None:
    other = tmp_path / "other"
    shutil.copytree(phantoms, other)
    for part in other.rglob("pituitary"):
        part.rename(part.with_name("normal"))
    model = api.load(studied.model_folder("test_resnet"))
    with pytest.raises(BadData, match="pituitary"):
        api.study(other, tmp_path / "run", models={"best": model}, settings=quick_settings)


def test_two_processes_do_not_share_a_run(phantoms: Path, tmp_path: Path) -> None:
    with files.locked(tmp_path / "run"), pytest.raises(BadRun, match="another process"):
        api.audit(phantoms, tmp_path / "run")


def test_a_run_on_other_data_is_not_continued(studied: Run, tmp_path: Path, phantoms: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(phantoms, other)
    with pytest.raises(BadRun, match="phantoms"):
        api.audit(other, studied.folder, resume=True)


def test_a_changed_file_is_audited_again(phantoms: Path, tmp_path: Path) -> None:
    data = tmp_path / "phantoms"
    shutil.copytree(phantoms, data)
    first = api.audit(data, tmp_path / "run")
    next(data.rglob("Training/glioma/*.png")).unlink()
    second = api.audit(data, tmp_path / "run", resume=True)
    assert second["images"] == first["images"] - 1


def test_a_half_done_training_is_not_wiped_by_training_again(
    phantoms: Path, tmp_path: Path, tiny_plans: tuple[api.Plan, ...]
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if "epoch 3" in what:
            raise KeyboardInterrupt

    out = tmp_path / "run"
    api.audit(phantoms, out)
    with pytest.raises(KeyboardInterrupt):
        api.train(phantoms, out, tiny_plans[:1], progress=stop)
    state = out / "models" / "test_resnet" / "state" / "state.json"
    before = state.read_bytes()
    with pytest.raises(BadRun, match="--resume"):
        api.train(phantoms, out, tiny_plans[:1])
    assert state.read_bytes() == before
    assert api.train(phantoms, out, tiny_plans[:1], resume=True).models()


def test_another_weights_file_of_the_same_name_is_refused(
    studied: Run, phantoms: Path, tmp_path: Path, tiny_plans: tuple[api.Plan, ...]
) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes((studied.model_folder("test_resnet") / "model.safetensors").read_bytes())
    plan = replace(tiny_plans[0], weights=str(weights))
    api.train(phantoms, tmp_path / "run", [plan])
    other = build("test_resnet", "none", ["a", "b"], seed=9)
    weights.write_bytes(serialise(other.network))
    with pytest.raises(BadRun, match="trunk"):
        api.train(phantoms, tmp_path / "run", [plan], resume=True)


@pytest.mark.parametrize(("backbone", "weights"), [("mobilenet_v9", "none"), ("vgg16", "gone"), ("vgg16", "other")])
def test_a_mistake_in_the_second_plan_is_found_before_the_audit(
    studied: Run, phantoms: Path, tmp_path: Path, tiny_plans: tuple[api.Plan, ...], backbone: str, weights: str
) -> None:
    if weights != "none":
        weights = str(tmp_path / f"{weights}.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors", {"timm_model": "resnet18"})
    chosen = (tiny_plans[0], replace(tiny_plans[1], name="second", backbone=backbone, weights=weights))
    for verb in (api.train, api.study):
        with pytest.raises(BadModel):
            verb(phantoms, tmp_path / "run", chosen=chosen)
    assert not (tmp_path / "run").exists()


def test_a_models_name_that_leads_out_of_the_run_is_refused_before_the_audit(
    studied: Run, phantoms: Path, tmp_path: Path
) -> None:
    model = api.load(studied.model_folder("test_resnet"))
    with pytest.raises(BadInput, match="escaped"):
        api.study(phantoms, tmp_path / "run", models={"best": model, "../../escaped": model})
    assert list(tmp_path.iterdir()) == []


def test_the_seed_of_the_audit_holds_for_the_run(
    phantoms: Path, tmp_path: Path, tiny_plans: tuple[api.Plan, ...], quick_settings: api.StudySettings
) -> None:
    out = tmp_path / "run"
    api.audit(phantoms, out, seed=3)
    before = read_splits(out / "splits.csv")
    for asked in (0, 4):
        with pytest.raises(BadRun, match=f"seed 3, and seed {asked}"):
            api.train(phantoms, out, tiny_plans[:1], seed=asked)
    with pytest.raises(BadRun, match="seed 3, and seed 0"):
        api.study(phantoms, out, chosen=tiny_plans[:1], settings=quick_settings, resume=True)
    run = api.train(phantoms, out, tiny_plans[:1])
    assert read_splits(out / "splits.csv") == before
    audit = run.audit()
    assert audit is not None and audit["seed"] == 3
    assert split_seed(run, 3) == split_seed(run, None) == 3
    assert (split_seed(Run(tmp_path), None), split_seed(Run(tmp_path), 5)) == (0, 5)


def test_the_versions_that_began_a_run_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def touch() -> dict[str, Any]:
        with workspace(tmp_path / "run", None, {}, resume=True) as run:
            return dict(run.manifest())

    first = touch()
    assert "later_versions" not in touch()
    monkeypatch.setattr(workspaces, "versions", lambda: {**first["versions"], "torch": "99.0"})
    touch()
    last = touch()
    assert last["versions"] == first["versions"]
    assert [each["torch"] for each in last["later_versions"]] == ["99.0"]


def test_a_scan_that_cannot_be_explained_is_named_and_the_rest_goes_on(
    studied: Run, phantoms: Path, tmp_path: Path, quick_settings: api.StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def reads(entry: Entry) -> Scan:
        asked.append(entry.name)
        if entry.name == asked[0]:
            raise BadScan(f"{entry.name} is gone", "a scan", "copy it again")
        return read_entry(entry)

    monkeypatch.setattr(explaining, "read_entry", reads)
    models = {"best": api.load(studied.model_folder("test_resnet"))}
    run = api.study(phantoms, tmp_path / "run", models=models, settings=replace(quick_settings, located=0))
    found = run.gallery()
    assert found is not None
    assert [each["source"] for each in found["failed"]] == [asked[0]]
    assert {scan["source"] for scan in found["scans"]} == set(asked[1:])
    assert "copy it again" in run.report_path.read_text()
