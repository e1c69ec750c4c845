from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from whyscan.records.geometry import Geometry, resize

SIDE = st.integers(1, 40)
SHAPE = st.tuples(SIDE, SIDE)
WIDE = st.tuples(st.integers(2, 40), st.integers(2, 40))


@settings(max_examples=60, deadline=None)
@given(SHAPE, SHAPE, st.integers(0, 9))
def test_resize_is_pillows_bilinear(old, new, seed) -> None:
    image = np.random.default_rng(seed).random(old, np.float32)
    expected = np.asarray(Image.fromarray(image).resize(new[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resize(image[None], new)[0], expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(WIDE, WIDE, st.integers(0, 9))
def test_resize_is_torchs_antialiased_bilinear(old, new, seed) -> None:
    # sides of 1 are left out: there torch takes its own tensor for one in another memory format
    image = np.random.default_rng(seed).random((2, *old), np.float32)
    expected = functional.interpolate(
        torch.from_numpy(image)[None], new, mode="bilinear", align_corners=False, antialias=True
    )[0]
    np.testing.assert_allclose(resize(image, new), expected.numpy(), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(SHAPE, SHAPE, st.integers(0, 9))
def test_to_scan_is_torchs_bilinear_for_a_stretched_scan(scan, grid, seed) -> None:
    maps = np.random.default_rng(seed).random((2, *grid), np.float32)
    geometry = Geometry.of(scan, (32, 32))
    expected = functional.interpolate(torch.from_numpy(maps)[None], scan, mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(geometry.to_scan(maps), expected.numpy(), atol=1e-5)


def test_a_letterbox_keeps_the_aspect_ratio_and_is_black_outside() -> None:
    geometry = Geometry.of((100, 50), (64, 64), "pad")
    assert geometry.box == (0, 16, 64, 32)
    out = geometry.to_model(np.ones((1, 100, 50), np.float32))
    np.testing.assert_allclose(out[0, :, 16:48], 1, rtol=1e-6)
    assert not out[0, :, :16].any()
    assert not out[0, :, 48:].any()


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(8, 40), st.integers(8, 40)), st.sampled_from(["stretch", "pad"]))
def test_there_and_back_a_smooth_map_stays_where_it_was(scan, fit) -> None:
    y, x = np.mgrid[: scan[0], : scan[1]] / np.array(scan)[:, None, None]
    ramp = np.stack([y, x]).astype(np.float32)
    geometry = Geometry.of(scan, (64, 64), fit)
    back = geometry.to_scan(geometry.to_model(ramp))
    # inside; at the letterbox's edge a bilinear sample mixes with the black outside
    np.testing.assert_allclose(back[:, 1:-1, 1:-1], ramp[:, 1:-1, 1:-1], atol=0.08)


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_a_mask_lands_where_its_pixels_land(fit) -> None:
    region = np.zeros((40, 20), bool)
    region[10:20, 5:10] = True
    geometry = Geometry.of((40, 20), (80, 80), fit)
    there = geometry.region_to_model(region)
    assert there.dtype == bool
    pixels = geometry.to_model(region[None].astype(np.float32))[0]
    # at a corner two blurred edges meet: 0.75 x 0.625
    np.testing.assert_array_equal(there, pixels > 0.45)
    np.testing.assert_array_equal(geometry.labels_to_scan(there), region)


def test_labels_to_scan_makes_no_new_labels() -> None:
    labels = np.array([[0, 90], [-1, 7]])
    found = Geometry.of((5, 5), (2, 2)).labels_to_scan(labels)
    assert found.shape == (5, 5)
    assert set(np.unique(found)) == {-1, 0, 7, 90}
    assert (found[0, 0], found[0, 4], found[4, 0], found[4, 4]) == (0, 90, -1, 7)


def test_a_sliver_still_has_a_pixel() -> None:
    assert Geometry.of((1000, 1), (10, 10), "pad").box[3] == 1
