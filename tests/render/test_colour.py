"""The one convention of sign: told apart by everyone, even in lightness, and nothing painted where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import deltaE_ciede2000, rgb2lab

from whyscan.render import colour

# Vienot, Brettel and Mollon (1999): linear RGB as protanopes and deuteranopes see it
PROTAN = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
DEUTAN = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


def seen(rgb: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    linear = (np.asarray(rgb, float) / 255) ** 2.2
    return np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("eye", [np.eye(3), PROTAN, DEUTAN], ids=["normal", "protan", "deutan"])
def test_for_and_against_are_told_apart(eye: np.ndarray) -> None:
    green, magenta = (rgb2lab(seen(np.array(c), eye)[None, None])[0, 0] for c in (colour.FOR, colour.AGAINST))
    assert deltaE_ciede2000(green, magenta) > 30


@pytest.mark.parametrize("signed", [True, False])
def test_lightness_is_even(signed: bool) -> None:
    lightness = rgb2lab(colour.table(signed)[None] / 255)[0, :, 0]
    rising = lightness[128:] if signed else lightness
    steps = np.diff(rising[::16])
    assert (steps > 0).all()
    assert steps.max() < 3 * steps.min()
    if signed:
        falling = np.diff(lightness[:129:16])
        assert (falling < 0).all()


def test_the_ends_of_the_signed_scale_are_the_two_colours() -> None:
    ends = colour.paint(np.array([-1.0, 0.0, 1.0]), signed=True)
    assert tuple(ends[0]) == colour.AGAINST
    assert tuple(ends[2]) == colour.FOR
    assert len(set(ends[1].tolist())) == 1  # 0 is grey: neither


@given(
    arrays.arrays(
        np.float32,
        (3, 4),
        elements=st.floats(-(2.0**60), 2.0**60, width=32, allow_subnormal=False) | st.sampled_from([np.nan, np.inf]),
    ),
    st.booleans(),
)
def test_strength_stays_in_range_and_keeps_order(values: np.ndarray, signed: bool) -> None:
    strength = colour.strength(values, signed=signed)
    assert np.isfinite(strength).all()
    assert strength.min() >= (-1 if signed else 0)
    assert strength.max() <= 1
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(strength[finite][order]) >= 0).all()


@pytest.mark.parametrize("signed", [True, False])
def test_blank_maps_have_no_strength(signed: bool) -> None:
    assert not colour.strength(np.zeros((2, 2)), signed=signed).any()
    assert not colour.strength(np.full((2, 2), np.nan), signed=signed).any()
    assert not colour.strength(np.ones((2, 2)), signed=signed, limit=0.0).any()


def test_a_shared_limit_is_the_largest_finite_magnitude() -> None:
    assert colour.limit_of(np.array([1.0, -3.0]), np.array([[2.0, np.inf]]), np.array([np.nan])) == 3.0
    assert colour.limit_of() == 0.0
    np.testing.assert_allclose(colour.strength(np.array([[1.0, 8.0]]), signed=True, limit=4.0), [[0.25, 1.0]])


def test_convention_and_hexadecimal() -> None:
    assert "magenta against" in colour.convention(True)
    assert "magenta" not in colour.convention(False)
    assert colour.hexadecimal((1, 171, 255)) == "#01abff"
