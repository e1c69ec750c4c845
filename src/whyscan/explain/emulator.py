"""A Gaussian process that learns the game from the coalitions judged so far, and integrates what it learned.

A linear fit to coalitions leaves a residual, and the residual is what makes LIME and SHAP need thousands of
evaluations. Most of it is no noise: superpixels interact, mostly those that matter. A product kernel with one rate
per superpixel learns that from the same evaluations, and both estimands of the learned game are known in closed form
(`measure`), with their covariance: Bayesian quadrature (Rasmussen and Ghahramani, Bayesian Monte Carlo, NeurIPS 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import minimize
from scipy.stats import t as student

from whyscan.explain.measure import Estimand

_ROWS = 400  # for learning the kernel: its cost grows with the cube
_STEPS = 20
_SPREAD = 0.5  # precision of the normal prior on the log rates around their mean
_LENGTHS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_NOISES = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
_FLOOR = 0.3
_LOG_RATE, _LOG_NOISE = (-12.0, 2.0), (np.log(1e-7), np.log(0.3))


@dataclass(frozen=True, eq=False)
class Emulator:
    """f = mean + Gaussian process of covariance scale * exp(-sum_j rates_j [z_j != z'_j]), seen at n coalitions.

    Attributes:
        coalitions: (n, s) those judged.
        differing: (s,) exp(-rates): the kernel of two coalitions that differ in one player.
        inverse: (n, n) of the kernel matrix with noise.
        coefficients: (n,) of the kernel at the judged coalitions.
        mean: of f.
        scale: the variance, estimated from rows that the rates were not learned from.
    """

    coalitions: Bool[np.ndarray, "n s"]
    differing: Float64[np.ndarray, " s"]
    inverse: Float64[np.ndarray, "n n"]
    coefficients: Float64[np.ndarray, " n"]
    mean: float
    scale: float

    def integrate(self, estimand: Estimand) -> tuple[Float64[np.ndarray, " s"], Float64[np.ndarray, "s s"]]:
        """Mean and covariance of the functionals. (A constant has none: each sums to 0 over all coalitions.)"""
        seen = estimand.embed(self.coalitions, self.differing)
        covariance = estimand.covariance(self.differing) - seen.T @ self.inverse @ seen
        return self.coefficients @ seen, self.scale * covariance

    def predict(self, coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, " m"]:
        """The score that it expects of coalitions."""
        return np.asarray(self.mean + _kernel(coalitions, self.coalitions, -np.log(self.differing)) @ self.coefficients)


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of the functionals of one target.

    Attributes:
        mean: (s,).
        covariance: (s, s).
        freedom: degrees of freedom of its scale.
    """

    mean: Float64[np.ndarray, " s"]
    covariance: Float64[np.ndarray, "s s"]
    freedom: int

    def interval(self) -> Float64[np.ndarray, "s 2"]:
        """95 %, for each player by itself."""
        half = float(student.ppf(0.975, self.freedom)) * self.deviation
        return np.stack([self.mean - half, self.mean + half], -1)

    @property
    def deviation(self) -> Float64[np.ndarray, " s"]:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


def emulate(
    coalitions: Bool[np.ndarray, "n s"], scores: Float64[np.ndarray, " n"], pairs: Int64[np.ndarray, " n"]
) -> tuple[Emulator, ...]:
    """Two emulators of one score, whose rates were learned from one half of the pairs each; none if it is constant.

    Rates that are fitted to rows make these rows look better known than they are. So each half's kernel is scaled
    by how well it foretells the other half's rows, and what the two disagree about counts as uncertainty.

    Args:
        pairs: rows of one antithetic pair have the same number, and stay together.
    """
    spread = float(scores.std())
    if spread < 1e-12:
        return ()
    y = (scores - scores.mean()) / spread
    half = pairs % 2 == 0
    found = []
    for rows in (half, ~half):
        learned = np.flatnonzero(rows)[:_ROWS]
        rates, noise = _learn(coalitions[learned], y[learned])
        found.append(_condition(coalitions, y, rates, noise, ~rows))
    return tuple(
        Emulator(e.coalitions, e.differing, e.inverse, e.coefficients * spread,
                 float(scores.mean() + spread * e.mean), e.scale * spread**2)
        for e in found
    )  # fmt: skip


def believe(emulators: Sequence[Emulator], estimand: Estimand, players: int) -> Belief:
    """The functionals by all emulators together: the mean of their means; their variance and their disagreement."""
    if not emulators:
        return Belief(np.zeros(players), np.zeros((players, players)), 1)
    parts = [emulator.integrate(estimand) for emulator in emulators]
    means = np.array([mean for mean, _ in parts])
    apart = means - means.mean(0)
    covariance = np.mean([covariance for _, covariance in parts], 0) + apart.T @ apart / max(len(parts) - 1, 1)
    freedom = max(len(emulators[0].coalitions) // 4, 1)
    return Belief(means.mean(0), (covariance + covariance.T) / 2, freedom)


def _kernel(a: np.ndarray, b: np.ndarray, rates: np.ndarray) -> Float64[np.ndarray, "n m"]:
    signs, others = 2.0 * a - 1, 2.0 * b - 1
    return np.asarray(np.exp(((signs * rates) @ others.T - rates.sum()) / 2))


def _learn(coalitions: np.ndarray, y: np.ndarray) -> tuple[Float64[np.ndarray, " s"], float]:
    """Rates and noise of the largest marginal likelihood, under a prior that keeps the rates together.

    Begun at rates in proportion to the weights of a linear fit, at the best length and noise of a small grid.
    """
    signs = 2.0 * coalitions - 1
    players = signs.shape[1]
    linear = np.abs(np.linalg.solve(signs.T @ signs + 3 * np.eye(players), signs.T @ y))
    rates = linear + _FLOOR * linear.mean() + 1e-12
    rates, noise = _coarse(coalitions, y, rates / rates.mean())
    bounds = [_LOG_RATE] * players + [_LOG_NOISE]
    begin = np.clip(np.append(np.log(rates), np.log(noise)), *np.array(bounds).T)
    found = minimize(_loss, begin, (signs, y), "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": _STEPS})
    return np.exp(found.x[:-1]), float(np.exp(found.x[-1]))


def _coarse(coalitions: np.ndarray, y: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, float]:
    best = (-np.inf, rates, 1e-3)
    for length in _LENGTHS:
        values, vectors = np.linalg.eigh(_kernel(coalitions, coalitions, rates / length))
        ones, turned = vectors.sum(0), vectors.T @ y
        for noise in _NOISES:
            variance = values.clip(0) + noise
            rest = turned - (ones * turned / variance).sum() / (ones**2 / variance).sum() * ones
            likelihood = -len(y) / 2 * np.log((rest**2 / variance).mean()) - np.log(variance).sum() / 2
            if likelihood > best[0]:
                best = (likelihood, rates / length, noise)
    return best[1], best[2]


def _loss(parameters: np.ndarray, signs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood (mean and scale profiled out) and its gradient, plus the prior's."""
    rates, noise = np.exp(parameters[:-1]), np.exp(parameters[-1])
    kernel = np.exp(((signs * rates) @ signs.T - rates.sum()) / 2)
    matrix = kernel + noise * np.eye(len(y))
    inverse = np.linalg.inv(matrix)
    ones = inverse.sum(1)
    rest = y - (ones @ y) / ones.sum()
    solved = inverse @ rest
    scale = float(rest @ solved) / len(y)
    loss = len(y) / 2 * np.log(scale) + np.linalg.slogdet(matrix)[1] / 2
    slope = inverse - np.outer(solved, solved) / scale
    shaped = slope * kernel
    by_rate = -(shaped.sum() - ((shaped @ signs) * signs).sum(0)) / 4
    apart = parameters[:-1] - parameters[:-1].mean()
    gradient = np.append(by_rate * rates + _SPREAD * apart, np.trace(slope) * noise / 2)
    return float(loss + _SPREAD * (apart**2).sum() / 2), gradient


def _condition(coalitions: np.ndarray, y: np.ndarray, rates: np.ndarray, noise: float, judges: np.ndarray) -> Emulator:
    """The process given all rows; its scale from the leave-one-out errors of those rows that are `judges`."""
    inverse = np.linalg.inv(_kernel(coalitions, coalitions, rates) + noise * np.eye(len(y)))
    ones = inverse.sum(1)
    mean = float(ones @ y / ones.sum())
    coefficients = inverse @ (y - mean)
    errors = coefficients**2 / np.diag(inverse)  # leave-one-out error squared over its variance
    return Emulator(coalitions, np.exp(-rates), inverse, coefficients, mean, float(errors[judges].mean()))
