"""Scans made by an enemy: each is refused by name, nothing outside is read, and memory stays small."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import pytest
import seeds

import whyscan
from whyscan.errors import BadScan


def refused(path: Path) -> str:
    with pytest.raises(BadScan) as caught:
        whyscan.read_scans(path)
    return str(caught.value)


def test_a_png_that_swells(tmp_path: Path) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000_000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    assert "million" in refused(path)


def test_a_dicomdir_that_climbs_out(tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    outside = seeds.make(tmp_path / "outside", ["dicom"])["dicom"]
    found = FileSet()
    import pydicom

    dataset = pydicom.dcmread(outside)
    dataset.PatientID, dataset.PatientName, dataset.StudyDate, dataset.StudyTime = (
        "canary",
        "canary",
        "20260101",
        "1200",
    )
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber, dataset.AccessionNumber = "1", 1, 1, ""
    found.add(dataset)
    root = tmp_path / "set"
    found.write(root)
    found._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, whose warning lands in another test
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ".." is no file ID: that is the point
        directory = pydicom.dcmread(root / "DICOMDIR")
        for record in directory.DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                record.ReferencedFileID = ["..", "outside", "dicom", "slice.dcm"]
        directory.save_as(root / "DICOMDIR")
    said = refused(root / "DICOMDIR")
    assert "canary" not in said


def test_a_dicom_image_larger_than_its_file(tmp_path: Path) -> None:
    import pydicom

    path = seeds.make(tmp_path, ["dicom"])["dicom"]
    found = pydicom.dcmread(path)
    found.Rows = found.Columns = 60_000
    found.save_as(path)
    refused(path)
