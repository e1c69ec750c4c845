"""LIME against the lime package: the same segments, the same samples, the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from whyscan.explain.games.lime import LIME, kernel, lime_weights
from whyscan.explain.games.perturb import game, play
from whyscan.explain.games.sampling import draw

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
IMAGE = RNG.random((30, 40, 3))
SEGMENTS = (np.arange(30) // 6)[:, None] * 5 + (np.arange(40) // 8)[None, :]
PLAYERS = 25
FILTERS = RNG.normal(size=(3, 30, 40, 3)) * RNG.normal(size=25)[SEGMENTS][None, :, :, None]


def probabilities(images: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) -> (n, 3): softmax of three linear filters, as lime wants it."""
    logits = np.einsum("nhwc,khwc->nk", np.asarray(images, float), FILTERS) / 8
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def lime_image():
    return pytest.importorskip("lime.lime_image", reason="lime is not installed (extra: oracles)")


def theirs(samples: int, seed: int) -> np.ndarray:
    """(3, 25) lime's weights."""
    explainer = lime_image().LimeImageExplainer(random_state=seed)
    explanation = explainer.explain_instance(
        IMAGE, probabilities, labels=(0, 1, 2), top_labels=None, num_samples=samples,
        segmentation_fn=lambda image: SEGMENTS, random_seed=0,
    )  # fmt: skip
    weights = np.zeros((3, PLAYERS))
    for label, pairs in explanation.local_exp.items():
        for feature, weight in pairs:
            weights[label, feature] = weight
    return weights


def test_the_same_samples_give_the_same_weights() -> None:
    explainer, seen = lime_image().LimeImageExplainer(random_state=3), []

    def watched(images: np.ndarray) -> np.ndarray:
        seen.extend(images)
        return probabilities(images)

    fudged = IMAGE.copy()
    for label in range(PLAYERS):
        here = np.equal(SEGMENTS, label)
        fudged[here] = IMAGE[here].mean(0)
    data, labels = explainer.data_labels(IMAGE, fudged, SEGMENTS, watched, 200)
    ours = lime_weights(data.astype(bool), labels, kernel(data.sum(1), PLAYERS, 0.25))
    np.testing.assert_allclose(ours, theirs(200, 3), atol=1e-6)
    # and the perturbed images themselves are lime's
    board = game(np.moveaxis(IMAGE, -1, 0).astype(np.float32), SEGMENTS.astype(np.int32), "mean")
    masked = np.moveaxis(board.mask(data.astype(bool)), 1, -1)
    np.testing.assert_allclose(masked, np.array(seen), atol=1e-6)


def test_end_to_end_ours_at_600_is_as_near_to_lime_at_20000_as_lime_at_1000_or_nearer() -> None:
    board = game(np.moveaxis(IMAGE, -1, 0).astype(np.float32), SEGMENTS.astype(np.int32), "mean")
    plan = draw(PLAYERS, [LIME().sizes(PLAYERS)], 600, 0)
    scores = play(lambda pixels: probabilities(np.moveaxis(pixels, 1, -1)), board, plan.coalitions)
    ours, reference = LIME().regress(plan, scores).weights, theirs(20_000, 0)
    for t in range(3):
        assert spearmanr(ours[t], reference[t]).statistic > 0.98
    error = np.abs(ours - reference).mean()
    assert error < np.mean([np.abs(theirs(1000, seed) - reference).mean() for seed in range(1, 4)])
