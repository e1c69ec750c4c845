"""The smallest detectable effect, against the noncentral t distribution."""

import pytest
from scipy.optimize import brentq
from scipy.stats import nct, t

from whyscan.stats.power import needed, smallest_effect


def exact(freedom: int, error: float) -> float:
    """The effect that a t test with this standard error finds four times out of five; the far tail is 0 to 1e-6."""
    end = t.ppf(0.975, freedom)
    return brentq(lambda d: nct.sf(end, freedom, d / error) - 0.8, 0.01, 4 * error + 0.1)


@pytest.mark.parametrize("n", [8, 12, 34, 100, 400])
def test_pairs(n):
    assert smallest_effect(n) == pytest.approx(exact(n - 1, n**-0.5), rel=0.02)


@pytest.mark.parametrize(("n", "other"), [(6, 6), (10, 10), (10, 200), (50, 50), (30, 300)])
def test_two_kinds(n, other):
    assert smallest_effect(n, other) == pytest.approx(exact(n + other - 2, (1 / n + 1 / other) ** 0.5), rel=0.02)


def test_hardly_any():
    assert smallest_effect(1) == smallest_effect(0) == smallest_effect(1, 500) == float("inf")


def test_a_medium_effect_needs_34_pairs():
    assert needed(0.5) == 34  # G*Power says so too
    assert smallest_effect(34) <= 0.5 < smallest_effect(33)
