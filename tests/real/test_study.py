"""A small study on real scans, with real ImageNet weights, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.records.run import Run


@pytest.fixture(scope="module")
def some_scans(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 training and 6 test scans of each class, those with a mask first."""
    source, chosen = shared / "data" / "brain-tumor-mri", tmp_path_factory.mktemp("data") / "some"

    def mask(scan: Path) -> Path:
        return (source / "masks" / scan.relative_to(source)).with_suffix(".png")

    for part, count in (("Training", 40), ("Testing", 6)):
        for folder in sorted((source / part).iterdir()):
            scans = sorted(folder.glob("*.jpg"), key=lambda scan: (not mask(scan).is_file(), scan.name))
            for scan in scans[:count]:
                for file in (scan, mask(scan)):
                    if file.is_file():
                        copy = chosen / file.relative_to(source)
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(file, copy)
    return chosen


@pytest.mark.real
@pytest.mark.slow
def test_a_study_of_real_scans_from_the_command_line(shared: Path, some_scans: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "mobilenetv2_035.imagenet.safetensors"
    out = tmp_path / "run"
    arguments = ["study", some_scans, "--backbone", f"mobilenetv2_035={weights}", "--recipe", "frozen"]
    arguments += ["--epochs", "12", "--input-size", "160", "--samples", "60", "--out", out, "--json"]
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["report"] == str(out / "report.html")

    run = Run.open(out)
    accuracy = next(
        row for row in run.results()
        if (row["metric"], row["model"], row["subset"]) == ("accuracy", "mobilenetv2_035", "holdout")
    )  # fmt: skip
    assert float(accuracy["low"]) > 0.3  # a quarter would be chance
    page = run.report_path.read_text()
    assert "not a medical device" in page.lower()
    assert str(shared) not in page
    gallery = run.gallery()
    assert gallery is not None
    labels = {scan["label"] for scan in gallery["scans"]}
    assert labels == {"glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"}
    assert any(scan["region"] for scan in gallery["scans"])
