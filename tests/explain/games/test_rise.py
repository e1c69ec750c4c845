from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadModel, BadScan
from whyscan.explain.games.rise import RISE, average, blend, draw
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier

PIXELS = (0.2 + 0.8 * np.random.default_rng(0).random((1, 12, 12))).astype(np.float32)
SCAN = Scan(PIXELS, content_hash(PIXELS), label="spot")


def spot(pixels: np.ndarray) -> np.ndarray:
    """Logits: how much of the scan's pixel (3, 8) is seen, and the opposite."""
    seen = pixels[:, 0, 3, 8] / PIXELS[0, 3, 8]
    return np.stack([seen, -seen], 1)


def box(predict=spot, **options) -> Classifier:
    return black_box(predict, ("spot", "not"), 12, scores="logit", **options)


def grids(samples: int, cells: int = 3, probability: float = 0.5, seed: int = 0):
    return draw(samples, cells, probability, np.random.default_rng(seed))


@settings(max_examples=20, deadline=None)
@given(cells=st.integers(1, 9), height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 99))
def test_masks_lie_between_hidden_and_shown_and_pairs_add_up(cells, height, width, seed) -> None:
    masks = grids(6, cells, 0.5, seed).masks((height, width))
    assert masks.shape == (6, height, width)
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6
    np.testing.assert_allclose(masks[::2] + masks[1::2], 1, atol=1e-6)


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_every_pixel_is_shown_as_often(probability) -> None:
    """Also at the edges, where the paper's masks are not shifted in from outside."""
    masks = grids(8000, 4, probability).masks((9, 7))
    np.testing.assert_allclose(masks.mean(0), probability, atol=0.02)
    np.testing.assert_allclose(masks.std(0), masks.std(0).mean(), rtol=0.1)


def test_masks_are_bilinear_between_nodes() -> None:
    """Two cells on four pixels, unshifted: pixel centres lie at 1/4, 3/4, 5/4, 7/4 of the nodes 0, 1, 2, 3."""
    grid = grids(2, 2)
    grid.shifts[:] = 0
    grid.shown[0] = False
    grid.shown[0, :, 1] = True
    np.testing.assert_allclose(grid.masks((4, 4))[0], np.tile([0.25, 0.75, 0.75, 0.25], (4, 1)), atol=1e-6)


def test_blending_is_the_scan_where_the_mask_is_one() -> None:
    grid = grids(4)
    masks = grid.masks((12, 12))
    seen = blend(np.repeat(PIXELS, 3, 0), np.zeros((3, 12, 12), np.float32), grid)
    np.testing.assert_allclose(seen, masks[:, None] * PIXELS[None].repeat(3, 1), atol=1e-6)
    assert seen.dtype == np.float32


def test_the_expectation_is_the_covariance_of_masks_at_two_places() -> None:
    """The score is M(3, 8), so the map is Cov(M(3, 8), M(y, x)) / p, here from the nodes and shifts themselves.

    With one row of nodes variance p(1-p) each: Cov = p (1-p) E_shift[sum_k w_k(a) w_k(b)] along both axes, where w are
    the bilinear weights; an integral over the shift, done on a fine grid.
    """
    samples, cells, p = 40_000, 3, 0.5
    shifts, nodes = (np.arange(2000) + 0.5) / 2000, np.arange(cells + 2)
    at = (np.arange(12) + 0.5) * cells / 12
    weights = np.maximum(0, 1 - np.abs(at[None, :, None] + shifts[:, None, None] - nodes))
    down = (weights * weights[:, 3:4]).sum(2).mean(0)
    across = (weights * weights[:, 8:9]).sum(2).mean(0)
    expected = p * (1 - p) * np.outer(down, across) / p
    grid = grids(samples, cells, p)
    parts = [grid.part(start, start + 4000) for start in range(0, samples, 4000)]
    scores = np.concatenate([part.masks((12, 12))[:, 3, 8] for part in parts])
    maps, errors = average(scores[:, None].astype(float), grid, (12, 12), p, centred=True)
    assert np.abs(maps[0] - expected).max() < 5 * errors.max()
    assert errors.max() < 0.005
    assert np.unravel_index(maps[0].argmax(), (12, 12)) == (3, 8)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("probability", [0.5, 0.3])
