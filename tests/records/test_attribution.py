from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from whyscan.errors import BadRun, BadTarget
from whyscan.records.attribution import Attribution, find, load_all, save_all
from whyscan.records.geometry import Geometry

GEOMETRY = Geometry.of((6, 9), (8, 8))
RNG = np.random.default_rng(0)
THUMBNAIL = RNG.integers(0, 255, (6, 9)).astype(np.uint8)


def layer_map(layer: str = "conv1") -> Attribution:
    return Attribution(
        method="gradcam",
        targets=("glioma", "glioma-meningioma"),
        geometry=GEOMETRY,
        classes=("glioma", "meningioma"),
        probabilities=np.array([0.3, 0.7], np.float32),
        maps=RNG.random((2, 4, 4), np.float32),
        layer=layer,
        label="glioma",
        thumbnail=THUMBNAIL,
        diagnosis=("there", "negative everywhere"),
        model="toy",
        model_hash="ff",
        scan="abc",
        source="glioma/1.png",
    )


def superpixels() -> Attribution:
    segments = np.full((8, 8), -1, np.int32)
    segments[:, :4], segments[:4, 4:] = 0, 1
    return replace(
        layer_map(),
        method="lime",
        layer=None,
        maps=None,
        segments=segments,
        weights=np.array([[1.0, -2.0], [0.5, 0.25]], np.float32),
        intervals=np.array([[[0, 2], [-3, -1]], [[0, 1], [0, 0.5]]], np.float32),
        signed=True,
        score="probability",
        evaluations=300,
        converged=False,
        seed=7,
        deviation=0.001,
        settings={"fill": "mean", "superpixels": {"count": 50}},
    )


def assert_equal(one: Attribution, two: Attribution) -> None:
    for item in fields(Attribution):
        a, b = getattr(one, item.name), getattr(two, item.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, item.name
            np.testing.assert_array_equal(a, b, err_msg=item.name)
        else:
            assert a == b, item.name
            assert type(a) is type(b), item.name


@pytest.mark.parametrize("make", [layer_map, superpixels])
def test_saved_and_loaded_it_is_equal(make, tmp_path: Path) -> None:
    before = make()
    before.save(tmp_path / "a" / "b.npz")
    after = Attribution.load(tmp_path / "a" / "b.npz")
    assert_equal(before, after)
    assert before.digest() == after.digest()
    np.testing.assert_array_equal(before.values, after.values)


def test_several_share_one_file_and_one_thumbnail(tmp_path: Path) -> None:
    before = [layer_map("conv1"), layer_map("conv2"), superpixels()]
    save_all(tmp_path / "all.npz", before)
    for one, two in zip(before, load_all(tmp_path / "all.npz"), strict=True):
        assert_equal(one, two)
    with np.load(tmp_path / "all.npz") as stored:
        assert sum(name.endswith("thumbnail") for name in stored.files) == 1
    with pytest.raises(BadRun, match="holds 3"):
        Attribution.load(tmp_path / "all.npz")


def test_the_digest_sees_every_change() -> None:
    first = superpixels()
    changed = [
        replace(first, weights=first.weights + 1),
        replace(first, seed=8),
        replace(first, targets=("glioma", "meningioma")),
        replace(first, probabilities=np.array([0.4, 0.6], np.float32)),
        replace(first, label="meningioma"),
        replace(first, source="elsewhere.png"),
    ]
    assert len({each.digest() for each in [first, *changed]}) == 7


def test_superpixels_paint_their_pixels_and_nothing_outside_the_game() -> None:
    found = superpixels()
    np.testing.assert_array_equal(found.grid[0, :, :4], 1)
    np.testing.assert_array_equal(found.grid[0, :4, 4:], -2)
    np.testing.assert_array_equal(found.grid[0, 4:, 4:], 0)
    assert found.values.shape == (2, 6, 9)
    np.testing.assert_array_equal(np.unique(found.values[0]), [-2, 0, 1])  # no new values by interpolation


def test_layer_maps_are_carried_to_the_scan() -> None:
    found = layer_map()
    assert found.grid is found.maps
    np.testing.assert_array_equal(found.values, GEOMETRY.to_scan(found.maps))


@pytest.mark.parametrize("make", [layer_map, superpixels])
def test_one_targets_map_is_that_of_all_and_the_others_are_not_carried(make) -> None:
    found = make()
    alone = [found.on_scan(name) for name in found.targets]
    assert "values" not in vars(found)
    np.testing.assert_array_equal(np.stack(alone), found.values)
    np.testing.assert_array_equal(found.on_scan(found.targets[-1]), alone[-1])
    with pytest.raises(BadTarget):
        found.on_scan("no such target")


def test_names_cannot_go_wrong() -> None:
    found = layer_map()
    assert found.index("glioma-men") == 1
    assert found.predicted == "meningioma"
    assert found.probability("men") == pytest.approx(0.7)
    assert found.title("glioma") == "True: glioma, predicted: meningioma, explained: glioma"
    assert replace(found, label=None, source="").title("glioma") == "predicted: meningioma, explained: glioma"
    with pytest.raises(BadTarget, match="'stroke' is not known"):
        found.index("stroke")
    with pytest.raises(BadTarget, match="could be glioma, glial"):
        find("gli", ("glioma", "glial"), "class")


def test_without_a_thumbnail_the_background_is_grey() -> None:
    np.testing.assert_array_equal(replace(layer_map(), thumbnail=None).background(), np.full((6, 9), 128))
    assert layer_map().background() is THUMBNAIL


def test_overlay_has_the_scans_shape() -> None:
    for each in (layer_map(), superpixels()):
        painted = each.overlay("glioma-men")
        assert painted.shape == (6, 9, 3)
        assert painted.dtype == np.uint8


@pytest.mark.parametrize("wrong", [{"maps": None}, {"segments": np.zeros((8, 8)), "weights": np.zeros((2, 1))}])
def test_it_has_maps_or_weights_never_both_or_none(wrong) -> None:
    with pytest.raises(ValueError, match="either maps"):
        replace(layer_map(), **wrong)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(BadRun, match="missing"):
        load_all(path)
    layer_map().save(path)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadRun, match="damaged"):
            load_all(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(BadRun, match="damaged"):
        load_all(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(BadRun, match="damaged"):
        load_all(path)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadRun, match="damaged"):
        load_all(tmp_path / "a.npz")


def test_how_the_scan_was_read_is_kept_and_old_records_know_nothing_of_it(tmp_path: Path) -> None:
    said = ("window: the file's first of 1 (centre 40, width 80, LINEAR)", "WARNING: text may be burned in")
    with_reading = replace(layer_map(), reading=said)
    with_reading.save(tmp_path / "new.npz")
    assert Attribution.load(tmp_path / "new.npz").reading == said
    assert with_reading.digest() != replace(with_reading, reading=()).digest()
    replace(with_reading, reading=()).save(tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as stored:
        assert b"reading" not in stored["header"].tobytes()  # as the records of before the field was there
    assert Attribution.load(tmp_path / "old.npz").reading == ()
