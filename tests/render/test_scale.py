"""Scale: round numbers between its ends, at the places that the colours have them."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.render import overlay
from whyscan.render.scale import Scale, bar, labels, ticks


@pytest.mark.parametrize("end", [1e-9, 3.3e-5, 0.012, 0.106, 1.0, 7.5, 99.0, 123456.0])
@pytest.mark.parametrize("signed", [True, False])
def test_ticks_are_few_round_even_and_inside(end: float, signed: bool) -> None:
    low, high = Scale(signed, end, "logit").ends
    at = ticks(low, high)
    assert 3 <= len(at) <= 7
    assert low <= min(at) and max(at) <= high and any(value == 0 for value in at)
    steps = np.diff(at)
    np.testing.assert_allclose(steps, steps[0])
    assert f"{steps[0]:.0e}"[0] in "125"
    assert len(set(labels(at))) == len(at)
    np.testing.assert_allclose([float(each.replace("−", "-")) for each in labels(at)], at, rtol=1e-6, atol=end * 1e-9)


def test_numbers_have_one_number_of_digits_and_a_true_minus() -> None:
    assert labels([-0.1, -0.05, 0.0, 0.05, 0.1]) == ["−0.10", "−0.05", "0.00", "0.05", "0.10"]
    assert labels([0.0, 2e-5, 4e-5]) == ["0", "2e−05", "4e−05"]


def test_the_bar_runs_from_its_low_end_below_to_its_high_end_above() -> None:
    drawn = bar(Scale(True, 2.0, "change of probability"), 200)
    column = drawn[:, 5].astype(int)
    inside = column[(column != 255).any(axis=1)][1:-1]  # without the frame
    colours = overlay.bar(signed=True, steps=200)
    np.testing.assert_array_equal(inside[0], colours[-2])
    np.testing.assert_array_equal(inside[-1], colours[1])
    assert len(inside) == 198


def test_the_label_says_what_is_to_be_known_of_the_scale() -> None:
    assert Scale(True, 1.0, "logit").label == "logit"
    assert Scale(True, 0.0, "logit").label == "logit (blank)"
    assert Scale(True, 1.0, "logit", share=0.99).label == "logit (up to 1% of the pixels lie beyond)"
    assert Scale(False, 0.0, "logit").ends == (0.0, 1.0)
