"""A trust run: which scans, what is asked of each, and that a cut run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whyscan
from whyscan.data.catalogue import open_catalogue
from whyscan.data.phantom import phantom
from whyscan.data.split import SplitRow
from whyscan.errors import BadInput, BadModel, BadRun
from whyscan.models.blackbox import black_box
from whyscan.models.load import load
from whyscan.records.attribution import load_all
from whyscan.records.predictions import Predictions
from whyscan.study import trust_scan
from whyscan.study.trust_scan import Depth, judge, usable
from whyscan.study.trust_scans import HELD_OUT, Pool, _distinct, choose
from whyscan.study.trust_settings import TrustSettings
from whyscan.study.trusting import _read
from whyscan.trust import battery, names, table
from whyscan.trust.every import CHANCES
from whyscan.trust.summary import summarise

CLASSES = ["glioma", "meningioma", "no_tumor", "pituitary"]
SETTINGS = TrustSettings(methods=("gradcam", "saliency", "lime"), evaluations=50)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1, stride=2)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, images):
        return self.head(self.second(self.first(images).relu()).relu().mean((2, 3)))


def model(seed: int):
    torch.manual_seed(seed)
    return load(Net(), classes=CLASSES, input_size=48, preprocess="/255")


@pytest.fixture(scope="module")
def judged():
    scan = phantom("glioma", size=48, seed=3)
    return judge({"best": model(0), "weak": model(1)}, scan, SETTINGS, Depth(True, True, True), group="g1")


def test_every_method_and_every_null_is_asked_everything(judged) -> None:
    asked = {(row.model, row.method) for row in judged.rows}
    methods = {*SETTINGS.methods, *(names.NULL + name for name in names.NULLS)}
    assert asked == {(name, method) for name in ("best", "weak") for method in methods}
    for method in methods:
        metrics = {row.metric for row in judged.rows if row.model == "best" and row.method == method}
        assert {*battery.FREE, *battery.FAITHFUL, *battery.STURDY} <= metrics
    assert all(row.status == "measured" or row.reason for row in judged.rows)
    assert not [row for row in judged.rows if row.status == "failed"]


def test_every_layer_has_a_profile(judged) -> None:
    layers = {row.layer for row in judged.rows if row.method == "gradcam" and row.model == "best"}
    assert {"first", "second"} <= layers
    assert {(each["model"], each["layer"]) for each in judged.maps} == {
        (name, layer) for name in ("best", "weak") for layer in ("first", "second")
    }


def test_the_other_tables(judged) -> None:
    assert {row["kind"] for row in judged.flips} == {"models", "classes", "seeds"}
    assert {row["model"] for row in judged.agreement} == {"best", "weak"}
    assert {row["edit"] for row in judged.edits} >= {"skull", "background"}
    assert {(row["model"], row["method"]) for row in judged.turning} == {("best", "lime"), ("weak", "lime")}
    assert [len(each.weights[0]) for each in judged.superpixels] == [
        len(row["places"]["tumour"]) for row in judged.turning
    ]
    json.dumps(judged.document(), allow_nan=False)


def test_the_rows_come_back_from_their_file_and_can_be_summed_up(judged, tmp_path: Path) -> None:
    table.write(tmp_path / "rows.csv", judged.rows)
    rows = table.read(tmp_path / "rows.csv")
    assert len(rows) == len(judged.rows)
    assert [row.value for row in rows] == pytest.approx([row.value for row in judged.rows], nan_ok=True)
    found = summarise(rows, {"best": "best", "weak": "weak", **judged.document()})
    assert len(found["questions"]) == 7 and found["headline"]
    told = {(each["model"], each["method"], each["metric"], each["within"]) for each in found["metrics"]}
    asked = {(row.model, row.method, row.metric, row.within) for row in rows}
    left_out = {each[2] for each in asked - told}  # chance stands beside, and nobody waits for a null explanation
    assert left_out == {*CHANCES, names.EVALUATIONS}
    json.dumps(found, allow_nan=False)


def test_a_scan_without_a_known_tumour_is_judged_by_the_rest() -> None:
    scan = replace(phantom("glioma", size=48, seed=3), region=None)
    found = judge({"best": model(0)}, scan, replace(SETTINGS, methods=("saliency",)), Depth(), group="g1")
    energy = [row for row in found.rows if row.metric == names.ENERGY]
    assert energy and all(row.status == "skipped" and row.reason for row in energy)
    assert any(row.metric == names.GINI and row.status == "measured" for row in found.rows)


def test_a_black_box_is_asked_by_the_methods_that_need_answers_only() -> None:
    box = black_box(lambda pixels: pixels.mean((2, 3)) @ [[1, 0], [0, 1], [0, 0]] / 2, ["a", "b"], 32)
    assert usable(box, SETTINGS.methods) == ["lime"]


def test_settings_that_cannot_serve_are_refused() -> None:
    for wrong in ({"methods": ()}, {"methods": ("gradcan",)}, {"scans": 0}, {"evaluations": 3}, {"seed": -1},
                  {"fill": "black"}):  # fmt: skip
        with pytest.raises(BadInput):
            TrustSettings(**wrong)


def test_budgets_go_to_the_methods_that_have_one() -> None:
    settings = TrustSettings(evaluations="auto", masks=80)
    assert settings.samples("lime") == settings.samples("shap") == "auto"
    assert settings.samples("rise") == 80 and settings.samples("gradcam") is None
    for wrong in ({"evaluations": "plenty"}, {"masks": 3}, {"masks": "auto"}):
        with pytest.raises(BadInput):
            TrustSettings(**wrong)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRun):
        whyscan.trust(tmp_path)


def test_what_a_method_refuses_is_a_row_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BadModel("a layer that overflows", "finite activations", "check the weights")

    monkeypatch.setattr(trust_scan, "explain_layers", refuse)
    scan = phantom("glioma", size=48, seed=3)
    box = replace(SETTINGS, methods=("saliency", "attention_rollout"))
    found = judge({"best": model(0)}, scan, box, Depth(layered=True), group="g1")
    failed = {row.method: row.reason for row in found.rows if row.metric == "explanation"}
    assert set(failed) == {"gradcam", "attention_rollout"} and "overflows" in failed["gradcam"]
    assert any(row.method == "saliency" and row.status == "measured" for row in found.rows)
    assert found.edits


def test_scans_with_the_same_pixels_are_one_case() -> None:
    rows = [SplitRow(path, "a", None, group, "holdout", False, content) for path, group, content in
            (("1", "g", "x"), ("2", "g", "x"), ("3", "h", "y"), ("4", "h", "y"))]  # fmt: skip
    assert [row.path for row in _distinct(rows, {"2"})] == ["2", "3"]


@pytest.mark.parametrize(("wrong", "half"), [(4, 4), (18, 6)])
def test_half_of_a_class_was_answered_wrongly_where_that_can_be(wrong: int, half: int) -> None:
    rows = [SplitRow(str(i), "a", None, f"g{i}", "holdout", False, f"c{i}") for i in range(20)]
    probabilities = np.array([[0.2, 0.8] if i < wrong else [0.8, 0.2] for i in range(20)])
    paths, groups = tuple(row.path for row in rows), tuple(row.group for row in rows)
    splits, leaked = ("holdout",) * 20, np.zeros(20, bool)
    said = Predictions("m", ("a", "b"), paths, np.zeros(20, int), groups, splits, leaked, probabilities)
    pool = Pool(rows, HELD_OUT, [said], set(), {"m": lambda _: None})
    chosen, told = choose(pool, scans=12, seed=0)
    there = sum(int(each.row.path) < wrong for each in chosen)
    # more than half only where right ones do not suffice; the reader is told the number
    assert there == max(half, 12 - (20 - wrong)) and f"{there} of them wrong" in told


def test_a_model_from_elsewhere_may_know_the_scans() -> None:
    pool = Pool([], HELD_OUT, [], set(), {}, ["best"])
    assert "of this run" in pool.told([]) and "whether best learned from" in pool.doubt()
    assert replace(pool, elsewhere=()).doubt() == ""


def test_a_mask_that_does_not_fit_costs_the_localisation_only(phantoms: Path, tmp_path: Path) -> None:
    entry = next(each for each in open_catalogue(phantoms).entries if each.mask is not None)
    scan, notes = _read(entry)
    assert scan.region is not None and notes == []
    wrong = tmp_path / "mask.png"
    Image.new("L", (9, 9), 255).save(wrong)
    scan, notes = _read(replace(entry, mask=wrong))
    assert scan.region is None and notes[0]["source"] == entry.name and "9 x 9" in notes[0]["reason"]


@pytest.mark.slow
def test_a_run_is_judged_and_a_second_call_does_nothing_again(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    whyscan.train(
        phantoms, out, whyscan.plans(["small_resnet=none"], whyscan.TrainSettings(epochs=2, input_size=64, batch=8))
    )
    with pytest.raises(BadRun, match="not compared"):
        whyscan.trust(out)
    whyscan.compare(out)
    settings = TrustSettings(
        methods=("gradcam", "lime"), scans=6, layered=2, faithful=2, sturdy=1, wide=4, evaluations=50
    )
    said: list[str] = []
    first = whyscan.trust(out, settings=settings, checklists=["claim"], say=said.append)
    assert "10 scans by 1 model: some" in said[0] and "forward passes" in said[0] and "robustness and sanity" in said[0]
    assert "the wide sample" in said[0]
    assert [line.split(":")[0] for line in said[1:]] == [f"{left} more scans" for left in (9, 8, 7, 3)]
    wide = table.read(out / "trust" / "wide.csv")
    assert {row.method for row in wide if not names.is_null(row.method)} == {"gradcam"}
    assert first["wide"]["scans"] == len({row.content for row in wide}) == 4
    assert first["wide"]["methods"] == ["gradcam"] and len(first["wide"]["questions"]) == 2
    assert not any(row.metric in battery.FAITHFUL for row in wide)
    assert first["scans"] == 6 and (out / "trust" / "checklist-claim.md").is_file()
    assert "compliant" not in (out / "trust" / "checklist-claim.md").read_text().lower()
    assert first["headline"] in (out / "report.html").read_text().replace("&#39;", "'")
    before = (out / "trust" / "table.csv").read_bytes()
    assert len(first["turned"]["scans"]) == 6 and "Between classes" in (out / "report.html").read_text()
    pictures = {path: path.stat().st_mtime_ns for path in (out / "trust" / "scans").glob("*.npz")}
    assert len(pictures) == 6 and all({each.method for each in load_all(path)} == {"lime"} for path in pictures)
    said.clear()
    again = whyscan.trust(out, settings=settings, say=said.append)
    assert pictures == {path: path.stat().st_mtime_ns for path in (out / "trust" / "scans").glob("*.npz")}
    assert not said and again == first
    form = json.loads((out / "trust" / "attest.template.json").read_text())
    for each in form["statements"]:
        if each["item"] in ("guidelines/G1", "claim/11"):
            each |= {"status": "attested", "who": "Dr A. Becker", "when": "2026-05-02", "statement": "It was asked."}
    (tmp_path / "filled.json").write_text(json.dumps(form))
    whyscan.trust(out, settings=settings, attest=tmp_path / "filled.json")
    later = whyscan.trust(out, settings=settings, checklists=["claim"])
    card = {each["key"]: (each["status"], each["text"]) for each in later["scorecard"]}
    assert card["G1"] == ("attested", "Dr A. Becker, 2026-05-02: It was asked.") and card["G2"][0] == "missing"
    assert "Dr A. Becker, 2026-05-02: It was asked." in (out / "report.html").read_text()
    assert (out / "trust" / "checklist-claim.md").read_text().count("Attested by a person: Dr A. Becker") == 1
    left = json.loads((out / "trust" / "attest.template.json").read_text())["statements"]
    assert {"guidelines/G1", "claim/11"} == {each["item"] for each in form["statements"]} - {e["item"] for e in left}
    with pytest.raises(BadInput, match="states nothing"):
        whyscan.trust(out, settings=settings, attest=out / "trust" / "attest.template.json")
    # another number of them is another few pieces: nothing else is judged again
    whyscan.trust(out, settings=replace(settings, wide=5), say=said.append)
    assert said and said[0].startswith("1 scan by 1 model")
    whyscan.trust(out, settings=replace(settings, wide=0))
    assert not table.read(out / "trust" / "wide.csv")
    assert (out / "trust" / "table.csv").read_bytes() == before
    predictions = whyscan.Run.open(out).predictions("small_resnet")
    assert again["folds"] is False
    figures = {(row["method"], row["metric"]) for row in whyscan.Run.open(out).results() if row["stage"] == "trust"}
    assert {("gradcam", "mean sensitivity-n"), ("null: edges", "mean gini"), ("lime", "mean seconds")} <= figures
    held = {path for path, split in zip(predictions.paths, predictions.splits, strict=True) if split != "train"}
    assert {row.source for row in table.read(out / "trust" / "table.csv")} <= held
