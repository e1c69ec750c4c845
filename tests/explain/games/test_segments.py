from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyscan.errors import BadInput
from whyscan.explain.games.segments import Superpixels, head, own, renumber, segment
from whyscan.explain.games.surrogate import Perturbation, set_up
from whyscan.records.geometry import Geometry


def head_like(size: int = 96) -> np.ndarray:
    """A grey disc with a dark hole (ventricle) on black, and a bright marker in a corner."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    image = np.where(x**2 + y**2 < 0.12, 0.5, 0.0) + np.where(x**2 + y**2 < 0.09, 0.2 * np.sin(9 * x), 0)
    image[x**2 + y**2 < 0.004] = 0
    image[:8, :8] = 1
    return np.repeat(image[None].astype(np.float32), 3, 0)


@pytest.mark.parametrize("algorithm", ["slic", "quickshift", "felzenszwalb", "grid"])
def test_every_algorithm_covers_the_scan_the_same_way_each_time(algorithm) -> None:
    pixels = head_like()
    labels = segment(pixels, Superpixels(algorithm, count=30))
    assert labels.shape == (96, 96)
    assert labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert 4 <= labels.max() + 1 <= 120
    np.testing.assert_array_equal(labels, segment(pixels, Superpixels(algorithm, count=30)))


def test_a_grid_is_a_grid() -> None:
    labels = segment(head_like(8), Superpixels("grid", count=4))
    expected = np.kron([[0, 1], [2, 3]], np.ones((4, 4), int))
    np.testing.assert_array_equal(labels, expected)


def test_slic_gives_about_as_many_as_asked_in_grey_and_in_colour() -> None:
    grey = head_like()
    colour = grey * np.array([1, 0.7, 0.4], np.float32)[:, None, None]
    for pixels in (grey, colour):
        assert 30 <= segment(pixels, Superpixels(count=50)).max() + 1 <= 70


def test_the_head_is_the_disc_with_its_hole_and_without_the_marker() -> None:
    mask = head(head_like())
    assert mask[48, 48]
    assert not mask[:8, :8].any()
    assert mask.mean() == pytest.approx(np.pi * 0.12, rel=0.1)
    labels = segment(head_like(), Superpixels(background="leave out"))
    np.testing.assert_array_equal(labels >= 0, mask)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_blank_image_has_no_background(value) -> None:
    assert head(np.full((3, 20, 20), value, np.float32)).all()


def test_nearly_everything_is_everything() -> None:
    almost = np.ones((1, 50, 50), np.float32)
    almost[:, 0, 0] = 0
    assert head(almost).all()


def test_own_labels_follow_the_scan_to_the_models_grid() -> None:
    geometry = Geometry.of((4, 2), (8, 8), "pad")  # fills columns 2..5
    labels = np.array([[7, 7], [7, 7], [3, -2], [3, 3]])
    found = own(labels, geometry)
    assert set(np.unique(found[:, :2])) == set(np.unique(found[:, 6:])) == {-1}
    np.testing.assert_array_equal(found[:4, 2:6], 1)
    np.testing.assert_array_equal(found[4:6, 4:6], -1)
    np.testing.assert_array_equal(found[6:, 2:6], 0)
    on_model = np.arange(64).reshape(8, 8) % 3
    inside = np.pad(np.ones((8, 4), bool), ((0, 0), (2, 2)))
    np.testing.assert_array_equal(own(on_model, geometry), np.where(inside, on_model, -1))


def test_what_a_scan_does_not_fill_is_in_no_game(toy, scan) -> None:
    padded = replace(toy, input_size=(16, 24), fit="pad")
    geometry, board = set_up(padded, scan, Perturbation(Superpixels("grid", 6), fill=0.9))
    margin = ~geometry.region_to_model(np.ones(scan.shape, bool))
    assert margin.any()
    np.testing.assert_array_equal(board.segments[margin], -1)
    assert sorted(np.unique(board.segments[~margin])) == list(range(board.players))


@pytest.mark.parametrize(
    "wrong", [{"background": "drop"}, {"count": 2.5}, {"count": 1}, {"compactness": 0}, {"algorithm": "voronoi"}]
)
def test_superpixels_that_cannot_be_are_refused(wrong) -> None:
    with pytest.raises(BadInput, match=str(next(iter(wrong.values())))):
        Superpixels(**wrong)


@pytest.mark.parametrize("labels", [np.zeros((4, 2)), np.zeros((3, 2), int)])
def test_labels_of_another_make_are_refused(labels) -> None:
    with pytest.raises(BadInput, match="label map"):
        own(labels, Geometry.of((4, 2), (8, 8)))


def test_renumber() -> None:
    np.testing.assert_array_equal(renumber(np.array([[-5, 4], [9, 4]])), [[-1, 0], [1, 0]])
