"""Data unlike the set that this was made for: a table, patients, two classes, colour, odd names, no official test."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whyscan import api
from whyscan.data.split import read_splits
from whyscan.records.run import Run

CLASSES = ("gut & böse", "no finding")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 patients with two colour slices each; the ill have a red square."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    with (folder / "scans.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "patient", "scanner"])
        for patient in range(20):
            for slice_ in range(2):
                image = rng.integers(0, 90, (50, 40, 3)).astype(np.uint8)
                if patient % 2 == 0:
                    image[20:32, 10:22, 0] = 230
                name = f"scan {patient}-{slice_}.png"
                Image.fromarray(image).save(folder / name)
                rows.writerow([name, CLASSES[patient % 2], f"Jane Doe {patient}", "x"])
    return folder / "scans.csv"


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = api.TrainSettings(recipe="frozen", epochs=3, batch=8, input_size=48, weak_target=None)
    return api.study(
        table,
        tmp_path_factory.mktemp("runs") / "run",
        chosen=api.plans(["test_resnet=none"], settings),
        settings=api.StudySettings(evaluations=60, located=0),
    )


def test_a_patient_is_never_on_two_sides(run: Run) -> None:
    sides: dict[str | None, set[str]] = {}
    for row in read_splits(run.splits_path):
        sides.setdefault(row.patient, set()).add(row.split)
    assert len(sides) == 20
    assert all(len(each) == 1 for each in sides.values())
    audit = run.audit()
    assert audit is not None and audit["patients_known"] and audit["leaks"] is None


def test_one_model_is_compared_with_nothing_and_says_so(run: Run) -> None:
    comparison = run.comparison()
    assert comparison is not None
    assert comparison["best"] == "test_resnet"
    assert comparison["pairs"] == []
    assert not any("Patients are not known" in sentence for sentence in comparison["text"])


def test_the_gallery_speaks_of_right_and_wrong_in_the_names_of_the_table(run: Run) -> None:
    gallery = run.gallery()
    assert gallery is not None and gallery["scans"]
    assert {scan["case"] for scan in gallery["scans"]} <= {"right", "wrong"}
    assert {scan["label"] for scan in gallery["scans"]} <= set(CLASSES)
    first = gallery["scans"][0]
    (lime,) = run.attributions(first["models"]["test_resnet"]["files"]["lime"])
    assert lime.targets == CLASSES
    assert lime.values.shape == (2, 50, 40)
    assert np.allclose(lime.values[0], -lime.values[1], atol=1e-5)  # two probabilities that add up to one


def test_the_report_shows_the_names_as_text(run: Run) -> None:
    page = run.report_path.read_text(encoding="utf-8")
    assert "gut &amp; böse" in page
    assert "Jane Doe" not in page
