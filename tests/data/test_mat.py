"""MATLAB 7.3 files of the set of Cheng et al."""

from __future__ import annotations

from pathlib import Path

import mats
import numpy as np
import pytest

import whyscan
from whyscan.data.mat import CLASSES, read_slice
from whyscan.errors import BadInput, BadScan


def test_a_slice_is_the_right_way_round_with_its_class_patient_and_tumour(tmp_path: Path) -> None:
    image = mats.write_mat(tmp_path / "1.mat")
    scan = whyscan.read_scan(tmp_path / "1.mat")
    assert (scan.label, scan.patient, scan.source) == ("glioma", "100360", "1.mat")
    low, high = int(image.min()), int(image.max())
    np.testing.assert_allclose(scan.pixels[0], (image - low) / (high - low), atol=1e-6)
    assert scan.region is not None and scan.region[5:12, 20:33].all() and scan.region.sum() == 7 * 13
    assert "minimum to maximum" in scan.reading[0]


@pytest.mark.parametrize(("number", "name"), CLASSES.items())
def test_the_labels_of_the_set(number: int, name: str, tmp_path: Path) -> None:
    mats.write_mat(tmp_path / "1.mat", label=float(number))
    assert read_slice(tmp_path / "1.mat").label == name


def test_a_window_may_be_asked_for_and_is_recorded(tmp_path: Path) -> None:
    image = mats.write_mat(tmp_path / "1.mat")
    scan = whyscan.read_scan(tmp_path / "1.mat", window=(1000, 1000))
    np.testing.assert_allclose(scan.pixels[0], np.clip((image - 500) / 1000, 0, 1), atol=1e-6)
    assert "as asked for" in scan.reading[0]
    assert "percentile" in whyscan.read_scan(tmp_path / "1.mat", window="percentile").reading[0]
    with pytest.raises(BadInput, match="window"):
        whyscan.read_scan(tmp_path / "1.mat", window="bone")


def test_what_the_caller_knows_comes_before_what_the_file_says(tmp_path: Path) -> None:
    mats.write_mat(tmp_path / "1.mat")
    scan = whyscan.read_scan(tmp_path / "1.mat", label="other", patient="P9", source="slices/1")
    assert (scan.label, scan.patient, scan.source) == ("other", "P9", "slices/1")


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"tumorMask": None}, "no cjdata.tumorMask"),
        ({"label": np.array([[4.0]])}, "label"),
        ({"label": np.array([[1.5]])}, "label"),
        ({"label": np.array([[np.nan]])}, "NaN"),
        ({"image": np.zeros((3, 3), np.int16)}, "shape"),
        ({"image": np.zeros((9, 9, 9), np.int16)}, "shape"),
        ({"tumorMask": np.zeros((12, 12), np.uint8)}, "mask"),
        ({"PID": np.array([[1.0]])}, "no text"),
        ({"PID": np.zeros((900, 1), np.uint16)}, "no text"),
    ],
)
def test_a_file_that_is_not_of_the_set_is_refused_by_name(instead: dict, said: str, tmp_path: Path) -> None:
    mats.write_mat(tmp_path / "odd.mat", **instead)
    with pytest.raises(BadScan, match=said) as raised:
        whyscan.read_scan(tmp_path / "odd.mat")
    assert "odd.mat" in str(raised.value)


def test_older_matlab_files_are_told_from_these(tmp_path: Path) -> None:
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(200, b" "))
    with pytest.raises(BadScan, match=r"-v7\.3"):
        whyscan.read_scan(tmp_path / "old.mat")


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"MATLAB 7.3 MAT-file".ljust(512, b" ") + b"\x89HDF\r\n\x1a\n" * 4]
)
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.mat").write_bytes(content)
    with pytest.raises(BadScan, match=r"bad\.mat"):
        whyscan.read_scan(tmp_path / "bad.mat")
