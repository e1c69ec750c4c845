"""NIfTI: every voxel is shown where nibabel's own affine says it lies, and nothing is chosen silently."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.data.nifti import open_volume
from whyscan.data.nifti_file import is_nifti, nifti_files
from whyscan.data.nifti_planes import PLANES
from whyscan.data.read import read_scan, read_scans
from whyscan.data.slices import chosen_slices
from whyscan.data.sources import sources
from whyscan.errors import BadInput, BadScan
from whyscan.records.grid import Grid
from whyscan.records.place import Place

SHAPE = (9, 10, 11)
RAMP = np.arange(990, dtype=np.int16).reshape(SHAPE)


def write(path: Path, values: np.ndarray = RAMP, affine: np.ndarray | None = None, **header: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def lying(axes: Sequence[int], flips: Sequence[int], tilt: float, shear: float) -> np.ndarray:
    """An affine with these axes and directions, turned about one axis, and sheared."""
    found = np.zeros((4, 4))
    for column, (row, flip, side) in enumerate(zip(axes, flips, (1.0, 2.5, 0.7), strict=True)):
        found[row, column] = flip * side
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    turn[0, 2] = shear
    found = turn @ found
    found[:, 3] = [-31.5, 12.25, 7.0, 1.0]
    return found


@settings(max_examples=60)
@given(
    axes=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    tilt=st.floats(-0.6, 0.6),
    shear=st.floats(-0.2, 0.2),
    plane=st.sampled_from(PLANES),
    data=st.data(),
)
def test_every_pixel_lies_where_nibabel_says(
    tmp_path_factory: pytest.TempPathFactory, axes: list[int], flips: tuple[int, ...], tilt: float, shear: float,
    plane: str, data: st.DataObject,
) -> None:  # fmt: skip
    path = write(tmp_path_factory.mktemp("n") / "a.nii", affine=lying(axes, flips, tilt, shear))
    opened = open_volume(path, plane=plane, window="full")
    index = data.draw(st.integers(0, len(opened) - 1))
    scan = opened.read(index)
    oracle = nib.load(path)
    place = scan.place
    assert place is not None and place.affine is not None and place.grid is not None
    rows, columns = np.indices(scan.shape)
    ones = np.ones(rows.size)
    there = place.affine @ np.stack([columns.ravel(), rows.ravel(), 0 * ones, ones])
    voxels = np.linalg.inv(oracle.affine) @ there
    nearest = np.rint(voxels[:3]).astype(int)
    assert np.abs(voxels[:3] - nearest).max() < 1e-3
    assert np.allclose(scan.pixels[0].ravel() * 989, RAMP[tuple(nearest)], atol=1e-3)
    # the number of a slice is nibabel's, and so are the sides of the patient
    canonical = np.asarray(nib.as_closest_canonical(oracle).dataobj)
    mine = {
        "axial": lambda a: a[::-1, ::-1, index].T, "coronal": lambda a: a[::-1, index, ::-1].T,
        "sagittal": lambda a: a[index, ::-1, ::-1].T,
    }[plane](canonical)  # fmt: skip
    assert np.allclose(scan.pixels[0] * 989, mine, atol=1e-3)
    assert (place.plane, place.index, place.count) == (plane, index, len(opened))
    assert place.grid.shape == SHAPE and place.grid.count == len(opened) and place.grid.size == scan.shape


@given(st.permutations([1, 2, 3]), st.tuples(*[st.sampled_from([-1, 1])] * 3), st.integers(0, 10))
def test_a_slice_of_a_grid_is_where_its_matrix_says(axes: list[int], signs: tuple[int, ...], number: int) -> None:
    a, b, c = (axis * sign for axis, sign in zip(axes, signs, strict=True))
    grid = Grid(SHAPE, (a, b, c))
    index = number % grid.count
    rows, columns = np.indices(grid.size)
    at = grid.to_array() @ np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, index), np.ones(rows.size)])
    shown = grid.slice(RAMP, index)
    assert np.array_equal(shown.ravel(), RAMP[tuple(at[:3].astype(int))])
    empty = np.zeros(SHAPE, np.int16)
    for each in range(grid.count):
        grid.slice(empty, each)[...] = grid.slice(RAMP, each)
    assert np.array_equal(empty, RAMP)


def test_a_place_with_a_grid_comes_back_from_json() -> None:
    import json

    place = Place("ab", 1, 11, np.eye(4), "axial", "nifti", None, Grid(SHAPE, (-1, -2, 3)))
    back = Place.from_record(json.loads(json.dumps(place.as_record())))
    assert back.grid == place.grid
    assert "grid" not in Place("ab", 0, 1).as_record()
    with pytest.raises(ValueError, match="no grid"):
        Grid(SHAPE, (1, 1, 3))


def test_nothing_is_chosen_silently(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    with pytest.raises(BadScan, match=r"11 axial slices.*chosen, never guessed.*pass slice=5"):
        read_scan(path)
    scans = read_scans(path)
    assert [scan.source for scan in scans] == [f"a-axial-{k:03d}" for k in range(11)]
    assert len({scan.place.volume for scan in scans if scan.place}) == 1
    assert [len(read_scans(path, plane=plane)) for plane in PLANES] == [11, 10, 9]
    assert np.array_equal(read_scan(path, slice=4).pixels, scans[4].pixels)
    assert "axial slice 4 of 11" in scans[4].reading
    for asked in ({"slice": 11}, {"slice": -1}, {"plane": "oblique"}, {"volume": 1, "slice": 0}):
        with pytest.raises(BadInput):
            read_scan(path, **asked)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="slice and a volume"):
        read_scan(path, frame=0)


def test_a_file_with_time_asks_for_a_volume(tmp_path: Path) -> None:
    values = np.stack([RAMP, RAMP + 1000], axis=-1)
    for name in ("a.nii", "a.nii.gz"):
        path = write(tmp_path / name, values)
        with pytest.raises(BadScan, match=r"2 volumes.*--volume 0"):
            read_scan(path, slice=0)
        second = read_scan(path, slice=3, volume=1, window=(1500, 1000))
        assert second.source == "a-volume-001-axial-003" and second.place is not None and second.place.frame == 1
        assert np.allclose(second.pixels[0], (RAMP[::-1, ::-1, 3].T + 1000 - 1000) / 1000)
        assert read_scan(path, slice=3, volume=0).place.volume != second.place.volume  # type: ignore[union-attr]


def test_one_slice_needs_no_choice(tmp_path: Path) -> None:
    flat = write(tmp_path / "a.nii", RAMP[:, 4:5, :])
    scan = read_scan(flat)
    assert scan.place is not None and scan.place.plane == "coronal" and scan.shape == (11, 9)
    assert read_scan(write(tmp_path / "b.nii", RAMP[:, :, 0])).place.plane == "axial"  # type: ignore[union-attr]
    with pytest.raises(BadScan, match="1 x 11 voxels"):
        read_scan(flat, plane="sagittal", slice=0)


def test_values_that_are_no_numbers_are_black_and_counted(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[0, 0, 2], values[1, 0, 2], values[5, 5, 5] = np.nan, np.inf, -np.inf
    scan = read_scan(write(tmp_path / "a.nii.gz", values), slice=2)
    assert "WARNING: 2 values of this slice are no numbers (NaN or infinite): shown as black" in scan.reading
    assert "WARNING: 3 of the volume's 990 values are no numbers (NaN or infinite)" in scan.reading
    assert np.isfinite(scan.pixels).all() and scan.pixels[0, -1, -1] == 0 == scan.pixels[0, -1, -2]
    with pytest.raises(BadScan, match="no finite value"):
        read_scan(write(tmp_path / "b.nii", np.full(SHAPE, np.nan, np.float32)), slice=2)


def test_the_window_is_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", scl_slope=1, scl_inter=0, cal_min=100, cal_max=300)
    low, high = np.percentile(RAMP, [0.5, 99.5])
    scan = read_scan(path, slice=3)
    shown = RAMP[::-1, ::-1, 3].T
    assert np.allclose(scan.pixels[0], np.clip((shown - low) / (high - low), 0, 1), atol=1e-6)
    assert any("0.5th to 99.5th percentile of the volume" in said for said in scan.reading)
    assert np.allclose(read_scan(path, slice=3, window="full").pixels[0], shown / 989, atol=1e-6)
    own = read_scan(path, slice=3, window=0)
    assert np.allclose(own.pixels[0], np.clip((shown - 100) / 200, 0, 1), atol=1e-6)
    assert own.content == scan.content
    for wrong in ("lut", 1, (5, 0)):
        with pytest.raises(BadInput, match="window"):
            read_scan(path, slice=3, window=wrong)  # type: ignore[arg-type]


def test_rescaling_and_byte_order_and_types(tmp_path: Path) -> None:
    for name in ("i1", "u1", ">i2", "u2", ">i4", "u4", "i8", "u8", ">f4", "f8"):
        values = (RAMP % 100).astype(name)
        header = nib.Nifti1Header(endianness=">" if name[0] == ">" else "<")
        header.set_data_dtype(values.dtype)
        path = tmp_path / f"{name[-2:]}.nii"
        nib.save(nib.Nifti1Image(values, np.eye(4), header), path)
        scan = read_scan(path, slice=3, window=(50, 100))
        assert np.allclose(scan.pixels[0], (RAMP % 100)[::-1, ::-1, 3].T / 100, atol=1e-6), name
    scaled = nib.Nifti1Image(RAMP.astype(float), np.eye(4))
    scaled.set_data_dtype(np.uint8)
    nib.save(scaled, tmp_path / "scaled.nii")
    found = read_scan(tmp_path / "scaled.nii", slice=3, window=(494.5, 989))
    assert np.allclose(found.pixels[0], RAMP[::-1, ::-1, 3].T / 989, atol=2e-3)
    assert any(said.startswith("rescaled: ") for said in found.reading)


def test_a_pair_and_nifti_2(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(RAMP, np.eye(4)), tmp_path / "a.hdr")
    nib.save(nib.Nifti2Image(RAMP, np.eye(4)), tmp_path / "b.nii.gz")
    expected = read_scan(write(tmp_path / "c.nii", affine=np.eye(4)), slice=1)
    for name in ("a.hdr", "a.img", "b.nii.gz"):
        assert np.array_equal(read_scan(tmp_path / name, slice=1).pixels, expected.pixels), name
    assert [path.name for path in nifti_files(tmp_path)] == ["a.hdr", "b.nii.gz", "c.nii"]
    (tmp_path / "a.img").unlink()
    with pytest.raises(BadScan, match=r"its \.img is missing"):
        read_scan(tmp_path / "a.hdr", slice=1)
    nib.save(nib.Spm99AnalyzeImage(RAMP, np.eye(4)), tmp_path / "d.img")
    assert not is_nifti(tmp_path / "d.img")


def test_the_form_that_is_used(tmp_path: Path) -> None:
    image = nib.Nifti1Image(RAMP, None)
    image.header.set_qform(np.diag([-2.0, 3.0, 4.0, 1.0]), 1)
    image.header.set_sform(np.diag([2.0, 3.0, 4.0, 1.0]), 2)
    nib.Nifti1Image(RAMP, None, image.header).to_filename(tmp_path / "both.nii")
    both = read_scan(tmp_path / "both.nii", slice=3)
    assert "sform and qform of the header disagree: the sform is used" in both.reading
    image.header.set_sform(None, 0)
    nib.Nifti1Image(RAMP, None, image.header).to_filename(tmp_path / "q.nii")
    only = read_scan(tmp_path / "q.nii", slice=3)
    assert np.array_equal(only.pixels[..., ::-1], both.pixels)
    image.header.set_qform(None, 0)
    nib.Nifti1Image(RAMP, None, image.header).to_filename(tmp_path / "none.nii")
    unknown = read_scan(tmp_path / "none.nii", slice=3).reading
    assert any(said.startswith("WARNING: the header does not say how") for said in unknown)


def test_a_mask_of_the_same_grid(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    mask = write(tmp_path / "masks" / "a.nii.gz", (RAMP > 500).astype(np.uint8))
    scan = read_scan(path, slice=6, mask=mask, plane="sagittal")
    assert scan.region is not None and np.array_equal(scan.region, RAMP[6, ::-1, ::-1].T > 500)
    with pytest.raises(BadScan, match="does not lie on the grid"):
        read_scan(path, slice=6, mask=write(tmp_path / "other.nii", affine=np.eye(4)))


def test_shapes_and_angles_that_mislead_are_said(tmp_path: Path) -> None:
    said = read_scan(write(tmp_path / "a.nii", affine=lying([0, 1, 2], [1, 1, 1], 0.3, 0)), slice=3).reading
    assert any("oblique by up to 17 degrees" in each for each in said)
    assert any("voxels are 1 mm wide and 2.5 mm high" in each for each in said)


def test_every_cut_of_a_file_is_a_named_error(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii.gz"):
        whole = write(tmp_path / name).read_bytes()
        for size in [*range(0, 400, 7), *range(400, len(whole) - 1, 53), len(whole) - 1]:
            cut = tmp_path / f"cut-{name}"
            cut.write_bytes(whole[:size])
            with pytest.raises(BadScan):
                read_scan(cut, slice=3)


def test_a_compressed_file_that_is_damaged_inside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # the checksum
    path.write_bytes(data)
    with pytest.raises(BadScan, match="damaged"):
        read_scan(path, slice=3)


def test_a_folder_of_volumes_goes_on_past_a_bad_one(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "a.nii.gz")
    (tmp_path / "scans" / "b.nii.gz").write_bytes(gzip.compress(b"nothing"))
    found = sources([tmp_path / "scans"], slices="2-4,9", plane="coronal")
    assert [each.name for each in found] == [*(f"a-coronal-{k:03d}" for k in (2, 3, 4, 9)), "b.nii.gz"]
    assert {each.volume for each in found[:4]} == {"a-coronal"}
    assert found[3].read().source == "a-coronal-009"
    with pytest.raises(BadScan, match="not NIfTI"):
        found[-1].read()
    with pytest.raises(BadInput, match="slice 11 of a volume of 10"):
        sources([tmp_path / "scans" / "a.nii.gz"], slices="11", plane="coronal")


def test_one_volume_at_a_time_is_in_memory(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.nii", RAMP + ord(name))
    found = sources([tmp_path])
    scans = [each.read() for each in found]
    assert len({scan.place.volume for scan in scans if scan.place}) == 3
    held = found[0].read.func.__self__.held  # type: ignore[attr-defined]
    assert len(held) == 1 and all(each.read.func.__self__.held is held for each in found)  # type: ignore[attr-defined]
    assert np.array_equal(found[3].read().pixels, scans[3].pixels)


def test_a_plane_of_a_picture_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(RAMP[0].astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="single images"):
        sources([tmp_path / "a.png"], slices="all")
    with pytest.raises(BadInput, match="other series have one plane"):
        sources([tmp_path / "a.png"], plane="axial")
    with pytest.raises(BadInput, match="a NIfTI file"):
        read_scan(tmp_path / "a.png", plane="axial")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, list(range(9))), ("ALL", list(range(9))), (3, [3]), ("3", [3]), ("2-5", [2, 3, 4, 5]),
        ("0-8:4", [0, 4, 8]), ("5, 1-2,5", [1, 2, 5]), ([4, 2], [2, 4]),
    ],
)  # fmt: skip
def test_which_slices(asked: object, found: list[int]) -> None:
    assert chosen_slices(asked, 9) == found  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", ["", "x", "5-2", "1-5:0", "-1", "9", "0-999999999", [], [9], -1, "1--2"])
def test_slices_that_are_none(asked: object) -> None:
    with pytest.raises(BadInput):
        chosen_slices(asked, 9)  # type: ignore[arg-type]


@pytest.mark.real
def test_a_real_volume(shared: Path) -> None:
    path = shared / "data" / "nifti" / "someones_anatomy.nii.gz"
    scans = read_scans(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = nib.load(path)
    values = oracle.get_fdata()
    assert len(scans) == 56 and scans[0].shape == (67, 57)
    low, high = np.percentile(values, [0.5, 99.5])
    for k in (0, 28, 55):
        shown = np.clip((values[::-1, ::-1, k].T - low) / (high - low), 0, 1)
        assert np.abs(scans[k].pixels[0] - shown).max() < 1e-5
        place = scans[k].place
        assert place is not None and place.affine is not None
        assert np.allclose(place.affine[:3, 3], (oracle.affine @ [56, 66, k, 1])[:3])