def test_it_is_what_the_formula_says_with_all_masks_at_hand(centred, probability) -> None:
    random = np.random.default_rng(3)
    grid, scores = grids(70, 3, probability), random.random((70, 2))
    masks = grid.masks((5, 6)).astype(float)
    f = scores - scores.mean(0) if centred else scores
    each = f.T[:, :, None, None] * (masks - probability * centred) / probability  # (t, m, h, w)
    maps, errors = average(scores, grid, (5, 6), probability, centred)
    np.testing.assert_allclose(maps, each.mean(1), atol=1e-6)
    pairs = (each[:, ::2] + each[:, 1::2]) / 2
    np.testing.assert_allclose(errors, pairs.std(1, ddof=1) / np.sqrt(35), rtol=1e-4)


def test_centring_takes_off_the_mean_score_and_the_noise_that_comes_with_it() -> None:
    def far_from_zero(pixels: np.ndarray) -> np.ndarray:
        return spot(pixels) + 10

    (raw,) = RISE(2000, 3, centred=False, score="logit")(box(far_from_zero), [SCAN], "spot")
    (centred,) = RISE(2000, 3, score="logit")(box(far_from_zero), [SCAN], "spot")
    assert raw.maps[0].mean() > 10
    np.testing.assert_allclose(raw.maps[0] - centred.maps[0], (raw.maps[0] - centred.maps[0]).mean(), atol=1e-4)
    # pairs of opposite masks show every place as often, so at p = 1/2 the constant's noise cancels; elsewhere it stays
    uneven = [RISE(300, 3, 0.3, each, score="logit")(box(far_from_zero), [SCAN], "spot")[0] for each in (False, True)]
    assert uneven[0].measured["standard error"][0] > 3 * uneven[1].measured["standard error"][0]


def test_the_standard_error_is_that_of_other_seeds() -> None:
    found = [RISE(100, 3, score="logit")(box(), [SCAN], "spot", seed=seed)[0] for seed in range(40)]
    spread = np.std([each.maps[0] for each in found], axis=0)
    said = np.mean([each.measured["standard error"][0] for each in found])
    assert said == pytest.approx(np.median(spread), rel=0.25)


def test_what_an_attribution_says() -> None:
    (found,) = RISE(400, 4)(box(), [SCAN], ["spot", "not", "spot-not"], seed=5)
    assert found.evaluations == 400
    assert found.diagnosis == ("there",) * 3
    assert found.signed
    assert min(found.measured["peak in standard errors"]) > 5
    np.testing.assert_allclose(found.maps[2], found.maps[0] - found.maps[1], atol=1e-5)
    assert found.settings["cells"] == 4
    (again,) = RISE(400, 4)(box(), [SCAN], ["spot", "not", "spot-not"], seed=5)
    (other,) = RISE(400, 4)(box(), [SCAN], ["spot", "not", "spot-not"], seed=6)
    assert again.digest() == found.digest() != other.digest()


def test_noise_is_called_noise() -> None:
    random = np.random.default_rng(0)
    noise = [
        RISE(60, 4, score="logit")(box(lambda x: random.random((len(x), 2))), [SCAN], seed=i)[0] for i in range(20)
    ]
    said = [word for each in noise for word in each.diagnosis]
    assert said.count("within the sampling error") >= 38
    (still,) = RISE(60, 4)(box(lambda x: np.tile([1.0, 2.0], (len(x), 1))), [SCAN])
    assert still.diagnosis == ("score hardly moves",) * 2


def test_bad_input() -> None:
    with pytest.raises(BadScan, match="leaves it as it is"):
        RISE(fill="mean")(box(), [Scan(np.full((1, 12, 12), 0.5, np.float32), "")])
    with pytest.raises(BadInput, match="inpaint"):
        RISE(fill="inpaint")
    for wrong in ({"probability": 1.0}, {"cells": 0}, {"samples": 2}, {"engine": "slow"}, {"score": "odds"}):
        with pytest.raises(BadInput):
            RISE(**wrong)
    with pytest.raises(BadModel, match="NaN"):
        RISE(20)(box(lambda x: np.full((len(x), 2), np.nan)), [SCAN])
    with pytest.raises(BadModel, match=r"shape \(1, 2\)"):
        RISE(20)(box(lambda x: np.ones((1, 2)) if len(x) > 1 else np.zeros((1, 2))), [SCAN])


def test_an_interruption_comes_through() -> None:
    calls = []

    def predict(pixels: np.ndarray) -> np.ndarray:
        calls.append(len(pixels))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return spot(pixels)

    with pytest.raises(KeyboardInterrupt):
        RISE(400)(box(predict), [SCAN])
    assert len(calls) == 5
