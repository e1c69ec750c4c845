from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from whyscan.explain.games.regression import ridge


def test_intervals_without_weights_are_the_textbooks_hc3() -> None:
    rng = np.random.default_rng(0)
    x, m = rng.normal(size=(40, 3)), 40
    y = x @ [[1.0], [2.0], [-1.0]] + rng.normal(size=(40, 1)) * (1 + x[:, :1] ** 2)
    fit = ridge(x, y, np.ones(m), 0.0, np.arange(m), np.ones(m))
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    np.testing.assert_allclose(fit.coefficients, beta.T)
    hat = np.diag(x @ inverse @ x.T)
    residual = (y - x @ beta)[:, 0] / (1 - hat)
    covariance = inverse @ (x.T @ np.diag(residual**2) @ x) @ inverse
    expected = student.ppf(0.975, 37) * np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(fit.half_widths()[0], expected)


def test_a_weight_of_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 2)), rng.normal(size=(10, 2))
    weights = np.where(np.arange(10) < 5, 2.0, 1.0)
    twice = np.concatenate([np.arange(10), np.arange(5)])
    one = ridge(x, y, weights, 0.3, np.arange(10), np.ones(10))
    two = ridge(x[twice], y[twice], np.ones(15), 0.3, np.arange(15), np.ones(15))
    np.testing.assert_allclose(one.coefficients, two.coefficients)


def test_too_few_draws_have_no_interval() -> None:
    x = np.random.default_rng(2).normal(size=(6, 4))
    assert ridge(x, x[:, :1], np.ones(6), 0.0, np.array([0, 0, 1, 1, 2, 2]), np.ones(6)).half_widths() is None


def test_certainty_has_an_interval_of_no_width() -> None:
    x = np.random.default_rng(3).normal(size=(6, 4))
    fit = ridge(x, x[:, :1] ** 2, np.ones(6), 0.0, np.arange(6), np.zeros(6))
    assert fit.half_widths() == pytest.approx(np.zeros((1, 4)))
