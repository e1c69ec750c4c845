"""NIfTI out: each value is found at the voxel, and at the millimetre, that the source's own header says."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.data.dicom_series import read_series
from whyscan.data.nifti import open_volume
from whyscan.data.nifti_planes import PLANES
from whyscan.data.read import read_scan
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.export.formats import export
from whyscan.export.nifti import export_nifti, write_nifti
from whyscan.records.attribution import Attribution, save_all
from whyscan.records.geometry import Geometry

SHAPE = (9, 10, 11)
RAMP = np.arange(990, dtype=np.int16).reshape(SHAPE)
Make = Callable[..., Attribution]


def exact(scan: Scan, *, target: str = "glioma", scale: float = 989.0, **more: object) -> Attribution:
    """An attribution whose values are the scan's own, so that where they come to lie can be told."""
    fields: dict[str, object] = {
        "method": "saliency", "targets": (target,), "geometry": Geometry.of(scan.shape, scan.shape),
        "classes": ("glioma", "no tumor"), "probabilities": np.array([0.75, 0.25], np.float32),
        "maps": scan.pixels * np.float32(scale), "scan": scan.content, "source": scan.source, "place": scan.place,
        "model": "small", "model_hash": "ab" * 32,
    }  # fmt: skip
    return Attribution(**(fields | more))  # type: ignore[arg-type]


def lying(axes: Sequence[int], flips: Sequence[int], tilt: float, shear: float) -> np.ndarray:
    found = np.zeros((4, 4))
    for column, (row, flip, side) in enumerate(zip(axes, flips, (1.0, 2.5, 0.7), strict=True)):
        found[row, column] = flip * side
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    turn[0, 1] = shear
    found = turn @ found
    found[:, 3] = [-90.0, 126.0, -72.5, 1.0]
    return found


@settings(max_examples=40)
@given(
    axes=st.permutations([0, 1, 2]), flips=st.tuples(*[st.sampled_from([-1, 1])] * 3), tilt=st.floats(-0.6, 0.6),
    shear=st.floats(-0.2, 0.2), plane=st.sampled_from(PLANES), data=st.data(),
)  # fmt: skip
def test_maps_come_back_to_the_voxels_of_their_source(
    tmp_path_factory: pytest.TempPathFactory, axes: list[int], flips: tuple[int, ...], tilt: float, shear: float,
    plane: str, data: st.DataObject,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("n")
    nib.save(nib.Nifti1Image(RAMP, lying(axes, flips, tilt, shear)), folder / "a.nii")
    opened = open_volume(folder / "a.nii", plane=plane, window="full")
    chosen = data.draw(st.lists(st.integers(0, len(opened) - 1), min_size=1, unique=True))
    volume, beside = export_nifti([exact(opened.read(k)) for k in chosen], folder / "out")
    source, found = nib.load(folder / "a.nii"), nib.load(volume)
    assert found.shape == source.shape and found.get_data_dtype() == np.float32
    assert np.allclose(found.affine, source.affine, atol=1e-4)
    values = np.asarray(found.dataobj)
    there = np.isfinite(values)
    assert np.allclose(values[there], RAMP[there], atol=1e-2)
    assert there.sum() == len(chosen) * RAMP.size / len(opened)
    # the explained slices by nibabel's numbering, in the array as it is stored
    along = {"axial": "SI", "coronal": "AP", "sagittal": "RL"}[plane]
    axis = next(i for i, code in enumerate(nib.aff2axcodes(source.affine)) if code in along)
    run = np.flatnonzero(there.any(axis=tuple(i for i in range(3) if i != axis)))
    backwards = nib.aff2axcodes(source.affine)[axis] in "IPL"
    assert sorted(len(opened) - 1 - run if backwards else run) == sorted(chosen)
    assert [each["index"] for each in json.loads(beside.read_text())["slices"]] == sorted(chosen)


def test_what_lies_beside(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), tmp_path / "Jane_Doe.nii.gz")
    scans = [read_scan(tmp_path / "Jane_Doe.nii.gz", slice=k, window="full") for k in (3, 5)]
    found = [exact(scan, signed=name == "lime", method=name) for scan in scans for name in ("lime", "cam")]
    paths = export_nifti(found, tmp_path / "out")
    names = [f"small_{method}_glioma.{ending}" for method in ("lime", "cam") for ending in ("nii.gz", "json")]
    assert [path.name for path in paths] == names
    assert {path.parent.name for path in paths} == {f"volume-{scans[0].place.volume[:8]}-axial"}  # type: ignore[union-attr]
    said = {path.name: json.loads(path.read_text()) for path in paths if path.suffix == ".json"}
    lime = said["small_lime_glioma.json"]
    assert "RESEARCH ONLY" in lime["purpose"] and "NaN" in lime["not_explained"]
    assert lime["classes"] == ["glioma", "no tumor"] and lime["signed"] and lime["slices_of_volume"] == 11
    assert [(each["index"], each["predicted"]) for each in lime["slices"]] == [(3, "glioma"), (5, "glioma")]
    image = nib.load(paths[0])
    assert b"RESEARCH ONLY" in bytes(image.header["descrip"])
    # a map as fine as the model's input is shown up to its 99th percentile
    assert 0.98 * lime["largest"] < float(image.header["cal_max"]) < lime["largest"] == 984
    assert float(image.header["cal_min"]) == -float(image.header["cal_max"])
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (2, 2)
    assert image.header.get_xyzt_units()[0] == "mm"
    before = paths[0].read_bytes()
    assert export_nifti(found, tmp_path / "out")[0].read_bytes() == before
    assert not any("Jane" in path.read_text() for path in paths if path.suffix == ".json")


