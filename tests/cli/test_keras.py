"""The three commands that somebody with a Keras file types first, and what they write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras_files
import made_series
import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.data.phantom import phantom
from whyscan.data.read import read_scan
from whyscan.models.load import load
from whyscan.records.attribution import Attribution, load_all

CLASSES = ("glioma", "meningioma", "no tumor", "pituitary")
BRIGHT, DARK = 0.53, 0.47
"""So near to each other that only pixels / 255 put the two on the two sides of what the model has learned."""


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result


def model_of_four(path: Path) -> Path:
    path.with_name("labels.txt").write_text("\n".join(CLASSES))
    return keras_files.write(path, 4)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Twelve bright and twelve dark pictures."""
    random = np.random.default_rng(0)
    for label, level in (("bright", BRIGHT), ("dark", DARK)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(255 * random.normal(level, 0.02, (48, 48)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path / "data"


def test_doctor_says_what_the_file_is_and_what_it_was_trained_with(two: Path, tmp_path: Path) -> None:
    model = keras_files.write(tmp_path / "model.h5", 2, brightest=True)
    said = call("doctor", model, "--data", two, "--out", tmp_path / "out").stdout
    assert "model (Keras 2.4.0 h5)" in said and "48 x 48 pixels" in said
    assert "/255, a guess: " in said and "softmax over 2; the logits before it are used" in said
    assert "bright, dark (the data's folders" in said
    assert "stem             24 x 24 x 8" in said and "block2_sepconv1  12 x 12 x 12" in said
    assert "24 labelled scans" in said and "\nTrained with /255: right on 100%" in said
    assert (tmp_path / "out" / "doctor.txt").read_text().strip() == said.strip()
    document = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert document["checkup"]["fits"] == ["/255"] and document["checkup"]["candidates"][0]["accuracy"] == 1
    assert [each["shape"] for each in document["model"]["layers"]] == [[24, 24, 8], [12, 12, 12]]
    with Image.open(tmp_path / "out" / "doctor.png") as picture:
        assert min(picture.size) > 200


def test_doctor_on_the_real_scans(shared: Path, tmp_path: Path) -> None:
    model = keras_files.write(tmp_path / "model.h5", 4)
    data = shared / "data" / "brain-tumor-mri"
    found = json.loads(call("doctor", model, "--data", data, "--scans", 24, "--json").stdout)
    assert found["model"]["classes"] == ["glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"]
    assert (found["checkup"]["scans"], found["checkup"]["unread"]) == (24, 0)
    assert {each["name"] for each in found["checkup"]["candidates"]} == {
        "/255", "x/127.5-1", "imagenet", "caffe", "0..255",
    }  # fmt: skip
    assert found["checkup"]["verdict"] == "cannot tell"  # its weights are random


def check_layers(model: Path, scan: Path, out: Path) -> None:
    """The second command: what it says and writes is what the model answers, layer by layer, class by class."""
    options = ("--method", "gradcam", "--layers", "all", "--targets", "all", "--out", out)
    said = call("explain", model, scan, *options).stdout
    assert {each.name for each in out.iterdir()} == {f"{scan.stem}.gradcam.npz", f"{scan.stem}.gradcam.png"}
    classifier = load(model)
    expected = classifier.predict(read_scan(scan))
    predicted = CLASSES[int(expected.argmax())]
    assert f"{scan.name}: {predicted} ({expected.max():.3f})" in said
    layers: Sequence[Attribution] = load_all(out / f"{scan.stem}.gradcam.npz")
    assert [each.layer for each in layers] == ["stem", "block2_sepconv1"]
    for each, grid in zip(layers, ((24, 24), (12, 12)), strict=True):
        assert (each.targets, each.method, each.predicted) == (CLASSES, "gradcam", predicted)
        assert each.maps is not None and each.maps.shape == (4, *grid) and np.isfinite(each.maps).all()
        assert each.maps.min() >= 0 and all(map_.max() > 0 for map_ in each.maps)
        assert len({map_.tobytes() for map_ in each.maps}) == 4  # each class has a map of its own
        np.testing.assert_allclose([each.probability(name) for name in CLASSES], expected, atol=1e-6)
    with Image.open(out / f"{scan.stem}.gradcam.png") as picture:
        assert picture.height > 4 * 150  # a strip for each class


def test_gradcam_of_all_layers_for_all_classes(tmp_path: Path) -> None:
    pixels = phantom("glioma", seed=3).pixels[0]
    Image.fromarray((255 * pixels).astype(np.uint8)).save(tmp_path / "scan.jpg")
    check_layers(model_of_four(tmp_path / "model.h5"), tmp_path / "scan.jpg", tmp_path / "out")


def test_gradcam_of_all_layers_on_a_real_scan(shared: Path, tmp_path: Path) -> None:
    scan = shared / "data" / "brain-tumor-mri" / "Testing" / "pituitary_tumor" / "image(1).jpg"
    check_layers(model_of_four(tmp_path / "model.h5"), scan, tmp_path / "out")


def check_series(model: Path, series: Path, out: Path, chosen: Sequence[object], slices: int) -> None:
    """The third command: LIME as objects of the patient's study, which pydicom reads back."""
    pytest.importorskip("highdicom")
    import pydicom

    options = ("--method", "lime", "--samples", 40, *chosen, "--export", "dicom", "--out", out)
    said = call("explain", model, series, *options).stdout
    records = [load_all(path)[0] for path in sorted(out.glob("*.lime.npz"))]
    assert len(records) == slices and {each.method for each in records} == {"lime"}
    files = {kind: sorted(out.glob(f"dicom/series-01/{kind}/*.dcm")) for kind in ("map", "capture", "seg", "report")}
    assert {kind: len(found) for kind, found in files.items()} == {
        "map": 4, "capture": 4 * slices, "seg": 1, "report": 1,
    }  # fmt: skip
    source = pydicom.dcmread(next(series.glob("*.dcm")))
    assert str(source.PatientName) not in said and all(str(path) in said for found in files.values() for path in found)
    names = {"map": "Parametric Map", "capture": "Secondary Capture Image", "seg": "Segmentation",
             "report": "Comprehensive"}  # fmt: skip
    for kind, found in files.items():
        for path in found:
            read = pydicom.dcmread(path)
            assert names[kind] in read.SOPClassUID.name and read.StudyInstanceUID == source.StudyInstanceUID
            assert read.SeriesInstanceUID != source.SeriesInstanceUID and read.PatientID == source.PatientID
            if kind == "capture":
                assert read.pixel_array.shape[-1] == 3 and read.pixel_array.std() > 0
                assert "RESEARCH" in str(read.get("ImageComments", "")) + str(read.get("SeriesDescription", ""))
    values = {each.values[k].tobytes() for each in records for k in range(4)}
    frames = [frame for path in files["map"] for frame in frames_of(pydicom.dcmread(path))]
    assert {np.ascontiguousarray(each, np.float32).tobytes() for each in frames} == values
    assert len(frames) == 4 * slices


def frames_of(read: object) -> np.ndarray:
    """(slices, h, w) of a Parametric Map, whatever the number of its slices."""
    rows, columns = read.Rows, read.Columns  # type: ignore[attr-defined]
    return np.frombuffer(read.FloatPixelData, "<f4").reshape(-1, rows, columns)  # type: ignore[attr-defined]


def test_lime_of_a_series_as_dicom(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    for number in range(2):
        pixels = phantom("glioma", size=64, seed=number).pixels[0]
        made_series.write_slice(
            tmp_path / "series" / f"{number}.dcm", number,
            Rows=64, Columns=64, PixelData=(4000 * pixels).astype("<u2").tobytes(),
        )  # fmt: skip
    check_series(model_of_four(tmp_path / "model.keras"), tmp_path / "series", tmp_path / "out", (), 2)


def test_lime_of_a_real_series_as_dicom(shared: Path, tmp_path: Path) -> None:
    series = shared / "data" / "dicom-mr-t1"
    check_series(model_of_four(tmp_path / "model.keras"), series, tmp_path / "out", ("--slices", "9,11"), 2)
