"""From scans to a report, verb by verb, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from whyscan.cli import model_commands
from whyscan.cli.main import app
from whyscan.models.load import load
from whyscan.records.attribution import load_all


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def trained(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("runs") / "run"
    options = ["--recipe", "frozen", "--epochs", "2", "--epochs", "test_resnet=3", "--input-size", "64"]
    backbones = ["--backbone", "test_resnet=none", "--backbone", "test_efficientnet=none"]
    return out, call("train", phantoms, *backbones, *options, "--out", out)


def test_train_says_what_it_made_and_what_comes_next(trained: tuple[Path, Result]) -> None:
    out, result = trained
    assert result.exit_code == 0, result.output
    assert "test_resnet: validation accuracy" in result.stdout
    assert f"whyscan compare {out}" in result.stdout
    epochs = (out / "models" / "test_resnet" / "curves.csv").read_text().splitlines()
    assert len(epochs) == 1 + 3


def test_compare_then_report(trained: tuple[Path, Result]) -> None:
    out, _ = trained
    compared = call("compare", out)
    assert compared.exit_code == 0, compared.output
    assert "is best on validation" in compared.stdout
    assert json.loads(call("compare", out, "--json").stdout)["best"] in ("test_resnet", "test_efficientnet")
    assert call("report", out).stdout.strip() == str(out / "report.html")
    assert json.loads(call("report", out, "--json").stdout) == {"report": str(out / "report.html")}


def test_explain_every_layer_and_both_perturbation_methods(
    trained: tuple[Path, Result], phantoms: Path, tmp_path: Path
) -> None:
    out, _ = trained
    scan = sorted(phantoms.rglob("Testing/glioma/*.png"))[0]
    options = ["--method", "gradcam", "--method", "lime", "--method", "shap", "--layers", "all", "--label", "gli"]
    result = call("explain", out / "models" / "test_resnet", scan, *options, "--samples", 60, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    layers = load_all(tmp_path / f"{scan.stem}.gradcam.npz")
    assert len(layers) > 3
    assert {each.label for each in layers} == {"glioma"}
    for method in ("gradcam", "lime", "shap"):
        assert f"{scan.stem}.{method}.npz" in result.stdout
        with Image.open(tmp_path / f"{scan.stem}.{method}.png") as picture:
            assert min(picture.size) > 200


def test_everything_that_a_method_can_be_told_is_told_from_the_shell(
    trained: tuple[Path, Result], phantoms: Path, tmp_path: Path
) -> None:
    out, _ = trained
    scan = sorted(phantoms.rglob("Testing/glioma/*.png"))[0]
    with Image.open(scan) as image:
        labels = np.arange(image.width) * 3 // image.width * np.ones((image.height, 1), int)
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "cut.png")
    first, *_, last = (layer.name for layer in load(out / "models" / "test_resnet").layers)
    result = call(
        "explain", out / "models" / "test_resnet", scan, "--out", tmp_path / "o",
        "--method", "gradcam", "--method", "shap", "--method", "gradient_shap",
        "--layers", last, "--layers", first, "--targets", "meningioma", "--targets", "glioma-meningioma",
        "--superpixels", tmp_path / "cut.png", "--references", scan.parent, "--samples", 8, "--fit", "stretch",
        "--scores", "auto", "--no-pictures",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert not list((tmp_path / "o").glob("*.png"))
    found = {
        name: load_all(tmp_path / "o" / f"{scan.stem}.{name}.npz") for name in ("gradcam", "shap", "gradient_shap")
    }
    assert [each.layer for each in found["gradcam"]] == [first, last]
    assert {each.targets for each in found["gradcam"]} == {("meningioma", "glioma-meningioma")}
    assert found["shap"][0].settings["labels"] == [0, 1, 2]
    assert "given" in found["gradient_shap"][0].settings["references"]
    refused = call("explain", "m.onnx", scan, "--out", tmp_path / "n", "--fit", "squeeze")
    assert "fit 'squeeze'" in refused.stderr


def test_layers_that_cannot_serve_are_named(trained: tuple[Path, Result], phantoms: Path, tmp_path: Path) -> None:
    model, scan = trained[0] / "models" / "test_efficientnet", next(phantoms.rglob("*.png"))
    result = call("explain", model, scan, "--layers", "all", "--no-pictures", "--out", tmp_path)
    (said,) = (line for line in result.stderr.splitlines() if "its output has no grid" in line)
    assert said.startswith("--layers all: ") and " cannot serve (" in said and "se.conv_reduce" in said
    assert said.removeprefix("--layers all: ") in call("doctor", model).stdout


def test_layers_of_two_models(trained: tuple[Path, Result], phantoms: Path, tmp_path: Path) -> None:
    models = trained[0] / "models"
    given = [models / "test_resnet", f"other={models / 'test_efficientnet'}"]
    result = call("layers", *given, "--data", phantoms, "--scans", 6, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for name in ("test_resnet", "other"):
        assert f"{name}: " in result.stdout and (tmp_path / "out" / f"{name}.png").is_file()
    again = call("layers", *given, "--data", phantoms, "--scans", 6, "--out", tmp_path / "out", "--json")
    assert "\n".join(json.loads(again.stdout)["text"]) in result.stdout
    refused = call("layers", f"a/b={models / 'test_resnet'}", "--data", phantoms, "--out", tmp_path / "no")
    assert refused.exit_code == 2 and "the model name 'a/b'" in refused.stderr and not (tmp_path / "no").exists()


def test_explain_goes_on_past_a_bad_file_and_says_so(
    trained: tuple[Path, Result], phantoms: Path, tmp_path: Path
) -> None:
    out, _ = trained
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    good = sorted(phantoms.rglob("Testing/glioma/*.png"))[0]
    result = call("explain", out / "models" / "test_resnet", bad, good, "--out", tmp_path / "o", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [each["source"] for each in document["failed"]] == ["bad.png"]
    assert [each["source"] for each in document["scans"]] == [good.name]


def test_a_method_that_fails_is_named_and_the_others_are_written(trained: tuple[Path, Result], tmp_path: Path) -> None:
    out, _ = trained
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(tmp_path / "flat.png")
    asked = [
        "explain",
        out / "models" / "test_resnet",
        tmp_path / "flat.png",
        "--method",
        "lime",
        "--method",
        "gradcam",
    ]
    told = call(*asked, "--out", tmp_path / "o")
    assert told.exit_code == 1
    assert "flat.png: lime: hiding any superpixel" in told.stderr and "hiding" not in told.stdout
    assert (tmp_path / "o" / "flat.gradcam.npz").is_file() and "flat.gradcam.npz" in told.stdout
    result = call(*asked, "--out", tmp_path / "p", "--json")
    assert result.exit_code == 1
    (failed,) = json.loads(result.stdout)["failed"]
    assert (failed["source"], failed["methods"]) == ("flat.png", ["lime"]) and "hiding" in failed["error"]


def test_what_a_map_rests_on_is_told(trained: tuple[Path, Result], phantoms: Path, tmp_path: Path) -> None:
    out, _ = trained
    scan = sorted(phantoms.rglob("Testing/glioma/*.png"))[0]
    options = ["--method", "gradcam", "--method", "lime", "--samples", 60, "--engine", "float32", "--targets", "glioma"]
    asked = ["explain", out / "models" / "test_resnet", scan, *options, "--out", tmp_path]
    cam, lime = json.loads(call(*asked, "--json").stdout)["scans"][0]["maps"]
    saved = load_all(tmp_path / f"{scan.stem}.lime.npz")[0]
    assert (cam["method"], cam["evaluations"], cam["converged"], cam["deviation"]) == ("gradcam", None, None, None)
    assert cam["layer"] == load(out / "models" / "test_resnet").layer("last").name and len(cam["diagnosis"]) == 1
    assert (lime["targets"], lime["evaluations"], lime["engine"]) == (["glioma"], saved.evaluations, "torch float32")
    told = call(*asked).stdout
    assert f"  lime: {saved.evaluations} evaluations, " in told and f"  gradcam: layer {cam['layer']}, " in told


@pytest.mark.slow
def test_a_study_of_models_that_exist_takes_their_names(
    trained: tuple[Path, Result], phantoms: Path, tmp_path: Path
) -> None:
    out, _ = trained
    models = [f"--model=best={out / 'models' / 'test_resnet'}", f"--model=weak={out / 'models' / 'test_efficientnet'}"]
    result = call("study", phantoms, *models, "--samples", 60, "--out", tmp_path / "pair")
    assert result.exit_code == 0, result.output
    assert f"report: {tmp_path / 'pair' / 'report.html'}" in result.stdout


def test_scans_that_fail_alike_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def failed(source: str, method: str, error: str) -> dict[str, Any]:
        return {"source": source, "methods": [method], "error": error}

    written = {
        "scans": [{"source": "d", "predicted": "a", "probability": 1.0, "maps": [], "files": [], "reading": []}],
        "failed": [failed(each, "gradcam" if each in "abc" else "lime", "no finite value") for each in "abcd"],
        "unserving": {}, "volumes": [],
    }  # fmt: skip
    model_commands._say_explained(written)
    assert capsys.readouterr().err.splitlines() == ["a and 2 more: no finite value", "d: lime: no finite value"]
