"""Localisation against quantus, on maps without ties; and the cases in which quantus is wrong, worked out by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.trust.localisation import localise

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that quantus imports: not ours to mend
    quantus = pytest.importorskip("quantus", reason="quantus is in the extra `oracles`")

SIDE = 12  # 3 % of it rounds to no margin, which quantus's pointing game does not have


def theirs(metric: str, values: np.ndarray, region: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(quantus, metric)(disable_warnings=True, display_progressbar=False)
        found = made.evaluate_batch(a_batch=values[None, None], s_batch=region[None, None])
    return float(found[0])


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A map of distinct values, and a region that is neither empty nor everything."""
    rng = np.random.default_rng(seed)
    values = rng.permutation(SIDE * SIDE).reshape(SIDE, SIDE).astype(np.float32)
    region = np.zeros((SIDE, SIDE), bool)
    top, left = rng.integers(0, SIDE - 3, 2)
    region[top : top + rng.integers(1, 6), left : left + rng.integers(1, 6)] = True
    return values, region


@pytest.mark.parametrize(
    ("ours", "metric"),
    [
        ("pointing", "PointingGame"),
        ("rank", "RelevanceRankAccuracy"),
        ("mass", "RelevanceMassAccuracy"),
        ("energy", "RelevanceMassAccuracy"),
        ("auc", "AUC"),
    ],
)
@given(seed=st.integers(0, 100_000))
def test_where_quantus_is_right_the_figures_are_the_same(ours: str, metric: str, seed: int) -> None:
    values, region = drawn(seed)
    assert localise(ours, values, region).value == pytest.approx(theirs(metric, values, region), abs=1e-6)


def test_a_constant_map_is_a_hit_for_quantus_and_not_measured_here() -> None:
    _, region = drawn(0)
    values = np.full(region.shape, 0.5, np.float32)
    assert theirs("PointingGame", values, region) == 1
    assert localise("pointing", values, region).status == "skipped"


def test_an_empty_mask_is_a_hit_for_quantus_and_not_measured_here() -> None:
    values, region = drawn(0)
    assert theirs("PointingGame", values, np.zeros_like(region)) == 1  # NaN, written into an array of truth values
    assert localise("pointing", values, np.zeros_like(region)).reason == "the region is empty"


def test_of_two_strongest_pixels_one_inside_quantus_counts_a_whole_hit() -> None:
    _, region = drawn(0)
    values = np.zeros(region.shape, np.float32)
    values[region.nonzero()[0][0], region.nonzero()[1][0]] = 1
    values[(~region).nonzero()[0][0], (~region).nonzero()[1][0]] = 1
    assert theirs("PointingGame", values, region) == 1
    assert localise("pointing", values, region).value == 0.5


@pytest.mark.parametrize("flip", [lambda each: each, lambda each: each[::-1, ::-1].copy()])
def test_a_sparse_maps_rank_does_not_depend_on_the_order_of_its_zeros(flip: Callable[..., np.ndarray]) -> None:
    region = np.zeros((4, 4), bool)
    region[0] = True  # four pixels; one is strong, and of the three still wanted all 15 others are tied
    values = np.zeros((4, 4), np.float32)
    values[0, 0] = 1
    by_hand = (1 + 3 * 3 / 15) / 4
    assert localise("rank", flip(values), flip(region)).value == pytest.approx(by_hand)


def test_quantus_answers_to_that_order() -> None:
    region = np.zeros((4, 4), bool)
    region[0] = True
    values = np.zeros((4, 4), np.float32)
    values[0, 0] = 1
    found = {
        theirs("RelevanceRankAccuracy", turned(values), turned(region))
        for turned in (lambda each: each, lambda each: each[::-1, ::-1].copy())
    }
    assert len(found) == 2
