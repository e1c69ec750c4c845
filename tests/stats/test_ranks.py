"""Ranks and their correlation, against scipy."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from whyscan.stats.ranks import rank_correlation, ranks

numbers = st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=12)


def test_ties_share_their_mean_and_rows_are_ranked_apart():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    assert ranks(np.array([[2.0, 1.0], [1.0, 9.0]]), axis=1).tolist() == [[2.0, 1.0], [1.0, 2.0]]
    assert ranks(np.array([[2.0, 1.0], [1.0, 9.0]])).tolist() == [3.0, 1.5, 1.5, 4.0]


@given(numbers, st.randoms(use_true_random=False))
def test_it_is_spearmans(a, random):
    b = random.sample(a, len(a))
    assume(np.ptp(a) > 0)
    assert rank_correlation(np.array(a), np.array(b)) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
