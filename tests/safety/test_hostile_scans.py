"""Scans made by an enemy: each is refused by name, nothing outside is read, and memory stays small."""

from __future__ import annotations

import gzip
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
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


def nifti(path: Path, *, compress: bool = False, tail: bytes | None = None, **fields: object) -> Path:
    """The valid volume with fields of its header overwritten, byte for byte as an enemy would."""
    import nibabel

    data = seeds.make(path, ["nifti"])["nifti"].read_bytes()
    header = nibabel.Nifti1Header(data[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    found = header.binaryblock + data[348:352] + (data[352:] if tail is None else tail)
    made = path / ("x.nii.gz" if compress else "x.nii")
    made.write_bytes(gzip.compress(found) if compress else found)
    return made


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "at most 512 MB"),
        ({"dim": [3, 800, 800, 400, 1, 1, 1, 1]}, "ends before its values do"),
        ({"dim": [3, -5, 8, 8, 1, 1, 1, 1]}, "dimensions are impossible"),
        ({"dim": [7, 8, 8, 8, 1, 1, 1, 3]}, "has 7 dimensions"),
        ({"dim": [0, 8, 8, 8, 1, 1, 1, 1]}, "dimensions are impossible"),
        ({"datatype": 128}, "RGB colours"),
        ({"datatype": 32}, "complex numbers"),
        ({"datatype": 2304}, "RGBA colours"),
        ({"datatype": 1536}, "128-bit floats"),
        ({"datatype": 77}, "unknown type 77"),
        ({"scl_slope": float("inf")}, "rescaling that is no number"),
        ({"scl_inter": float("nan")}, "rescaling that is no number"),
        ({"vox_offset": 1e30}, "damaged"),
        ({"vox_offset": float("nan")}, "damaged"),
        ({"vox_offset": 1e8}, "ends before its values do"),
        ({"sform_code": 1, "srow_x": [0, 0, 0, 0]}, "leads nowhere in space"),
        ({"sform_code": 1, "srow_x": [float("nan")] * 4}, "leads nowhere in space"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 3.0}, "damaged"),
        ({"sform_code": 0, "qform_code": 0, "pixdim": [1, 0, 0, 0, 0, 0, 0, 0]}, "leads nowhere in space"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_nifti_header_that_lies(tmp_path: Path, fields: dict[str, object], said: str, compress: bool) -> None:
    path = nifti(tmp_path, compress=compress, **fields)
    before = peak()
    assert said in refused(path)
    assert peak() - before < 100_000_000


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_a_nifti_slope_of_zero_means_no_rescaling(tmp_path: Path, slope: float) -> None:
    """So says the standard, and NaN is what many programs write for it."""
    scan = whyscan.read_scan(nifti(tmp_path, scl_slope=slope, scl_inter=float("nan")), slice=1)
    assert not any("rescaled" in said for said in scan.reading)
    assert scan.pixels.max() > 0.5


def test_values_that_the_rescaling_blows_up_are_black_and_counted(tmp_path: Path) -> None:
    import numpy as np

    large = np.full(288, 1e308)
    path = nifti(tmp_path, datatype=64, bitpix=64, scl_slope=3e38, scl_inter=0.0, tail=large.tobytes())
    scan = whyscan.read_scan(path, slice=1)
    assert not scan.pixels.any() and any("72 values of this slice are no numbers" in said for said in scan.reading)
    wide = np.concatenate([large, -large])[::2]
    assert "too large" in refused(nifti(tmp_path / "wide", datatype=64, bitpix=64, scl_slope=0, tail=wide.tobytes()))


def test_a_gzip_that_swells(tmp_path: Path) -> None:
    """2 GB of zeros in 2 MB: no more of it is inflated than the header has said, and what follows is left alone."""
    body = zlib.compressobj(9, zlib.DEFLATED, 31)
    path = nifti(tmp_path)
    swollen = body.compress(path.read_bytes())
    swollen += b"".join(body.compress(bytes(1 << 24)) for _ in range(128)) + body.flush()
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(swollen)
    assert len(swollen) < 1 << 22
    before = peak()
    assert len(whyscan.read_scans(bomb)) == 4
    assert peak() - before < 100_000_000


def test_a_folder_of_gzips_that_are_no_volumes(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    assert "not NIfTI" in refused(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"")
    assert "0 bytes" in refused(tmp_path / "a.nii.gz")


def peak() -> int:
    """Resident memory at its largest so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_a_matlab_file_that_points_elsewhere(tmp_path: Path) -> None:
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["image"] = np.full((24, 24), 7, np.int16)
    for number, link in enumerate((h5py.ExternalLink("secret.h5", "/image"), h5py.SoftLink("/cjdata/tumorMask"))):
        path = seeds.make(tmp_path / str(number), ["mat"])["mat"]
        with h5py.File(path, "r+") as file:
            del file["cjdata/image"]
            file["cjdata/image"] = link
        assert "link" in refused(path)


def test_a_matlab_file_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    import h5py

    path = seeds.make(tmp_path, ["mat"])["mat"]
    with h5py.File(path, "r+") as file:
        del file["cjdata/image"]
        file["cjdata"].create_dataset("image", (4000, 4000), "int16", chunks=(4000, 4000), compression="gzip")
    assert "declared" in refused(path)
