"""Effect sizes, against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, wilcoxon
from sklearn.metrics import roc_auc_score

from whyscan.stats.effects import cliffs_delta, cohen_dz, rank_biserial

numbers = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=15)


def test_cohen_by_hand():
    assert cohen_dz(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert cohen_dz(np.zeros(5)) == 0.0
    assert np.isnan(cohen_dz(np.ones(5))) and np.isnan(cohen_dz(np.ones(1)))


@given(numbers, numbers)
def test_cliff_counts_pairs(a, b):
    delta = np.mean([np.sign(x - y) for x in a for y in b])
    assert cliffs_delta(np.array(a), np.array(b)) == pytest.approx(delta)
    assert cliffs_delta(np.array(b), np.array(a)) == pytest.approx(-delta)


def test_cliff_is_another_name_for_auroc():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 1, 30), rng.normal(0, 1, 50)
    auroc = roc_auc_score([1] * 30 + [0] * 50, np.concatenate([a, b]))
    assert cliffs_delta(a, b) == pytest.approx(2 * auroc - 1)
    assert cliffs_delta(a, b) == pytest.approx(2 * mannwhitneyu(a, b).statistic / 1500 - 1)
    assert np.isnan(cliffs_delta(a, b[:0]))


def test_rank_biserial_from_wilcoxons_statistic():
    differences = np.random.default_rng(1).normal(0.3, 1, 25)
    smaller = wilcoxon(differences).statistic
    assert rank_biserial(differences) == pytest.approx(1 - 2 * smaller / (25 * 26 / 2))
    assert rank_biserial(np.array([1.0, 2.0, 0.0])) == 1.0
    assert np.isnan(rank_biserial(np.zeros(3)))
