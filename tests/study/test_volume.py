"""A volume from the shell: empty slices are left out with the reason, the rest is one document and one picture."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.data.sources import sources
from whyscan.errors import BadInput
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.records.attribution import load_all
from whyscan.study import single
from whyscan.study.single import explain_files
from whyscan.study.volume import empty_slices

CLASSES = ("glioma_tumor", "meningioma_tumor", "no_tumor")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "net"
    checkpoint.save(build("test_resnet", "none", CLASSES, input_size=64), folder)
    return folder


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A ball of noise: its first slice is black, its second nearly so."""
    x, y, z = np.mgrid[-1:1:24j, -1:1:20j, -1:1:8j]
    ball = np.random.default_rng(0).integers(400, 1000, x.shape) * (x**2 + y**2 + z**2 < 0.9)
    ball[..., 0] = 0
    ball[..., 1] = 0
    ball[3:6, 3, 1] = 900
    path = tmp_path / "t1.nii.gz"
    nib.save(nib.Nifti1Image(ball.astype(np.int16), np.diag([-1.0, 1.0, 2.0, 1.0])), path)
    return path


def test_hardly_any_tissue(volume: Path) -> None:
    found = sources([volume])
    left = empty_slices(found)
    assert sorted(left) == [0, 1, 7]
    assert "hardly any tissue: 0% of the pixels of the fullest slice" in left[0]
    assert empty_slices(sources([volume], slices=0)) == {}  # who asks for one slice gets it
    assert empty_slices(sources([volume], slices="0,7")) == {}  # nothing to compare with


def test_a_volume_is_explained_as_a_whole(model: Path, volume: Path, tmp_path: Path) -> None:
    arguments = [
        "explain", str(model), str(volume), "--method", "gradcam", "--method", "occlusion", "--slices", "0-6",
        "--export", "nifti", "--out", str(tmp_path / "out"), "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert [each["source"] for each in said["scans"]] == [f"t1-axial-{k:03d}" for k in (2, 3, 4, 5, 6)]
    assert [each["source"] for each in said["empty"]] == ["t1-axial-000", "t1-axial-001"] and not said["failed"]
    (whole,) = said["volumes"]
    assert whole["name"] == "t1-axial" and len(whole["files"]) == 1 + 2 * len(CLASSES)
    document = json.loads((tmp_path / "out" / "t1-axial.volume.json").read_text())
    saved = [load_all(tmp_path / "out" / f"t1-axial-{k:03d}.gradcam.npz")[0] for k in (2, 3, 4, 5, 6)]
    by_hand = np.mean([each.probabilities for each in saved], axis=0)
    assert list(document["mean"].values()) == pytest.approx(by_hand.tolist())
    assert document["predicted"] == CLASSES[int(by_hand.argmax())]
    assert [each["source"] for each in document["empty"]["slices"]] == ["t1-axial-000", "t1-axial-001"]
    for name in document["montages"]:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.width > 400
    (map_,) = (path for path in said["exported"] if "_gradcam_" in path and path.endswith("_no_tumor.nii.gz"))
    values = np.asarray(nib.load(map_).dataobj)
    assert values.shape == (24, 20, 8) and np.isnan(values[..., [0, 1, 7]]).all()
    row = saved[2].index("no_tumor")
    # the file is stored LAS and shown with left to the right: columns run along its first axis
    assert np.array_equal(values[..., 4], saved[2].values[row][::-1, :].T)


def test_the_command_tells_a_person(model: Path, volume: Path, tmp_path: Path) -> None:
    asked = ["--plane", "coronal", "--slices", "8-12:2", "--out", str(tmp_path / "out")]
    arguments = ["explain", str(model), str(volume), *asked]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "t1-coronal: " in result.stdout and "over 3 of 20 slices" in result.stdout
    wrong = CliRunner().invoke(app, [*arguments[:-2], "--volume", "3", "--out", str(tmp_path / "o"), "--json"])
    assert wrong.exit_code == 2 and "volume 3 of t1.nii.gz" in json.loads(wrong.stdout)["came"]


def test_two_volumes_of_one_name_stay_apart(model: Path, volume: Path, tmp_path: Path) -> None:
    other = tmp_path / "b" / "t1.nii.gz"
    other.parent.mkdir()
    image = nib.load(volume)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine), other)
    found = explain_files(model, [volume, other], tmp_path / "out", ["gradcam"], slices="3,4", targets="predicted")
    assert [each["name"] for each in found["volumes"]] == ["t1-axial", "t1-axial~2"]
    assert (tmp_path / "out" / "t1-axial-003.gradcam.npz").is_file()
    assert (tmp_path / "out" / "t1-axial-003~2.gradcam.npz").is_file()


def test_a_slice_that_one_method_refuses_counts_in_the_volume(
    model: Path, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first slice is black: occlusion has nothing to hide, and Grad-CAM has an answer."""
    blank = tmp_path / "b" / "t1.nii.gz"
    blank.parent.mkdir()
    image = nib.load(volume)
    values = np.asarray(image.dataobj).copy()
    values[..., 3] = 0
    nib.save(nib.Nifti1Image(values, image.affine), blank)
    monkeypatch.setattr(single, "empty_slices", lambda *_: {})
    found = explain_files(model, [blank], tmp_path / "out", ["occlusion", "gradcam"], slices="3-6", targets="no_tumor")
    assert [(each["source"], each["methods"]) for each in found["failed"]] == [("t1-axial-003", ["occlusion"])]
    (whole,) = found["volumes"]
    document = json.loads(Path(whole["files"][0]).read_text())
    assert [each["index"] for each in document["slices"]] == [3, 4, 5, 6] and len(document["montages"]) == 2


def test_pictures_are_no_volume(model: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    found = explain_files(model, [tmp_path], tmp_path / "out", ["gradcam"])
    assert found["volumes"] == [] and found["empty"] == []
    with pytest.raises(BadInput, match="a plane or a volume of a"):
        explain_files(model, [tmp_path / "a.png"], tmp_path / "out", ["gradcam"], plane="axial")


def test_targets_with_awkward_names(tmp_path: Path, volume: Path) -> None:
    folder = tmp_path / "odd"
    checkpoint.save(build("test_resnet", "none", ("a/b", "a b", "../c"), input_size=64), folder)
    found = explain_files(folder, [volume], tmp_path / "out", ["gradcam"], slices="3-5")
    names = [Path(path).name for path in found["volumes"][0]["files"]]
    assert len(set(names)) == 4 and all((tmp_path / "out" / name).is_file() for name in names)


def test_a_volume_without_pictures_keeps_its_document(model: Path, volume: Path, tmp_path: Path) -> None:
    found = explain_files(model, [volume], tmp_path / "out", ["gradcam"], slices="3-5", draw=False)
    (document,) = found["volumes"][0]["files"]
    assert json.loads(Path(document).read_text())["montages"] == []
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.real
def test_a_real_series_folder(model: Path, shared: Path, tmp_path: Path) -> None:
    series = shared / "data" / "dicom-mr-t1"
    found = explain_files(model, [series], tmp_path, ["gradcam"], slices="4-16:4", targets="predicted")
    (whole,) = found["volumes"]
    document = json.loads(Path(whole["files"][0]).read_text())
    assert document["source"] == "dicom" and document["plane"] == "axial"
    assert [each["index"] for each in document["slices"]] == [4, 8, 12, 16] and document["slices_of_volume"] == 21
