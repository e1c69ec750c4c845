"""Single scans: a bad one is named and the batch goes on; a label must be one the model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whyscan.errors import BadTarget
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.records.attribution import Attribution
from whyscan.study.single import explain_files

CLASSES = ("glioma_tumor", "meningioma_tumor", "no_tumor")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "net"
    checkpoint.save(build("test_resnet", "none", CLASSES, input_size=64), folder)
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(folder / "a-blank.png")
    Image.fromarray(noise).save(folder / "b-noise.png")
    (folder / "c-broken.png").write_bytes(b"nothing")
    return folder


def test_a_blank_scan_does_not_end_the_batch(model: Path, scans: Path, tmp_path: Path) -> None:
    found = explain_files(model, [scans], tmp_path / "out", ["lime"], options={"samples": 50})
    assert [each["source"] for each in found["failed"]] == ["a-blank.png", "c-broken.png"]
    assert [each["source"] for each in found["scans"]] == ["b-noise.png"]


def test_a_label_is_one_of_the_classes(model: Path, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="label 'banana' is not known"):
        explain_files(model, [scans], tmp_path / "out", ["gradcam"], label="banana")
    assert not (tmp_path / "out").exists()
    explain_files(model, [scans / "b-noise.png"], tmp_path / "out", ["gradcam"], label="men", targets="true")
    saved = Attribution.load(tmp_path / "out" / "b-noise.gradcam.npz")
    assert (saved.label, saved.targets) == ("meningioma_tumor", ("meningioma_tumor",))
