"""Owen values against the Partition explainer of the shap package, on the same tree."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.games.hierarchy import hierarchy, members
from whyscan.explain.games.owen import evaluations_needed, owen_values
from whyscan.explain.games.perturb import game, play
from whyscan.explain.games.segments import Superpixels, segment

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
SINGLE = RNG.normal(size=(64, 3)) * (RNG.random((64, 1)) < 0.4)
JOINT = RNG.normal(size=(3, 64, 64)) * (RNG.random((64, 64)) < 0.02)


def scores(coalitions: np.ndarray) -> np.ndarray:
    """(m, s) -> (m, 3): the softmax of single and joint effects."""
    z = np.asarray(coalitions, float)
    s = z.shape[1]
    logits = np.exp(z @ SINGLE[:s] + np.einsum("mi,tij,mj->mt", z, JOINT[:, :s, :s], z) / 2)
    return logits / logits.sum(1, keepdims=True)


def partition(value, tree: np.ndarray, budget: int) -> tuple[np.ndarray, int]:
    """Their values (t, s) and how many coalitions they judged."""
    shap = pytest.importorskip("shap", reason="shap is not installed (extra: oracles)")
    players, asked = len(tree) + 1, []

    class Masker(shap.maskers.Masker):
        shape = (1, players)
        clustering = np.c_[tree, np.ones(len(tree)), members(tree)[players:].sum(1)].astype(float)

        def __call__(self, mask, _row):
            return (mask[None].astype(float),)

        def mask_shapes(self, _row):
            return [(players,)]

    def model(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return value(rows > 0.5)

    state = np.random.get_state()  # noqa: NPY002 - the peer breaks ties by the global generator
    np.random.seed(0)  # noqa: NPY002
    try:
        found = shap.explainers.Partition(model, Masker())(
            np.ones((1, players)), max_evals=budget, silent=True, batch_size=2
        )
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return found.values[0].T, sum(asked)


def tree_of(count: int, seed: int = 0) -> np.ndarray:
    """The hierarchy of a cut-up noise, as smooth as a scan's."""
    coarse = np.random.default_rng(seed).random((1, 4, 4)).astype(np.float32)
    pixels = np.kron(coarse, np.ones((1, 8, 8), np.float32))
    return hierarchy(pixels, segment(pixels, Superpixels("grid", count)))


@pytest.mark.parametrize("count", [4, 9, 25])
def test_at_full_expansion_the_values_are_theirs(count: int) -> None:
    tree = tree_of(count)
    needed = evaluations_needed(tree)
    ours = owen_values(scores, tree, needed)
    assert ours.complete
    theirs, evaluations = partition(scores, tree, 10 * needed)
    np.testing.assert_allclose(ours.values, theirs, atol=1e-6)
    assert ours.evaluations == needed == evaluations


def test_on_the_same_superpixels_of_a_scan() -> None:
    random = np.random.default_rng(2)
    pixels = random.random((3, 16, 16), np.float32)
    board = game(pixels, segment(pixels, Superpixels("grid", 16)))
    filters = random.normal(size=(2, 3, 16, 16)).astype(np.float32)

    def value(coalitions: np.ndarray) -> np.ndarray:
        def predict(images: np.ndarray) -> np.ndarray:
            return np.tanh(np.einsum("mchw,tchw->mt", images**2, filters) / 5)

        return play(predict, board, np.asarray(coalitions, bool), batch=64)

    tree = hierarchy(board.pixels, board.segments)
    theirs, _ = partition(value, tree, 100_000)
    np.testing.assert_allclose(owen_values(value, tree, evaluations_needed(tree)).values, theirs, atol=1e-4)


def test_at_the_same_number_of_evaluations_ours_are_nearer() -> None:
    tree = tree_of(49)
    exact = owen_values(scores, tree, evaluations_needed(tree)).values
    for budget in (200, 400, 1000):
        ours = [np.abs(owen_values(scores, tree, budget, seed).values - exact).mean() for seed in range(3)]
        theirs, evaluations = partition(scores, tree, budget)
        assert evaluations <= budget
        assert np.mean(ours) < 0.8 * np.abs(theirs - exact).mean()