def test_volumes_planes_and_times_stay_apart(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.stack([RAMP, RAMP], axis=-1), np.eye(4)), tmp_path / "a.nii")
    both = [(plane, volume) for plane in PLANES for volume in (0, 1)]
    scans = [read_scan(tmp_path / "a.nii", slice=2, plane=plane, volume=volume) for plane, volume in both]
    paths = export_nifti([exact(scan) for scan in scans], tmp_path / "out")
    folders = {path.parent.name for path in paths}
    assert len(folders) == 6 and all(nib.load(path).shape == SHAPE for path in paths if path.suffix == ".gz")


def test_of_a_dicom_series_every_pixel_lies_at_its_millimetre(write_slice: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    angle = 0.3  # slices that are tilted, and rows and columns of different width
    axes = [1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))]
    normal = np.cross(axes[:3], axes[3:])
    for number in range(4):
        where = [float(v) for v in np.array([-20.0, -30.0, 5.0]) + 2.5 * number * normal]
        write_slice(folder / f"{9 - number}.dcm", number, ImageOrientationPatient=axes, ImagePositionPatient=where)
    scans = read_series(folder)
    volume, beside = export_nifti([exact(scan, scale=1) for scan in scans], tmp_path / "out")
    found = nib.load(volume)
    values = np.asarray(found.dataobj)
    assert values.shape == (32, 40, 4)
    rng = np.random.default_rng(0)
    for number, scan in enumerate(scans):
        for row, column in rng.integers(0, 32, (20, 2)):
            # PS3.3 C.7.6.2.1.1, then LPS to RAS
            lps = np.array([-20.0, -30.0, 5.0]) + 2.5 * number * normal
            lps = lps + np.array(axes[:3]) * 1.25 * column + np.array(axes[3:]) * 1.5 * row
            voxel = np.linalg.inv(found.affine) @ [*(lps * [-1, -1, 1]), 1]
            assert np.abs(voxel[:3] - np.rint(voxel[:3])).max() < 1e-3
            assert values[tuple(np.rint(voxel[:3]).astype(int))] == scan.pixels[0, row, column]
    text = beside.read_text() + str(bytes(found.header.binaryblock)) + str(volume)
    assert "anary" not in text and "CANARY" not in text


