"""Overlays: what is painted, what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.segmentation import find_boundaries

from whyscan.render import colour, overlay

GREY = np.full((4, 4), 100, np.uint8)


def test_no_tint_where_there_is_nothing() -> None:
    values = np.zeros((4, 4))
    values[0, 0], values[1, 1], values[2, 2] = 1.0, np.nan, -1.0
    signed = overlay.heat(values, GREY, signed=True)
    unsigned = overlay.heat(values, GREY, signed=False)
    untouched = np.abs(np.nan_to_num(values)) == 0
    assert (signed[untouched] == 100).all()
    assert (unsigned[untouched | (values < 0)] == 100).all()
    assert (overlay.heat(np.zeros((4, 4)), GREY, signed=True) == 100).all()


def test_tint_at_the_end_of_the_scale_is_the_stated_blend() -> None:
    values = np.array([[2.0, -2.0]])
    painted = overlay.heat(values, np.full((1, 2), 100, np.uint8), signed=True, alpha=0.6)
    expected = [0.4 * 100 + 0.6 * np.array(c) for c in (colour.FOR, colour.AGAINST)]
    np.testing.assert_allclose(painted[0], expected, atol=1)


def test_tint_grows_with_the_magnitude_and_a_shared_limit_makes_panels_comparable() -> None:
    values = np.linspace(0, 1, 6)[None]
    background = np.full((1, 6), 100, np.uint8)
    change = np.abs(overlay.heat(values, background, signed=True).astype(int) - 100).sum(-1)[0]
    assert (np.diff(change) > 0).all()
    half = overlay.heat(values / 2, background, signed=True, limit=1.0)
    np.testing.assert_array_equal(
        half[0, 4], overlay.heat(np.array([[0.4]]), background[:, :1], signed=True, limit=1.0)[0, 0]
    )
    assert (overlay.heat(values / 2, background, signed=True) == overlay.heat(values, background, signed=True)).all()


def test_backgrounds_may_be_grey_or_rgb() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(overlay.heat(np.zeros((4, 4)), rgb, signed=False), rgb)
    np.testing.assert_array_equal(overlay.rgb(rgb[..., :1]), np.repeat(rgb[..., :1], 3, axis=2))


def test_edges_are_those_of_skimage() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (12, 9))
    np.testing.assert_array_equal(overlay.edges(labels), find_boundaries(labels, connectivity=1, mode="thick"))


def test_superpixels_show_the_strongest_by_sign_with_borders() -> None:
    segments = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 6, axis=0), 6, axis=1)
    weights = np.array([3.0, -2.0, 0.5, 0.0])[segments]
    background = np.zeros((12, 12), np.uint8)
    shown = overlay.superpixels(weights, segments, background, top=2, alpha=0.5)
    np.testing.assert_allclose(shown[2, 2], np.array(colour.FOR) / 2, atol=1)
    np.testing.assert_allclose(shown[2, 9], np.array(colour.AGAINST) / 2, atol=1)
    assert tuple(shown[5, 2]) == colour.FOR  # the border of superpixel 0
    assert not shown[8:, 2].any()  # the third in strength
    assert not shown[8:, 9].any()  # weight 0
    everything = overlay.superpixels(weights, segments, background, top=10)
    assert not everything[8:, 9].any()


@pytest.mark.parametrize("weight", [0.0, np.nan])
def test_superpixels_of_a_blank_map_and_outside_the_game(weight: float) -> None:
    segments = np.full((4, 4), -1)
    assert (overlay.superpixels(np.ones((4, 4)), segments, GREY) == 100).all()
    assert (overlay.superpixels(np.full((4, 4), weight), segments + 1, GREY) == 100).all()


def test_contour_lies_inside_the_region_only() -> None:
    region = np.zeros((7, 7), bool)
    region[2:5, 2:5] = True
    drawn = (overlay.contour(np.zeros((7, 7, 3), np.uint8), region) == colour.OUTLINE).all(-1)
    ring = region.copy()
    ring[3, 3] = False
    np.testing.assert_array_equal(drawn, ring)


def test_the_colour_bar_is_what_heat_paints_on_mid_grey() -> None:
    bar = overlay.bar(signed=True, alpha=1.0, steps=3)
    assert tuple(bar[0]) == colour.AGAINST
    assert tuple(bar[2]) == colour.FOR
    assert len(set(bar[1].tolist())) == 1
