from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.energy import chance, energy_in_region

REGION = np.array([[True, False], [False, False]])


def test_the_share_of_the_positive_part() -> None:
    found = energy_in_region(np.array([[3.0, 1.0], [-5.0, 0.0]], np.float32), REGION)
    assert found.value == pytest.approx(0.75)
    assert found.status == "measured"
    assert chance(REGION).value == pytest.approx(0.25)


def test_a_map_without_preference_is_at_chance() -> None:
    assert energy_in_region(np.full((2, 2), 0.1, np.float32), REGION).value == chance(REGION).value


@pytest.mark.parametrize(
    ("values", "region", "status", "reason"),
    [
        (np.ones((2, 2)), None, "skipped", "no region is known"),
        (np.ones((2, 2)), np.zeros((2, 2), bool), "skipped", "the region is empty"),
        (-np.ones((2, 2)), REGION, "skipped", "no positive values"),
        (np.full((2, 2), np.nan), REGION, "failed", "NaN"),
        (np.ones((3, 2)), REGION, "failed", "shape"),
    ],
)
def test_not_measured_is_never_zero(values, region, status, reason) -> None:
    found = energy_in_region(values, region)
    assert (found.value, found.status) == (None, status)
    assert reason in found.reason


def test_chance_needs_a_region_too() -> None:
    assert chance(None).status == chance(np.zeros((2, 2), bool)).status == "skipped"