def test_gaps_and_single_dicom_files(write_slice: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for number, height in enumerate((0.0, 2.0, 4.0, 9.0)):
        write_slice(folder / f"{number}.dcm", number, ImagePositionPatient=[-20.0, -30.0, height])
    done = write_nifti([exact(scan) for scan in read_series(folder)], tmp_path / "out")
    assert not done.paths and "not evenly spaced" in done.left_out[0]
    alone = [read_scan(path) for path in sorted(folder.glob("*.dcm"))]
    paths = export_nifti([exact(scan) for scan in alone], tmp_path / "alone")
    assert len(paths) == 8 and len({path.parent for path in paths}) == 4
    assert [nib.load(path).affine[2, 3] for path in paths if path.suffix == ".gz"] == [0, 2, 4, 9]


def test_a_slanted_gantry_makes_a_sheared_grid(write_slice: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(3):
        write_slice(folder / f"{number}.dcm", number, ImagePositionPatient=[0.0, 1.5 * number, 2.0 * number])
    volume, _ = export_nifti([exact(scan) for scan in read_series(folder)], tmp_path / "out")
    found = nib.load(volume)
    assert np.allclose(found.affine[:3, 2], [0, -1.5, 2]) and int(found.header["qform_code"]) == 0


def test_pictures_are_refused_with_the_reason(attribution_of: Make, tmp_path: Path) -> None:
    flat = attribution_of(Scan(np.zeros((1, 8, 8), np.float32), "ef" * 32, source="a.png"))
    with pytest.raises(BadInput, match="has no geometry"):
        export([flat], "nifti", out=tmp_path / "out")
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), tmp_path / "a.nii")
    both = export([flat, exact(read_scan(tmp_path / "a.nii", slice=3))], "nifti", out=tmp_path / "out")
    assert len(both["files"]) == 2 and both["left_out"] == [
        "a NIfTI volume of a.png: a PNG, JPEG or other image has no geometry: it lies nowhere in a patient"
    ]
    with pytest.raises(BadInput, match="of nothing"):
        write_nifti([], tmp_path)


def test_places_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), tmp_path / "a.nii")
    found = exact(read_scan(tmp_path / "a.nii", slice=3))
    assert found.place is not None
    for place in (
        replace(found.place, index=11),
        replace(found.place, affine=None),
        replace(found.place, grid=replace(found.place.grid, shape=(9, 10, 12))),  # type: ignore[type-var]
    ):
        with pytest.raises(BadInput, match="without a place"):
            write_nifti([replace(found, place=place)], tmp_path / "out")


def test_the_command_needs_no_source(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), tmp_path / "a.nii")
    save_all(tmp_path / "a.npz", [exact(read_scan(tmp_path / "a.nii", slice=3, window="full"))])
    arguments = ["export", str(tmp_path / "a.npz"), "--to", "nifti", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    volume, _ = map(Path, json.loads(result.stdout)["files"])
    assert np.allclose(np.asarray(nib.load(volume).dataobj)[..., 3], RAMP[..., 3], atol=1e-2)
    assert gzip.decompress(volume.read_bytes())[:4] == (348).to_bytes(4, "little")


@pytest.mark.real
def test_real_sources(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "nifti" / "someones_anatomy.nii.gz"
    opened = open_volume(path, plane="coronal", window="full")
    volume, _ = export_nifti([exact(opened.read(k), scale=1) for k in range(len(opened))], tmp_path / "nifti")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = nib.load(path)
    values, found = source.get_fdata(), nib.load(volume)
    assert np.allclose(found.affine, source.affine)
    scaled = (values - values.min()) / (values.max() - values.min())
    assert np.abs(np.asarray(found.dataobj) - scaled).max() < 1e-6
    scans = read_series(shared / "data" / "dicom-mr-t1")
    volume, _ = export_nifti([exact(scan, scale=1) for scan in scans], tmp_path / "dicom")
    found = nib.load(volume)
    assert found.shape == (scans[0].shape[1], scans[0].shape[0], len(scans))
    for number, scan in enumerate(scans):
        assert scan.place is not None and scan.place.affine is not None
        corner = found.affine @ [0, 0, number, 1]
        assert np.abs(corner - scan.place.affine[:, 3]).max() < 0.05
        assert np.array_equal(np.asarray(found.dataobj)[..., number].T, scan.pixels[0])
