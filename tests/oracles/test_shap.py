"""SHAP against the shap package."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.games.sampling import draw
from whyscan.explain.games.shap import SHAP

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 30))


def scores(coalitions: np.ndarray) -> np.ndarray:
    """(m, s) -> (m, 2): two nonlinear games."""
    z = np.asarray(coalitions, float)
    s = z.shape[1]
    return np.tanh(z @ A[:s] / 2 + np.einsum("mi,ij,mj->m", z, B[:s, :s], z)[:, None] / s)


def kernel_shap(players: int, samples: int) -> np.ndarray:
    shap = pytest.importorskip("shap", reason="shap is not installed (extra: oracles)")
    explainer = shap.KernelExplainer(scores, np.zeros((1, players)))
    values = explainer.shap_values(np.ones(players), nsamples=samples, l1_reg=False, silent=True)
    return np.asarray(values).T


@pytest.mark.parametrize("players", [4, 8, 12])
def test_exact_values_of_few_superpixels(players: int) -> None:
    plan = draw(players, [SHAP().sizes(players)], 2**players, 0)
    assert plan.complete
    ours = SHAP().regress(plan, scores(plan.coalitions)).weights
    np.testing.assert_allclose(ours, kernel_shap(players, 2**players + 100), atol=1e-4)


def test_sampled_values_agree_within_their_error_and_ours_is_no_larger() -> None:
    players = 14
    exact = draw(players, [SHAP().sizes(players)], 2**players, 0)
    truth = SHAP().regress(exact, scores(exact.coalitions)).weights
    plans = [draw(players, [SHAP().sizes(players)], 400, seed) for seed in range(5)]
    ours = [SHAP().regress(plan, scores(plan.coalitions)) for plan in plans]
    error = np.mean([np.abs(each.weights - truth).mean() for each in ours])
    with np.errstate(all="ignore"):
        state = np.random.get_state()  # noqa: NPY002 - the peer draws from the global generator
        theirs = [np.abs(kernel_shap(players, 400) - truth).mean() for _ in range(5)]
        np.random.set_state(state)  # noqa: NPY002
    assert error < 1.1 * np.mean(theirs)
    inside = [(each.intervals[..., 0] <= truth) & (truth <= each.intervals[..., 1]) for each in ours]
    assert np.mean(inside) > 0.9
