from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from whyscan.explain.games.hierarchy import depths, hierarchy, members, neighbours
from whyscan.explain.games.segments import renumber

QUARTERS = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])


def painted(segments: np.ndarray, values: list[float]) -> np.ndarray:
    return np.asarray(values, np.float32)[segments][None]


def test_neighbours_that_look_alike_are_joined_first() -> None:
    # the left half is dark, the right half is bright: 0 touches 2 and 1 touches 3
    assert hierarchy(painted(QUARTERS, [0, 1, 0.1, 1]), QUARTERS).tolist() == [[1, 3], [0, 2], [4, 5]]
    # the upper half is dark, the lower half is bright
    assert hierarchy(painted(QUARTERS, [0, 0, 1, 0.9]), QUARTERS).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_alike_but_apart_is_not_joined() -> None:
    # 0 and 3 are equal and meet at a corner only; all four neighbours differ alike
    (a, b), *_ = hierarchy(painted(QUARTERS, [0, 1, 1, 0]), QUARTERS)
    assert (a, b) not in [(0, 3), (1, 2)]


def test_regions_that_do_not_touch_are_joined_last() -> None:
    segments = np.array([[0, 1, -1, 2, 3]])
    # 1 and 2 look alike, but there is a gap
    merges = hierarchy(painted(np.maximum(segments, 0), [0, 0.5, 0.5, 1]), segments)
    assert sorted(map(sorted, merges[:2].tolist())) == [[0, 1], [2, 3]]


def test_a_flat_scan_gets_branches_of_like_size() -> None:
    segments = np.arange(64).reshape(8, 8)
    assert depths(hierarchy(np.zeros((1, 8, 8), np.float32), segments)).max() <= 9


def test_members_and_depths_of_a_small_tree() -> None:
    merges = np.array([[1, 3], [0, 4], [2, 5]])
    np.testing.assert_array_equal(depths(merges), [2, 3, 1, 3, 2, 1, 0])
    assert members(merges)[4:].astype(int).tolist() == [[0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]]


def test_one_superpixel_is_a_tree_without_branches() -> None:
    assert hierarchy(np.ones((3, 2, 2), np.float32), np.zeros((2, 2), int)).shape == (0, 2)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 12))
def test_every_branch_is_connected_where_the_scan_is_and_nothing_is_drawn(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    seeds, places = random.integers(0, 12, (count, 2)), np.indices((12, 12))
    # cells of a Voronoi diagram, cut into connected pieces
    cells = ((places[:, None] - seeds.T[:, :, None, None]) ** 2).sum(0).argmin(0)
    pieces = [ndimage.label(cells == cell)[0] + 100 * cell * (cells == cell) for cell in range(count)]
    segments = renumber(np.sum(pieces, axis=0))
    pixels = random.random((3, 12, 12), np.float32)
    merges = hierarchy(pixels, segments)
    players = segments.max() + 1
    assert merges.shape == (players - 1, 2)
    assert sorted(merges.ravel().tolist()) == list(range(2 * players - 2))
    for belongs in members(merges):
        assert ndimage.label(belongs[segments])[1] == 1
    np.testing.assert_array_equal(merges, hierarchy(pixels.copy(), segments.copy()))
    touching = neighbours(segments)
    assert (touching == touching.T).all()
    assert not touching.diagonal().any()
