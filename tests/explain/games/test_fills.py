from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whyscan.errors import BadInput
from whyscan.explain.games.fills import hidden

FILLS = ("mean", "blur", "noise", "inpaint", 0.3)
GRID = np.kron(np.arange(9).reshape(3, 3), np.ones((5, 5), int)).astype(np.int32)


def smooth(seed: int, size: int = 15) -> np.ndarray:
    return np.random.default_rng(seed).random((3, size, size), np.float32)


@settings(max_examples=25, deadline=None)
@given(
    pixels=arrays(np.float32, (3, 8, 9), elements=st.floats(0, 1, width=32)),
    segments=arrays(np.int32, (8, 9), elements=st.integers(-1, 4)),
    fill=st.sampled_from(FILLS),
)
def test_a_fill_stays_within_what_a_scan_can_be(pixels, segments, fill) -> None:
    filled = hidden(pixels, segments, fill)
    assert filled.shape == pixels.shape
    assert filled.dtype == np.float32
    assert filled.min() >= 0
    assert filled.max() <= 1 + 1e-6


@pytest.mark.parametrize("fill", FILLS)
def test_a_grey_scan_stays_grey(fill) -> None:
    filled = hidden(np.repeat(smooth(0)[:1], 3, 0), GRID, fill)
    np.testing.assert_array_equal(filled[0], filled[1])
    np.testing.assert_array_equal(filled[0], filled[2])


@pytest.mark.parametrize("fill", ["mean", "blur", "inpaint"])
def test_a_superpixel_that_is_as_its_surroundings_stays_as_it_is(fill) -> None:
    flat = np.full((3, 15, 15), 0.4, np.float32)
    np.testing.assert_allclose(hidden(flat, GRID, fill), flat, atol=1e-4)


def test_inpainting_goes_on_with_a_ramp() -> None:
    """A linear ramp is harmonic, so where a superpixel has neighbours on all sides it is found again exactly."""
    ramp = np.broadcast_to(np.linspace(0, 1, 15, dtype=np.float32), (3, 15, 15))
    holed = ramp.copy()
    holed[:, GRID == 4] = 1  # what was there is not looked at
    filled = hidden(holed, GRID, "inpaint")
    np.testing.assert_allclose(filled[:, GRID == 4], ramp[:, GRID == 4], atol=1e-3)


def test_inpainting_is_the_mean_of_four_neighbours() -> None:
    """Equation by equation on noise: inside the superpixel the neighbours are the fill's, outside the scan's."""
    pixels = smooth(1)
    filled = hidden(pixels, GRID, "inpaint").astype(float)
    for y in range(15):
        for x in range(15):
            around = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            around = [(j, i) for j, i in around if 0 <= j < 15 and 0 <= i < 15]
            seen = [(filled if GRID[j, i] == GRID[y, x] else pixels)[:, j, i] for j, i in around]
            np.testing.assert_allclose(filled[:, y, x], np.mean(seen, 0), atol=1e-3)


def test_inpainting_leaves_alone_what_is_not_in_the_game_and_falls_back_to_the_mean() -> None:
    pixels = smooth(2)
    everything = hidden(pixels, np.zeros((15, 15), np.int32), "inpaint")
    np.testing.assert_allclose(everything, np.broadcast_to(pixels.mean((1, 2), keepdims=True), pixels.shape), atol=1e-4)
    outside = np.where(GRID == 4, 0, -1).astype(np.int32)
    np.testing.assert_allclose(
        hidden(pixels, outside, "inpaint")[:, GRID == 4], hidden(pixels, GRID, "inpaint")[:, GRID == 4], atol=2e-3
    )


def test_each_channel_is_inpainted_by_itself() -> None:
    pixels = smooth(3)
    whole = hidden(pixels, GRID, "inpaint")
    for c in range(3):
        alone = hidden(np.repeat(pixels[c : c + 1], 3, 0), GRID, "inpaint")
        np.testing.assert_allclose(alone[0], whole[c], atol=1e-6)


def test_noise_has_the_intensities_of_the_head_and_not_its_places() -> None:
    pixels = np.zeros((3, 64, 64), np.float32)
    pixels[:, 16:48, 16:48] = 0.4 + 0.2 * np.random.default_rng(0).random((32, 32), np.float32)
    noise = hidden(pixels, np.zeros((64, 64), np.int32), "noise")
    assert noise.min() >= 0
    assert np.mean(noise >= 0.4) > 0.85  # the head's smoothed edge takes in a rim of background, a pixel wide
    assert abs(np.corrcoef(noise[0].ravel(), pixels[0].ravel())[0, 1]) < 0.2
    # smooth on the scale of grains: neighbours are alike, which white noise is not
    assert np.corrcoef(noise[0, :, 1:].ravel(), noise[0, :, :-1].ravel())[0, 1] > 0.5


def test_noise_is_the_scans_own() -> None:
    one, two = smooth(4), smooth(5)
    np.testing.assert_array_equal(hidden(one, GRID, "noise"), hidden(one, GRID, "noise"))
    assert not np.array_equal(hidden(one, GRID, "noise"), hidden(one, GRID, "noise", seed=1))
    ranks = [np.argsort(hidden(each, GRID, "noise")[0], axis=None) for each in (one, two)]
    assert not np.array_equal(*ranks)


@pytest.mark.parametrize("fill", ["grey", 1.5, -0.1, None, float("nan")])
def test_an_unknown_fill_is_refused(fill) -> None:
    with pytest.raises(BadInput, match="inpaint"):
        hidden(smooth(0), GRID, fill)
