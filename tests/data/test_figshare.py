"""Importing the set of Cheng et al."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import mats
import numpy as np
import pytest
from PIL import Image

import whyscan
from whyscan.data import figshare
from whyscan.data.catalogue import open_catalogue
from whyscan.errors import BadData, BadInput
from whyscan.records import files


@pytest.fixture
def mat_folder(tmp_path: Path) -> Path:
    """Six files of three classes and two patients; one lies in a zip, one is damaged."""
    folder = tmp_path / "mat"
    for number in range(1, 6):
        patient = "P-one" if number < 4 else "P-two"
        mats.write_mat(folder / f"{number}.mat", seed=number, label=1 + number % 3, patient=patient)
    mats.write_mat(tmp_path / "6.mat", seed=6, label=1.0, patient="P-two")
    with zipfile.ZipFile(folder / "rest.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "6.mat", "sub/6.mat")
        archive.writestr("readme.txt", "not a slice")
    (folder / "7.mat").write_bytes(b"half a file")
    return folder


def test_a_data_set_comes_out(mat_folder: Path, tmp_path: Path) -> None:
    found = whyscan.import_data("figshare", mat_folder, tmp_path / "data")
    assert (found["scans"], found["new"], [each["file"] for each in found["failed"]]) == (6, 6, ["7.mat"])
    catalogue = open_catalogue(found["table"])
    assert catalogue.classes == ("glioma", "meningioma", "pituitary")
    assert len({entry.patient for entry in catalogue.entries}) == 2
    assert all(entry.mask is not None for entry in catalogue.entries)
    text = Path(found["table"]).read_text() + (tmp_path / "data" / figshare.RECORD).read_text()
    assert "P-one" not in text


def test_an_imported_scan_is_the_file_itself(mat_folder: Path, tmp_path: Path) -> None:
    whyscan.import_data("figshare", mat_folder, tmp_path / "data")
    direct = whyscan.read_scan(mat_folder / "1.mat")
    entry = next(
        each for each in open_catalogue(tmp_path / "data" / "scans.csv").entries if each.name.endswith("/1.png")
    )
    with Image.open(entry.path) as image:
        np.testing.assert_array_equal(np.asarray(image), direct.thumbnail())
    np.testing.assert_array_equal(whyscan.read_scan(entry.path, mask=entry.mask).region, direct.region)
    record = [json.loads(line) for line in (tmp_path / "data" / figshare.RECORD).read_text().splitlines()]
    (mine,) = [each for each in record if each["source"] == "1.mat"]
    assert mine["sha256"] == files.sha256(mat_folder / "1.mat") and "minimum to maximum" in mine["reading"][0]


def test_an_import_goes_on_where_it_was_cut(mat_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "data"
    write, calls = figshare._write, []

    def cut(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(*args)

    monkeypatch.setattr(figshare, "_write", cut)
    with pytest.raises(KeyboardInterrupt):
        whyscan.import_data("figshare", mat_folder, out)
    with (out / figshare.RECORD).open("a") as record:
        record.write('{"path": "glio')  # a line cut short
    monkeypatch.setattr(figshare, "_write", write)
    assert whyscan.import_data("figshare", mat_folder, out)["new"] == 4
    assert whyscan.import_data("figshare", mat_folder, out)["new"] == 0
    assert len(files.read_rows(out / "scans.csv")) == 6


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for part in ("a", "b"):
        mats.write_mat(tmp_path / "mat" / part / "1.mat", seed=ord(part))
    found = whyscan.import_data("figshare", tmp_path / "mat", tmp_path / "data")
    assert sorted(row["path"] for row in files.read_rows(Path(found["table"]))) == ["glioma/1.png", "glioma/1~2.png"]


def test_what_cannot_be_imported_is_refused(mat_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a folder"):
        whyscan.import_data("figshare", tmp_path / "nowhere", tmp_path / "data")
    with pytest.raises(BadInput, match="figshare"):
        whyscan.import_data("kaggle", mat_folder, tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no file of the set"):
        whyscan.import_data("figshare", tmp_path / "empty", tmp_path / "data")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(BadData, match="something else"):
        whyscan.import_data("figshare", mat_folder, tmp_path / "taken")


@pytest.mark.parametrize("member", ["../out.mat", "/out.mat", "C:/out.mat"])
def test_an_archive_that_leads_out_is_refused(member: str, tmp_path: Path) -> None:
    (tmp_path / "mat").mkdir()
    with zipfile.ZipFile(tmp_path / "mat" / "bad.zip", "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(BadData, match="leads out"):
        whyscan.import_data("figshare", tmp_path / "mat", tmp_path / "data")
    assert not list(tmp_path.rglob("out.mat"))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mat").mkdir()
    with zipfile.ZipFile(tmp_path / "mat" / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.mat", b"\0" * 50_000_000)
    with pytest.raises(BadData, match="swells"):
        whyscan.import_data("figshare", tmp_path / "mat", tmp_path / "data")
