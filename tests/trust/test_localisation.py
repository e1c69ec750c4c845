"""Localisation: figures worked out by hand, chance levels against blind maps, and what must never be a hit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from whyscan.trust.inside import MEASURES
from whyscan.trust.localisation import centre_prior, chance, localise

REGION = np.zeros((10, 10), bool)
REGION[2:4, 2:6] = True  # 8 of 100 pixels


def value(name: str, values: np.ndarray, region: np.ndarray | None = REGION, among: np.ndarray | None = None) -> float:
    found = localise(name, values.astype(np.float32), region, among)
    assert found.value is not None, found.reason
    return found.value


def one(row: int, column: int, height: float = 1.0) -> np.ndarray:
    values = np.zeros((10, 10), np.float32)
    values[row, column] = height
    return values


def test_the_pointing_game_is_won_inside_and_lost_outside() -> None:
    assert value("pointing", one(2, 5)) == 1
    assert value("pointing", one(9, 9)) == 0
    assert value("pointing", one(9, 9) + one(2, 2)) == 0.5  # two strongest pixels, of which one hits


def test_the_tolerance_is_three_percent_of_the_longer_side() -> None:
    region = np.zeros((100, 60), bool)
    region[50, 20:30] = True
    for gap, hit in ((3, 1), (4, 0)):
        values = np.zeros((100, 60))
        values[50 + gap, 25] = 1
        assert value("pointing", values, region) == hit


def test_energy_mass_and_negative_share_by_hand() -> None:
    values = one(2, 2, 3) + one(0, 0, 1) + one(3, 3, -2) + one(9, 9, -6)
    assert value("energy", values) == pytest.approx(3 / 4)
    assert value("mass", values) == pytest.approx(5 / 12)
    assert value("negative", values) == pytest.approx(2 / 8)


def test_rank_and_overlap_by_hand() -> None:
    values = np.zeros((10, 10))
    values[2, 2:6] = 2  # four of the eight strongest are inside
    values[9, 0:4] = 1
    assert value("rank", values) == pytest.approx(0.5)
    assert value("iou", values) == pytest.approx(4 / 12)
    assert value("iou_half", values) == pytest.approx(4 / 12)  # at 1 and above: the same eight
    values[9, 0:4] = 0.99
    assert value("iou_half", values) == pytest.approx(4 / 8)


def test_ties_count_with_the_share_that_is_inside() -> None:
    values = np.zeros((10, 10))
    values[2, 2:6] = 1  # four inside; four more have to come from the 96 zeros, of which four are inside
    assert value("rank", values) == pytest.approx((4 + 4 * 4 / 96) / 8)
    order = np.random.default_rng(0).permutation(100)
    shuffled = values.ravel()[order].reshape(10, 10)
    region = REGION.ravel()[order].reshape(10, 10)
    for name in set(MEASURES) - {"pointing", "negative"}:  # the order of the pixels must not matter
        assert value(name, shuffled, region) == pytest.approx(value(name, values))


@pytest.mark.parametrize("name", MEASURES)
def test_a_map_without_preference_is_never_a_hit(name: str) -> None:
    for level in (0.0, 0.7, -0.3):
        found = localise(name, np.full((10, 10), level, np.float32), REGION)
        assert (found.value, found.status) == (None, "skipped") and "same everywhere" in found.reason
    jitter = np.full((10, 10), 0.7, np.float32)
    jitter[2, 2] = np.nextafter(np.float32(0.7), np.float32(1))  # the arithmetic's last bit is no preference
    assert localise(name, jitter, REGION).value is None


@pytest.mark.parametrize("name", MEASURES)
def test_what_cannot_be_measured_has_a_reason(name: str) -> None:
    values = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
    assert localise(name, values, None).reason == "no region is known for this scan"
    assert localise(name, values, np.zeros((10, 10), bool)).reason == "the region is empty"
    assert localise(name, values, np.ones((10, 10), bool)).reason == "the region is everywhere: nothing could miss it"
    assert localise(name, values, np.ones((5, 5), bool)).status == "failed"
    assert localise(name, values, REGION, np.ones((5, 5), bool)).status == "failed"
    for bad in (np.nan, np.inf):
        assert localise(name, np.where(REGION, bad, values), REGION).status == "failed"
    assert "no pixel" in localise(name, values, REGION, np.eye(10, dtype=bool)[::-1] & ~REGION & (values > 9)).reason


def test_a_map_without_the_sign_that_is_asked_for_is_not_measured() -> None:
    against = -one(2, 2)
    for name in ("pointing", "energy", "iou_half"):
        assert localise(name, against, REGION).reason == "the map has no positive values"
    assert localise("negative", -against, REGION).reason == "the map has no negative values"
    assert value("mass", against) == 1


@given(seed=st.integers(0, 10_000), levels=st.integers(2, 12))
def test_auc_and_average_precision_are_scikit_learns(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (9, 7)).astype(np.float32)  # mostly ties
    region = rng.random((9, 7)) < 0.3
    if not region.any() or region.all() or np.ptp(values) == 0:
        return
    assert value("auc", values, region) == pytest.approx(roc_auc_score(region.ravel(), values.ravel()))
    assert value("ap", values, region) == pytest.approx(average_precision_score(region.ravel(), values.ravel()))


@pytest.mark.parametrize("name", MEASURES)
def test_chance_is_the_mean_over_maps_that_know_nothing(name: str) -> None:
    rng = np.random.default_rng(1)
    region = np.zeros((40, 40), bool)
    region[3:19, 5:25] = True
    found = []
    for _ in range(300):
        values = rng.normal(size=(40, 40)).astype(np.float32)
        expected = chance(name, values, region).value
        assert expected is not None
        found.append(value(name, values, region) - expected)
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found)) + 0.002


def test_in_the_head_only_the_heads_pixels_count() -> None:
    head = np.zeros((10, 10), bool)
    head[1:6, 1:8] = True  # 35 pixels
    values = one(2, 2, 1) + one(9, 9, 5) + one(5, 5, 1)
    assert value("pointing", values) == 0
    assert value("pointing", values, among=head) == 0.5
    assert value("energy", values, among=head) == pytest.approx(0.5)
    assert chance("energy", values, REGION, head).value == pytest.approx(8 / 35)


def test_the_centre_prior_is_a_bump_in_the_middle() -> None:
    prior = centre_prior((9, 5))
    assert np.unravel_index(prior.argmax(), prior.shape) == (4, 2)
    np.testing.assert_allclose(prior, prior[::-1, ::-1], rtol=1e-6)
