"""DICOM out: each object is read back by other people's code, and the patient's name goes nowhere else."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whyscan.data.dicom import read_dicom
from whyscan.data.dicom_file import quiet
from whyscan.data.dicom_series import read_series
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.export import capture_picture
from whyscan.export.dicom import OBJECTS, export_dicom, write_dicom
from whyscan.export.dicom_match import slices_of
from whyscan.export.dicom_seg import Threshold
from whyscan.records.attribution import Attribution
from whyscan.records.place import Place

Make = Callable[..., Attribution]
Write = Callable[..., Path]
CANARY = "Canarybird^Tweety"  # the patient of the series

hd = pytest.importorskip("highdicom")
import pydicom  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402


def errors_of(path: Path) -> list[str]:
    tool = shutil.which("dciodvfy")
    assert tool is not None
    found = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    return [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]


def by_kind(paths: list[Path]) -> dict[str, list[Path]]:
    return {kind: [path for path in paths if path.parent.name == kind] for kind in OBJECTS}


@pytest.fixture
def written(attributions: list[Attribution], series: Path, tmp_path: Path) -> dict[str, list[Path]]:
    return by_kind(export_dicom(attributions, [series], tmp_path / "out"))


def test_every_object_is_there_in_a_series_of_its_own_in_the_sources_study(
    written: dict[str, list[Path]], series: Path
) -> None:
    source = pydicom.dcmread(next(series.glob("*.dcm")))
    assert {kind: len(paths) for kind, paths in written.items()} == {"map": 3, "capture": 9, "seg": 1, "report": 1}
    seen = set()
    for paths in written.values():
        read = [pydicom.dcmread(path) for path in paths]
        assert {each.StudyInstanceUID for each in read} == {source.StudyInstanceUID}
        assert {str(each.PatientName) for each in read} == {CANARY} and {each.PatientID for each in read} == {
            "CANARYID77"
        }
        (uid,) = {each.SeriesInstanceUID for each in read}
        seen.add(uid)
        assert sorted(int(each.InstanceNumber) for each in read) == list(range(1, len(read) + 1))
        assert len({each.SOPInstanceUID for each in read}) == len(read)
    assert len(seen) == 4 and source.SeriesInstanceUID not in seen


def test_a_parametric_map_holds_the_raw_values_where_the_source_lies(
    written: dict[str, list[Path]], attributions: list[Attribution], series: Path
) -> None:
    by_content = {each.scan: each for each in attributions}
    sources = {}
    for path in series.glob("*.dcm"):
        sources[str(pydicom.dcmread(path).SOPInstanceUID)] = (pydicom.dcmread(path), read_dicom(path).content)
    for path in written["map"]:
        found = hd.imread(path)
        assert found.SOPClassUID.name == "Parametric Map Storage" and found.pixel_array.dtype == np.float32
        mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
        quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
        assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("130402", "DCM")
        assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1" and mapping.RealWorldValueSlope == 1
        assert "logit" in mapping.LUTExplanation and found.ContentQualification == "RESEARCH"
        target = mapping.LUTLabel
        for frame, groups in zip(found.pixel_array, found.PerFrameFunctionalGroupsSequence, strict=True):
            reference = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            source, content = sources[reference]
            attribution = by_content[content]
            np.testing.assert_array_equal(frame, attribution.values[attribution.index(target)])
            np.testing.assert_allclose(
                groups.PlanePositionSequence[0].ImagePositionPatient, source.ImagePositionPatient
            )
            assert found.FrameOfReferenceUID == source.FrameOfReferenceUID
        shared = found.SharedFunctionalGroupsSequence[0]
        np.testing.assert_allclose(shared.PixelMeasuresSequence[0].PixelSpacing, [1.5, 1.25])
        said = found.ContributingEquipmentSequence[0].ContributionDescription
        assert "Grad-CAM" in said and "ab" * 32 in said and "blocks.4" in said


def test_a_segmentation_is_the_thresholded_map(written: dict[str, list[Path]], attributions: list[Attribution]) -> None:
    found = hd.seg.segread(written["seg"][0])
    assert found.segmentation_type.value == "BINARY" and list(found.segment_numbers) == [1, 2, 3]
    slices = slices_of([written["seg"][0].parents[3] / "series"])
    uids = [str(each.dataset.SOPInstanceUID) for each in slices]
    masks = found.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    by_content = {each.scan: each for each in attributions}
    values = np.stack([by_content[each.content].values for each in slices])  # (slices, targets, h, w)
    for k in range(3):
        expected = values[:, k] >= 0.5 * values[:, k].max()
        np.testing.assert_array_equal(masks[..., k].astype(bool), expected)
    described = found.get_segment_description(1)
    assert described.segment_label == "glioma" and "50%" in described.SegmentDescription
    assert described.algorithm_identification.name == "Grad-CAM"


def test_a_capture_is_an_rgb_picture_that_does_not_claim_to_know_what_is_burned_in(
    written: dict[str, list[Path]], series: Path
) -> None:
    for path in written["capture"]:
        found = pydicom.dcmread(path)
        assert found.SOPClassUID.name == "Secondary Capture Image Storage"
        assert found.pixel_array.shape == (768, 1280, 3) and found.pixel_array.dtype == np.uint8
        assert "BurnedInAnnotation" not in found and list(found.PatientOrientation) == ["L", "P"]
        assert "RESEARCH ONLY" in found.ImageComments and "blocks.4" in found.ImageComments


@pytest.mark.parametrize("said", ["YES", "NO"])
def test_a_capture_takes_the_sources_word_on_burned_in_names(
    said: str, tmp_path: Path, write_slice: Write, attribution_of: Make
) -> None:
    path = write_slice(tmp_path / "a.dcm", 0, BurnedInAnnotation=said)
    (found,) = export_dicom(
        [attribution_of(read_dicom(path), targets=("glioma",))], [path], tmp_path / "out", objects=("capture",)
    )
    assert pydicom.dcmread(found).BurnedInAnnotation == said


def test_a_report_has_the_probabilities_and_the_references(written: dict[str, list[Path]], series: Path) -> None:
    found = hd.sr.srread(written["report"][0])
    assert found.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    groups = found.content.get_image_measurement_groups()
    assert len(groups) == 3
    read = {m.name.meaning: m.value for m in groups[0].get_measurements()}
    assert read == pytest.approx({"Probability of glioma": 0.7, "Probability of meningioma": 0.2,
                                  "Probability of no tumor": 0.1})  # fmt: skip
    sources = {str(pydicom.dcmread(path).SOPInstanceUID) for path in series.glob("*.dcm")}
    named = {str(group.source_images[0].referenced_sop_instance_uid) for group in groups}
    assert named == sources
    made = {str(pydicom.dcmread(p).SOPInstanceUID) for kind in ("map", "capture", "seg") for p in written[kind]}
    listed = {
        str(instance.ReferencedSOPInstanceUID)
        for study in found.CurrentRequestedProcedureEvidenceSequence
        for each in study.ReferencedSeriesSequence
        for instance in each.ReferencedSOPSequence
    }
    assert sources | made <= listed


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(written: dict[str, list[Path]]) -> None:
    found = {path.name: errors_of(path) for paths in written.values() for path in paths}
    assert {name: errors for name, errors in found.items() if errors} == {}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("scale", [-1e-6, 1e-6, 1e6])
def test_dciodvfy_finds_no_error_at_any_scale_with_hostile_names_and_a_signed_map(
    scale: float, series: Path, tmp_path: Path, attribution_of: Make
) -> None:
    path = next(series.glob("*.dcm"))
    maps = (scale * np.random.default_rng(0).normal(size=(2, 5, 5))).astype(np.float32)
    names = ("膠質瘤\\ναι" + "x" * 80, "<b>$x_1$</b>")
    hostile = attribution_of(
        read_dicom(path), maps=maps, signed=True, targets=names, classes=names, layer="a/b\\c" * 30, model="m" * 90,
        probabilities=np.array([1.0, 0.0], np.float32), method="lime", heading="LIME",
    )  # fmt: skip
    written = export_dicom([hostile], [path], tmp_path / "out")
    assert {each.parent.name for each in written} == set(OBJECTS) and len(written) == 6
    assert {each.name: errors for each in written if (errors := errors_of(each))} == {}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.real
def test_dciodvfy_finds_no_error_on_a_real_series(shared: Path, tmp_path: Path, attribution_of: Make) -> None:
    paths = sorted((shared / "data" / "dicom-mr-t1").glob("*.dcm"))[:3]
    attributions = [attribution_of(read_dicom(path), seed=k) for k, path in enumerate(paths)]
    written = export_dicom(attributions, paths, tmp_path)
    assert {path.parent.name for path in written} == set(OBJECTS)
    assert {path.name: errors for path in written if (errors := errors_of(path))} == {}


@pytest.mark.parametrize("kind", OBJECTS)
def test_each_object_can_be_written_alone(
    kind: str, attributions: list[Attribution], series: Path, tmp_path: Path
) -> None:
    written = export_dicom(attributions, [series], tmp_path / "out", objects=(kind,))
    assert {path.parent.name for path in written} == {kind}


def test_a_picture_without_geometry_gets_a_capture_and_a_report_in_a_study_of_nobody(
    tmp_path: Path, attribution_of: Make
) -> None:
    pixels = np.random.default_rng(0).random((1, 30, 40)).astype(np.float32)
    attribution = attribution_of(Scan(pixels, "cd" * 32, source="a.png"))
    found = write_dicom([attribution], [tmp_path / "a.png"], tmp_path / "out")
    assert {path.parent.name for path in found.paths} == {"capture", "report"}
    assert len(found.left_out) == 2 and all("has no geometry" in reason for reason in found.left_out)
    for path in found.paths:
        read = pydicom.dcmread(path)
        assert read.PatientName == "" and read.PatientID == "" and "BurnedInAnnotation" not in read
        if shutil.which("dciodvfy"):
            assert errors_of(path) == []


@pytest.mark.parametrize("kind", ["map", "seg"])
def test_a_map_of_a_picture_without_geometry_is_refused(kind: str, tmp_path: Path, attribution_of: Make) -> None:
    attribution = attribution_of(Scan(np.zeros((1, 8, 8), np.float32), "cd" * 32))
    with pytest.raises(BadInput, match="has no geometry"):
        export_dicom([attribution], [], tmp_path / "out", objects=(kind,))
    assert not (tmp_path / "out").exists()


def test_a_dicom_source_that_does_not_say_where_it_lies_is_a_picture(
    tmp_path: Path, write_slice: Write, attribution_of: Make
) -> None:
    path = write_slice(tmp_path / "a.dcm", 0, ImagePositionPatient=None, ImageOrientationPatient=None)
    found = write_dicom([attribution_of(read_dicom(path))], [path], tmp_path / "out")
    assert {each.parent.name for each in found.paths} == {"capture", "report"}
    assert "Image Position" in found.left_out[0]


def test_other_sources_than_those_explained_are_refused(
    attributions: list[Attribution], tmp_path: Path, write_slice: Write
) -> None:
    other = write_slice(tmp_path / "other.dcm", 0, seed=5)
    with pytest.raises(BadInput, match="none of the 1 DICOM slices") as caught:
        export_dicom(attributions, [other], tmp_path / "out")
    assert "anary" not in str(caught.value)


def test_slices_with_equal_pixels_are_told_apart_by_their_places(
    tmp_path: Path, write_slice: Write, attribution_of: Make
) -> None:
    folder = tmp_path / "blank"
    folder.mkdir()
    paths = [write_slice(folder / f"{n}.dcm", n, PixelData=bytes(40 * 32 * 2)) for n in range(3)]
    scans = [read_dicom(path) for path in paths]
    assert len({scan.content for scan in scans}) == 1
    (found,) = export_dicom(
        [attribution_of(scans[1], targets=("glioma",))], [folder], tmp_path / "out", objects=("map",)
    )
    read = pydicom.dcmread(found)
    assert read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[2] == 2.0


def test_targets_may_differ_between_slices(attributions: list[Attribution], series: Path, tmp_path: Path) -> None:
    maps = [each.maps for each in attributions]
    one = [
        replace(each, targets=(name,), maps=m[:1])
        for each, m, name in zip(attributions, maps, ("glioma", "meningioma", "glioma"), strict=True)
        if m is not None
    ]
    written = by_kind(export_dicom(one, [series], tmp_path / "out"))
    frames = {path.stem.split("_")[-1]: int(pydicom.dcmread(path).NumberOfFrames) for path in written["map"]}
    assert frames == {"glioma": 2, "meningioma": 1}
    assert list(hd.seg.segread(written["seg"][0]).segment_numbers) == [1, 2]


def test_a_blank_map_has_no_region_and_the_reason_is_said(series: Path, tmp_path: Path, attribution_of: Make) -> None:
    path = next(series.glob("*.dcm"))
    blank = attribution_of(read_dicom(path), maps=np.zeros((3, 5, 5), np.float32))
    found = write_dicom([blank], [path], tmp_path / "out")
    assert {each.parent.name for each in found.paths} == {"map", "capture", "report"}
    assert found.left_out == ("a Segmentation of Grad-CAM · blocks.4 · small: no map is above 0 anywhere",)


def test_the_patient_is_in_the_objects_and_nowhere_else(
    attributions: list[Attribution],
    series: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in series.glob("*.dcm"):  # a name and an age that parsers grumble about, quoting them
        with quiet():
            data = pydicom.dcmread(path)
            data.PatientName = "Canarybird"
            data.PatientAge = "canary"
            data.save_as(path)
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = write_dicom(attributions, [series], tmp_path / "out")
    read = pydicom.dcmread(found.paths[0])
    assert read.PatientName == "Canarybird" and "PatientAge" not in read
    streams = capsys.readouterr()
    heard = [caplog.text, streams.out, streams.err, *map(str, found.paths), *found.left_out]
    heard += [str(each.message) for each in said]
    assert not any("canary" in each.lower() for each in heard)


def test_a_header_against_the_standard_is_an_error_that_quotes_nothing(
    attributions: list[Attribution], series: Path, tmp_path: Path
) -> None:
    for path in series.glob("*.dcm"):
        data = pydicom.dcmread(path)
        data.StudyInstanceUID = ""
        data.save_as(path)
    with pytest.raises(BadScan) as caught:
        export_dicom(attributions, [series], tmp_path / "out")
    assert "anary" not in repr(caught.value) and caught.value.__context__ is None


def test_without_highdicom_the_error_says_what_to_install(
    attributions: list[Attribution], series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(BadInput, match=r"pip install 'whyscan\[dicom\]'"):
        export_dicom(attributions, [series], tmp_path / "out")


@pytest.mark.parametrize("text", ["max:0", "max:1.1", "half", "bottom:0.5", "max:nan", ""])
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="threshold"):
        Threshold.parse(text)


def test_thresholds_by_hand() -> None:
    values = np.array([[[-9.0, 0.0, 1.0, 2.0, 4.0]]], np.float32)
    assert Threshold.parse("0.5").region(values).ravel().tolist() == [False, False, False, True, True]
    assert Threshold.parse("top:0.2").region(values).ravel().tolist() == [False, False, False, False, True]
    assert Threshold.parse("top:1").region(values).ravel().tolist() == [False, False, True, True, True]
    assert not Threshold().region(-np.abs(values)).any()


def test_an_object_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="hologram"):
        export_dicom([], [], tmp_path, objects=("hologram",))


def test_frames_of_a_file_that_holds_several_keep_their_places(
    tmp_path: Path, write_slice: Write, attribution_of: Make
) -> None:
    def group(**sequences: dict[str, object]) -> Dataset:
        found = Dataset()
        for name, attributes in sequences.items():
            item = Dataset()
            for keyword, value in attributes.items():
                setattr(item, keyword, value)
            setattr(found, name, Sequence([item]))
        return found

    frames = [group(PlanePositionSequence={"ImagePositionPatient": [-20.0, -30.0, 2.0 * n]}) for n in range(3)]
    shared = group(
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        PixelMeasuresSequence={"PixelSpacing": [1.5, 1.25], "SliceThickness": 2.0},
    )
    path = write_slice(
        tmp_path / "a.dcm", 0, SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1", NumberOfFrames=3,
        PixelData=np.random.default_rng(0).integers(0, 4000, (3, 40, 32)).astype("<u2").tobytes(),
        SharedFunctionalGroupsSequence=Sequence([shared]), PerFrameFunctionalGroupsSequence=Sequence(frames),
        ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None, SliceThickness=None,
    )  # fmt: skip
    explained = [attribution_of(read_dicom(path, frame=n), seed=n, targets=("glioma",)) for n in (0, 2)]
    written = by_kind(export_dicom(explained, [path], tmp_path / "out"))
    assert {kind: len(paths) for kind, paths in written.items()} == {"map": 1, "capture": 2, "seg": 1, "report": 1}
    read = pydicom.dcmread(written["map"][0])
    for values, groups in zip(read.pixel_array, read.PerFrameFunctionalGroupsSequence, strict=True):
        height = groups.PlanePositionSequence[0].ImagePositionPatient[2]
        np.testing.assert_array_equal(values, explained[{0.0: 0, 4.0: 1}[height]].values[0])


@pytest.fixture
def as_series(series: Path, attribution_of: Make) -> list[Attribution]:
    """The same three slices, read as the series that they are."""
    return [attribution_of(scan, seed=number) for number, scan in enumerate(read_series(series))]


@pytest.mark.parametrize(("numbers", "spacing"), [((0, 2, 4), 4.0), ((0, 1), 2.0), ((0, 1, 3), None), ((2,), None)])
def test_frames_say_how_far_they_lie_apart_whatever_the_source_says(
    numbers: tuple[int, ...], spacing: float | None, tmp_path: Path, write_slice: Write, attribution_of: Make
) -> None:
    folder = tmp_path / "said"
    folder.mkdir()
    paths = [write_slice(folder / f"{n}.dcm", n, SpacingBetweenSlices=0.667) for n in range(5)]  # 2 mm in truth
    explained = [attribution_of(read_dicom(paths[n]), seed=n, targets=("glioma",)) for n in numbers]
    written = by_kind(export_dicom(explained, [folder], tmp_path / "out", objects=("map", "seg")))
    for path in (*written["map"], *written["seg"]):
        found = pydicom.dcmread(path)
        measures = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert measures.get("SpacingBetweenSlices") == spacing
        assert (found.get("DimensionOrganizationType") == "3D") == (spacing is not None)
        assert list(measures.PixelSpacing) == [1.5, 1.25] and measures.SliceThickness == 2
        if shutil.which("dciodvfy"):
            assert errors_of(path) == []


def test_a_dicomdir_is_a_source_like_its_folder(attributions: list[Attribution], series: Path, tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    with quiet():
        listed = FileSet()
        for path in series.glob("*.dcm"):
            listed.add(path)
        listed.write(tmp_path / "disc")
    written = by_kind(export_dicom(attributions, [tmp_path / "disc" / "DICOMDIR"], tmp_path / "out"))
    assert {kind: len(paths) for kind, paths in written.items()} == {"map": 3, "capture": 9, "seg": 1, "report": 1}


def test_a_slice_has_one_number_everywhere(as_series: list[Attribution], series: Path, tmp_path: Path) -> None:
    middle, last = as_series[1:]
    assert [each.source.rpartition("-slice-")[2] for each in as_series] == ["000", "001", "002"]
    written = by_kind(export_dicom([last, middle], [series], tmp_path / "out"))
    assert {path.stem.rpartition("_")[2] for path in written["capture"]} == {"slice-001", "slice-002"}
    groups = hd.sr.srread(written["report"][0]).content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["slice 1", "slice 2"]
    assert capture_picture._which(last) == "scan, slice 2 of 3 (from 0)"


def test_a_reports_group_refers_to_the_picture_and_the_frames_of_its_own_slice(
    as_series: list[Attribution], series: Path, tmp_path: Path
) -> None:
    written = by_kind(export_dicom(as_series, [series], tmp_path / "out"))
    captures = {str(pydicom.dcmread(path).SOPInstanceUID): path.stem for path in written["capture"]}
    frames = {str(pydicom.dcmread(path).SOPInstanceUID): pydicom.dcmread(path) for path in written["map"]}
    groups = hd.sr.srread(written["report"][0]).content.get_image_measurement_groups()
    for number, group in enumerate(groups):
        referred = [
            (str(item.ReferencedSOPInstanceUID), item.get("ReferencedFrameNumber"))
            for content in group[0].ContentSequence
            if content.RelationshipType == "CONTAINS" and content.ValueType == "IMAGE"
            for item in content.ReferencedSOPSequence
        ]
        pictures = [captures[uid] for uid, _ in referred if uid in captures]
        assert len(pictures) == 3 and all(each.endswith(f"slice-{number:03d}") for each in pictures)
        shown = [frames[uid].PerFrameFunctionalGroupsSequence[int(n) - 1] for uid, n in referred if uid in frames]
        assert [each.PlanePositionSequence[0].ImagePositionPatient[2] for each in shown] == [2.0 * number] * 3


@pytest.mark.parametrize("objects", [None, ("map", "capture")])
def test_a_picture_among_dicom_sources_costs_them_nothing(
    objects: tuple[str, ...] | None, as_series: list[Attribution], series: Path, tmp_path: Path, attribution_of: Make
) -> None:
    pixels = np.random.default_rng(0).random((1, 30, 40)).astype(np.float32)
    photo = attribution_of(Scan(pixels, "cd" * 32, source="p.png"), targets=("glioma",))
    found = write_dicom([photo, *as_series], [series, tmp_path / "p.png"], tmp_path / "out", objects=objects)
    written = by_kind(list(found.paths))
    assert len(written["map"]) == 3 and len(written["capture"]) == 9 + 1
    (alone,) = (path for path in written["capture"] if path.stem.endswith("_" + "cd" * 6))
    assert pydicom.dcmread(alone).PatientName == ""
    assert any("a Parametric Map: a PNG, JPEG" in reason for reason in found.left_out)


def test_slices_of_a_nifti_volume_are_one_series_and_the_reason_says_what_to_do(
    tmp_path: Path, attribution_of: Make
) -> None:
    blank = np.zeros((1, 30, 40), np.float32)  # equal pixels: only their places tell them apart
    scans = [
        Scan(blank, "cd" * 32, f"t1-axial-{n:03d}", place=Place("ab12", n, 30, np.eye(4), "axial", "nifti"))
        for n in (4, 22, 9)
    ]
    explained = [attribution_of(scan, seed=n, targets=("glioma",)) for n, scan in enumerate(scans)]
    found = write_dicom(explained, [tmp_path / "t1.nii.gz"], tmp_path / "out")
    written = by_kind(list(found.paths))
    assert [path.stem.rpartition("_")[2] for path in written["capture"]] == ["slice-004", "slice-009", "slice-022"]
    read = [pydicom.dcmread(path) for path in found.paths]
    assert len({each.StudyInstanceUID for each in read}) == 1
    assert len({each.SeriesInstanceUID for each in read}) == 2 and len(written["report"]) == 1
    groups = hd.sr.srread(written["report"][0]).content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["slice 4", "slice 9", "slice 22"]
    assert len(found.left_out) == 2 and all("export nifti" in reason for reason in found.left_out)
    with pytest.raises(BadInput, match="NIfTI"):
        write_dicom(explained, [], tmp_path / "more", objects=("map",))
    if shutil.which("dciodvfy"):
        assert {path.name: errors for path in found.paths if (errors := errors_of(path))} == {}
