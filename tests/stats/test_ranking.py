"""Ranking, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from whyscan.stats.ranking import fold_of, gain, held_out, logistic, ranking


def planted(n=200, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (n, 3))
    positive = rng.uniform(size=n) < 1 / (1 + np.exp(-(1.5 * features[:, 0] - 1)))
    return features, positive, [f"g{i}" for i in range(n)]


def test_logistic_is_sklearns():
    features, positive, _ = planted()
    oracle = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(features, positive)
    assert logistic(features, positive) == pytest.approx(np.r_[oracle.coef_[0], oracle.intercept_], abs=1e-5)


def test_logistic_on_what_can_be_parted():
    features = np.arange(10.0)[:, None] * 100
    oracle = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(features, features[:, 0] > 450)
    found = logistic(features, features[:, 0] > 450)
    assert found == pytest.approx(np.r_[oracle.coef_[0], oracle.intercept_], rel=1e-2)
    assert np.isfinite(logistic(features, np.ones(10, bool))).all()


def test_area_with_interval():
    features, positive, groups = planted()
    found = ranking(positive, features[:, 0], groups)
    assert found.value == pytest.approx(roc_auc_score(positive, features[:, 0]))
    assert 0.5 < found.low < found.value < found.high < 1
    perfect = ranking(positive, positive.astype(float), groups)
    assert perfect.value == 1.0 and 0.9 < perfect.low < 1.0
    assert np.isnan(ranking(np.zeros(5, bool), np.arange(5.0), groups[:5]).value)


def test_held_out_finds_what_is_there_and_not_what_is_not():
    features, positive, groups = planted()
    told = held_out(features, positive, groups)
    nothing = held_out(features[:, 1:], positive, groups)
    assert roc_auc_score(positive, told) > 0.75
    assert abs(roc_auc_score(positive, nothing) - 0.5) < 0.12
    added = gain(positive, told, nothing, groups)
    assert added.low > 0.1 and added.value == pytest.approx(
        roc_auc_score(positive, told) - roc_auc_score(positive, nothing)
    )


def test_a_group_that_gives_itself_away_does_not():
    """Copies of one scan carry a feature that names them: only parting the groups keeps it from being learned."""
    rng = np.random.default_rng(1)
    names = np.arange(40).repeat(5)
    positive = (rng.uniform(size=40) < 0.5).repeat(5)
    features = np.eye(40)[names]
    told = held_out(features, positive, [f"g{i}" for i in names])
    assert roc_auc_score(positive, told) < 0.6


def test_folds():
    _, positive, _ = planted(50)
    groups = [f"g{i // 2}" for i in range(50)]
    of = fold_of(positive, groups, 5, np.random.default_rng(0))
    assert all(of[2 * i] == of[2 * i + 1] for i in range(25)) and set(of) == set(range(5))
    assert np.bincount(of).max() <= 12


def test_missing_values_take_the_mean():
    features, positive, groups = planted()
    features[::3, 0] = np.nan
    assert np.isfinite(held_out(features, positive, groups)).all()
    empty = np.full((200, 1), np.nan)
    assert np.isfinite(held_out(empty, positive, groups)).all()


def test_two_scores_that_never_differ_may_differ_elsewhere():
    positive, score = np.arange(24) >= 12, np.arange(24.0)
    found = gain(positive, score, score * 2, [f"g{i}" for i in range(24)])
    assert found.value == 0 and found.low < -0.1 and found.high > 0.1
