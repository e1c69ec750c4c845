"""A DICOM series: what belongs together, in which order, through which window, and what stays where it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyscan.data.catalogue import images_below, open_catalogue
from whyscan.data.dicom_series import open_series, read_series
from whyscan.data.read import read_scans
from whyscan.data.sources import sources
from whyscan.errors import BadInput, BadScan

RAMP = np.arange(80, dtype=np.uint16).reshape(8, 10)
WIDE = {"WindowCenter": 128, "WindowWidth": 256}


@pytest.fixture
def folder(dicom: Any, lies_at: Any, saved: Any, tmp_path: Path) -> Path:
    """Five slices 3 mm apart; neither the file names nor the instance numbers have their order."""
    for number, height in enumerate([6, 0, 12, 3, 9]):
        tags = {"InstanceNumber": number, "PatientID": "7", **WIDE, **lies_at(height)}
        saved(dicom(RAMP + height, uid=f"1.2.{number + 1}", **tags), f"series/IM{number}")
    return tmp_path / "series"


def test_sorted_by_where_the_slices_lie(folder: Path) -> None:
    scans = read_series(folder)
    assert [round(float(scan.pixels[0, 0, 0] * 255)) for scan in scans] == [0, 3, 6, 9, 12]
    places = [scan.place for scan in scans]
    assert [place and (place.index, place.count, place.plane) for place in places] == [
        (i, 5, "axial") for i in range(5)
    ]
    assert len({place and place.volume for place in places}) == 1
    third = places[2]
    assert third is not None and third.affine is not None
    assert np.allclose(third.affine, [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 3, 6], [0, 0, 0, 1]])
    assert [scan.source for scan in scans][:2] == [f"mr-{third.volume[:8]}-slice-{n:03d}" for n in (0, 1)]
    assert len({scan.patient for scan in scans}) == 1


@pytest.mark.parametrize(
    ("axes", "plane", "column"),
    [((0, 1, 0, 0, 0, -1), "sagittal", (-1, 0, 0)), ((1, 0, 0, 0, 0, -1), "coronal", (0, 1, 0))],
)
def test_planes(dicom: Any, lies_at: Any, saved: Any, tmp_path: Path, axes: Any, plane: str, column: Any) -> None:
    for height in (4, 2):
        saved(dicom(RAMP, uid=f"1.2.{height}", **lies_at(height, axes=axes)), f"s/{height}.ima")
    first = read_series(tmp_path / "s")[0].place
    assert first is not None and first.affine is not None and first.plane == plane
    normal = np.cross(axes[:3], axes[3:]) * [-1, -1, 1]
    assert np.allclose(first.affine[:3, 2], 2 * normal)
    assert np.allclose(first.affine[:3, 3], 2 * normal)
    assert abs(normal @ column) == 1


def test_several_series_are_listed_without_their_names(folder: Path, dicom: Any, lies_at: Any, saved: Any) -> None:
    for height in (0, 1):
        tags = {"SeriesInstanceUID": "1.9", "SeriesDescription": "JANE", "Modality": "CT", **lies_at(height)}
        saved(dicom(RAMP, uid=f"1.9.{height}", **tags), f"series/b/{height}")
    with pytest.raises(BadScan, match=r"2 series \(0: ct, 2 slices of 10 x 8, axial; 1: mr, 5 slices") as caught:
        read_scans(folder)
    assert "JANE" not in str(caught.value) and "1.9" not in str(caught.value)
    assert len(read_scans(folder, series=0)) == 2
    chosen = open_series(folder, series=1)
    assert len(chosen) == 5 and len(open_series(folder, series=chosen.stack.volume)) == 5
    with pytest.raises(BadInput, match="the series 2"):
        open_series(folder, series=2)


def test_a_localizer_of_another_plane_is_a_stack_of_its_own(folder: Path, dicom: Any, lies_at: Any, saved: Any) -> None:
    saved(dicom(RAMP, uid="1.9", **lies_at(0, axes=(0, 1, 0, 0, 0, -1))), "series/localizer.dcm")
    with pytest.raises(BadScan, match=r"2 series .*1 slices of 10 x 8, sagittal"):
        open_series(folder)
    both = [open_series(folder, series=number).stack for number in (0, 1)]
    assert sorted(len(stack.slices) for stack in both) == [1, 5]
    assert both[0].volume != both[1].volume


def test_two_images_at_one_place_are_refused(folder: Path, dicom: Any, lies_at: Any, saved: Any) -> None:
    saved(dicom(RAMP, uid="1.9", **lies_at(3)), "series/echo2")
    with pytest.raises(BadScan, match=r"1 of 6 slices .* lie where another one lies"):
        open_series(folder)


def test_copies_gaps_and_other_objects_are_told(folder: Path, dicom: Any, saved: Any) -> None:
    (folder / "copy.dcm").write_bytes((folder / "IM2").read_bytes())
    (folder / "IM3").unlink()
    (folder / "notes.txt").write_text("no scan")
    saved(dicom(RAMP, Rows=None, uid="1.9", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33"), "series/report.dcm")
    scan = read_series(folder)[0]
    assert "1 files that are copies of others were left out" in scan.reading
    assert "slices are 3 to 6 mm apart: some may be missing" in scan.reading
    assert any(said.startswith("1 DICOM objects beside the series") for said in scan.reading)


def test_one_window_for_the_series(dicom: Any, lies_at: Any, saved: Any, tmp_path: Path) -> None:
    for height, width in ((0, 100), (1, 200), (2, 300)):
        tags = {"WindowCenter": 50, "WindowWidth": width, "VOILUTFunction": "LINEAR_EXACT"}
        saved(dicom(RAMP, uid=f"1.2.{height}", **tags, **lies_at(height)), f"s/{height}")
        saved(dicom(RAMP + 10 * height, uid=f"1.3.{height}", **lies_at(height)), f"t/{height}")
    for scan in read_series(tmp_path / "s"):
        assert np.allclose(scan.pixels[0], np.clip((RAMP - 50.0) / 200 + 0.5, 0, 1))
        assert any("the middle slice's" in said for said in scan.reading)
    assert np.allclose(read_series(tmp_path / "s", window=(40.5, 81))[2].pixels[0], np.clip(RAMP / 80, 0, 1))
    low, high = np.percentile(np.stack([RAMP, RAMP + 10, RAMP + 20]), [0.5, 99.5])
    scans = read_series(tmp_path / "t")
    assert np.allclose(scans[1].pixels[0], np.clip((RAMP + 10 - low) / (high - low), 0, 1), atol=1e-6)
    assert "the series' window is the 0.5th to 99.5th percentile of 3 of its 3 slices" in scans[0].reading
    assert np.allclose(read_series(tmp_path / "t", window="full")[2].pixels[0], (RAMP + 20) / 99)


def test_without_geometry_by_instance_number(dicom: Any, saved: Any, tmp_path: Path) -> None:
    for name, number in (("a", 2), ("b", 10), ("c", 1)):
        saved(dicom(RAMP + number, uid=f"1.2.{number}", InstanceNumber=number, **WIDE), f"s/{name}")
    scans = read_series(tmp_path / "s")
    assert [round(float(scan.pixels[0, 0, 0] * 255)) for scan in scans] == [1, 2, 10]
    assert any("instance numbers" in said for said in scans[0].reading)
    assert scans[0].place is not None and scans[0].place.affine is None


def test_an_enhanced_file_is_a_series_by_itself(
    dicom: Any, dicom_item: Any, dicom_sequence: Any, lies_at: Any, saved: Any, tmp_path: Path
) -> None:
    def group(height: float) -> Any:
        tags = lies_at(height)
        return dicom_item(
            PlanePositionSequence=dicom_sequence(ImagePositionPatient=tags["ImagePositionPatient"]),
            PlaneOrientationSequence=dicom_sequence(ImageOrientationPatient=tags["ImageOrientationPatient"]),
            PixelMeasuresSequence=dicom_sequence(PixelSpacing=tags["PixelSpacing"]),
        )

    data = dicom(np.stack([RAMP + 2, RAMP, RAMP + 1]), **WIDE)
    data.PerFrameFunctionalGroupsSequence = [group(height) for height in (2, 0, 1)]
    file = saved(data, "s/enhanced.dcm")
    for where in (file, tmp_path / "s"):
        scans = read_series(where)
        assert [round(float(scan.pixels[0, 0, 0] * 255)) for scan in scans] == [0, 1, 2]
        assert [scan.place and scan.place.frame for scan in scans] == [1, 2, 0]
    assert [scan.place and scan.place.frame for scan in read_series(file, frame=2)] == [2]
    saved(dicom(np.stack([RAMP, RAMP]), uid="1.9"), "cine/a.dcm")
    with pytest.raises(BadScan, match=r"2 frames.*pass frame=0"):
        read_series(tmp_path / "cine")


@pytest.fixture
def listed(dicom: Any, dicom_item: Any, saved: Any) -> Callable[[str, list[list[str]]], Path]:
    """Writes a DICOMDIR that lists these files."""

    def write(name: str, files: list[list[str]]) -> Path:
        data = dicom(RAMP, Rows=None, SOPClassUID="1.2.840.10008.1.3.10")
        data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names that the standard does not allow
            records = [dicom_item(ReferencedFileID=parts) for parts in files]
            data.DirectoryRecordSequence = [dicom_item(DirectoryRecordType="PATIENT"), *records]
            return Path(saved(data, name))

    return write


def test_a_dicomdir(folder: Path, listed: Any) -> None:
    names = [["series", f"IM{number}"] for number in range(5)]
    dicomdir = listed("DICOMDIR", names)
    for where in (dicomdir, folder.parent):
        assert len(read_scans(where)) == 5
        assert len(sources([where])) == 5
    assert len(read_scans(listed("DICOMDIR", names[:3]))) == 3
    (folder / "IM0").unlink()
    with pytest.raises(BadScan, match="1 of the 3 files that DICOMDIR lists are missing"):
        read_scans(dicomdir)


@pytest.mark.parametrize("parts", [["..", "SECRET"], ["/etc", "passwd"], ["A/../../SECRET"]])
def test_a_dicomdir_stays_in_its_folder(dicom: Any, listed: Any, saved: Any, parts: list[str]) -> None:
    saved(dicom(RAMP), "SECRET")
    with pytest.raises(BadScan, match="outside of its own folder"):
        read_series(listed("disc/DICOMDIR", [parts]))


def test_links_out_of_the_folder_are_refused(folder: Path, dicom: Any, saved: Any) -> None:
    outside = saved(dicom(RAMP, uid="1.9"), "outside.dcm")
    (folder / "link").symlink_to(outside)
    with pytest.raises(BadScan, match="outside of its own folder"):
        read_scans(folder)


def test_a_damaged_slice_does_not_end_the_batch(folder: Path) -> None:
    content = (folder / "IM2").read_bytes()
    (folder / "IM2").write_bytes(content[:-40])
    series = open_series(folder)
    assert len(series) == 5
    with pytest.raises(BadScan, match="IM2 is a damaged or truncated DICOM file"):
        series.read(4)
    assert series.read(3).pixels.shape == (1, 8, 10)


def test_folders_of_classes(dicom: Any, saved: Any, tmp_path: Path) -> None:
    saved(dicom(RAMP, uid="1.2.1"), "set/sick/IM0001")
    saved(dicom(RAMP, uid="1.2.2"), "set/sick/1.2.840.77")
    saved(dicom(RAMP, uid="1.2.3"), "set/well/b.dcm")
    (tmp_path / "set" / "well" / "readme").write_text("no scan")
    assert len(images_below(tmp_path / "set")) == 3
    catalogue = open_catalogue(tmp_path / "set")
    assert [entry.name for entry in catalogue.entries] == ["sick/1.2.840.77", "sick/IM0001", "well/b.dcm"]


@pytest.mark.real
def test_a_real_series(shared: Path) -> None:
    scans = read_series(shared / "data" / "dicom-mr-t1")
    assert len(scans) == 21
    tops = [scan.place.affine[2, 3] for scan in scans if scan.place is not None and scan.place.affine is not None]
    assert len(tops) == 21 and (np.diff(tops) > 3.9).all()  # every sixth of 0.667 mm, from the neck to the head
    # the neck comes first: it fills less of the picture than the brain
    assert float(scans[0].pixels.mean()) < float(scans[-1].pixels.mean())
