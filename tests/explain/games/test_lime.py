from __future__ import annotations

import numpy as np
import pytest

from whyscan.explain.games.lime import LIME, kernel, lime_weights
from whyscan.explain.games.sampling import draw

S = 9
EVERY = ((np.arange(2**S)[:, None] >> np.arange(S)) & 1).astype(bool)


def curved(z: np.ndarray) -> np.ndarray:
    """Scores (m, 2): one with interactions, one without."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=S), 0.4 * rng.normal(size=(S, S))
    z = z.astype(float)
    return np.stack([np.tanh(z @ a + np.einsum("mi,ij,mj->m", z, b, z)), z @ a], 1)


def estimand() -> np.ndarray:
    """What lime converges to: every coalition weighed by its chance under fair coins times the kernel."""
    weights = 1000 / 2**S * kernel(EVERY.sum(1), S, 0.25)
    weights[-1] += 1  # the unmasked scan is always the first of its samples
    return lime_weights(EVERY, curved(EVERY), weights)


def test_the_kernel_by_hand() -> None:
    # everybody is at distance 0, nobody at 1, a quarter of them at 1 - 1/2
    np.testing.assert_allclose(kernel(np.array([8, 0, 2]), 8, 0.25), [1, np.exp(-8), np.exp(-2)])


def test_an_additive_score_is_recovered_but_for_the_penalty() -> None:
    plan = draw(S, [LIME().sizes(S)], 120, 0)
    found = LIME(alpha=1e-9).regress(plan, curved(plan.coalitions)).weights[1]
    truth = np.random.default_rng(0).normal(size=S)
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_all_coalitions_give_the_estimand_exactly() -> None:
    plan = draw(S, [LIME().sizes(S)], 2**S, 0)
    fitted = LIME().regress(plan, curved(plan.coalitions))
    np.testing.assert_allclose(fitted.weights, estimand(), atol=1e-10)
    np.testing.assert_allclose(np.ptp(fitted.intervals, axis=-1), 0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_intervals_hold_the_estimand_as_often_as_they_promise(shared: bool) -> None:
    from whyscan.explain.games.shap import SHAP

    truth, methods = estimand()[0], [LIME(), SHAP()] if shared else [LIME()]
    held = []
    for seed in range(300):
        plan = draw(S, [method.sizes(S) for method in methods], 100, seed)
        low, high = np.moveaxis(LIME().regress(plan, curved(plan.coalitions)).intervals[0], -1, 0)
        held.append((low <= truth) & (truth <= high))
    assert 0.93 <= np.mean(held) <= 0.975
