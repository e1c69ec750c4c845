"""A Gaussian process that learns the game from the coalitions judged so far, and integrates what it learned.

A linear fit to coalitions leaves a residual, and the residual is what makes LIME and SHAP need thousands of
evaluations. Most of it is no noise: superpixels interact, mostly those that matter. A product kernel with one rate
per superpixel learns that from the same evaluations, and the estimands of the learned game are known in closed form
(`measure`, `owen_measure`), with their covariance: Bayesian quadrature (O'Hagan, Bayes-Hermite Quadrature, JSPI 1991;
Rasmussen and Ghahramani, Bayesian Monte Carlo, NeurIPS 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize
from scipy.special import stdtrit

from whyscan.explain.games.measure import Estimand

What = TypeVar("What", contravariant=True)

_ROWS = 300  # for learning the kernel: its cost grows with the cube
_BEGIN = 100  # for the first guess
_STEPS = 15
_SPREAD = 0.5  # precision of the normal prior on the log rates around their mean
_LENGTHS = (8.0, 32.0, 128.0)
_NOISES = (1e-5, 1e-3, 1e-2)
_FLOOR = 0.3
_TEACHES = 0.01  # a score that moves less than this share of the liveliest may be rounding; it learns, but teaches not
_LOG_RATE, _LOG_NOISE = (-12.0, 2.0), (np.log(1e-7), np.log(0.3))


@dataclass(frozen=True, eq=False)
class Emulator:
    """f = mean + Gaussian process of covariance scale * exp(-sum_j rates_j [z_j != z'_j]), seen at n coalitions.

    Attributes:
        coalitions: (n, s) those judged.
        differing: (s,) exp(-rates): the kernel of two coalitions that differ in one player; the same for all targets.
        inverse: (n, n) of the kernel matrix with noise.
        coefficients: (n, t) of the kernel at the judged coalitions.
        mean: (t,) of f.
        judges: (n,) rows that the rates were not learned from.
    """

    coalitions: Bool[np.ndarray, "n s"]
    differing: Float64[np.ndarray, " s"]
    inverse: Float64[np.ndarray, "n n"]
    coefficients: Float64[np.ndarray, "n t"]
    mean: Float64[np.ndarray, " t"]
    judges: Bool[np.ndarray, " n"]

    def integrate(self, estimand: Estimand) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s s"]]:
        """Mean and covariance of every target's functionals."""
        means, known = self.moments(estimand)
        return means, self.scale[:, None, None] * known

    def moments(self, estimand: Estimand) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "s s"]]:
        """Mean of the functionals, and their covariance for a scale of 1.

        (A constant has none: each sums to 0 over all coalitions.)
        """
        seen = estimand.embed(self.coalitions, self.differing)
        return self.coefficients.T @ seen, estimand.covariance(self.differing) - seen.T @ self.inverse @ seen

    @property
    def missed(self) -> Float64[np.ndarray, "n t"]:
        """What is missed of each row where it is foretold from all others (Rasmussen and Williams, equation 5.12)."""
        return np.asarray(self.coefficients / np.diag(self.inverse)[:, None])

    @property
    def scale(self) -> Float64[np.ndarray, " t"]:
        """(t,) the variance: by how much more the judges' rows are missed than a scale of 1 lets expect."""
        expected = 1 / np.diag(self.inverse)[self.judges, None]
        return np.asarray((self.missed[self.judges] ** 2 / expected).mean(0))

    def predict(self, coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, "m t"]:
        """The scores that it expects of coalitions."""
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
        half = float(stdtrit(self.freedom, 0.975)) * self.deviation
        return np.stack([self.mean - half, self.mean + half], -1)

    @property
    def deviation(self) -> Float64[np.ndarray, " s"]:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


class Learned(Protocol[What]):
    """What learned the game from rows, and integrates what is asked of it."""

    @property
    def coalitions(self) -> Bool[np.ndarray, "n s"]: ...

    def integrate(self, what: What, /) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s s"]]: ...


def emulate(
    coalitions: Bool[np.ndarray, "n s"],
    scores: Float64[np.ndarray, "n t"],
    pairs: Int64[np.ndarray, " n"],
    teachers: slice = slice(None),
) -> tuple[Emulator, Emulator]:
    """Two emulators of the scores of all targets, whose rates were learned from one half of the pairs each.

    Rates that are fitted to rows make these rows look better known than they are. So each half's kernel is scaled
    by how well it foretells the other half's rows, and what the two disagree about counts as uncertainty.

    All targets share their rates, since what matters to one class matters to the others: at 50 to 200 evaluations
    that lowers the error by a tenth, and it costs as much as one target. So a target's answer depends a little on
    which others are asked for with it.

    Args:
        pairs: rows of one antithetic pair have the same number, and stay together; there are even and odd numbers.
        teachers: the columns of the scores that the rates are learned from.
    """
    middle, spread = scores.mean(0), scores.std(0)
    moves = spread > 1e-12 * np.maximum(np.abs(scores).max(0), 1e-300)
    y = np.where(moves, (scores - middle) / np.where(moves, spread, 1), 0)
    taught = y[:, teachers][:, (moves & (spread >= _TEACHES * spread[teachers].max()))[teachers]]
    half = pairs % 2 == 0

    def learned_from(rows: Bool[np.ndarray, " n"]) -> Emulator:
        few = np.flatnonzero(rows)[:_ROWS]
        rates, noise = _learn(coalitions[few], taught[few])
        inverse, mean, coefficients = _condition(coalitions, y, rates, noise)
        return Emulator(
            coalitions, np.exp(-rates), inverse, coefficients * spread, middle + spread * mean, judges=~rows
        )

    return learned_from(half), learned_from(~half)


def believe(learned: Sequence[Learned[What]], what: What) -> list[Belief]:
    """Each target's functionals by all who learned: the mean of their means; their variance and their disagreement."""
    parts = [each.integrate(what) for each in learned]
    means = np.array([mean for mean, _ in parts])
    freedom = max(len(learned[0].coalitions) // 4, 1)
    beliefs = []
    for target in range(means.shape[1]):
        mean = means[:, target].mean(0)
        apart = means[:, target] - mean
        inner = [covariance[target] for _, covariance in parts]
        covariance = np.mean(inner, 0) + apart.T @ apart / max(len(parts) - 1, 1)
        beliefs.append(Belief(mean, (covariance + covariance.T) / 2, freedom))
    return beliefs


def _kernel(a: np.ndarray, b: np.ndarray, rates: np.ndarray) -> Float64[np.ndarray, "n m"]:
    return _near(2.0 * a - 1, 2.0 * b - 1, rates)


def _near(signs: np.ndarray, others: np.ndarray, rates: np.ndarray) -> Float64[np.ndarray, "n m"]:
    return np.asarray(np.exp(((signs * rates) @ others.T - rates.sum()) / 2))


def _inverse(matrix: np.ndarray) -> tuple[Float64[np.ndarray, "n n"], float]:
    """Of a positive definite matrix, and the logarithm of its determinant."""
    root, failed = dpotrf(matrix, lower=1, clean=1)
    if failed:
        raise np.linalg.LinAlgError(f"a kernel matrix that is not positive definite from row {failed} on")
    lower, _ = dpotri(root, lower=1)
    inverse = lower + lower.T
    np.fill_diagonal(inverse, np.diag(lower))
    return inverse, 2 * float(np.log(np.diag(root)).sum())


def _learn(coalitions: np.ndarray, y: np.ndarray) -> tuple[Float64[np.ndarray, " s"], float]:
    """Rates and noise of the largest marginal likelihood of all targets, under a prior that keeps the rates together.

    Begun at rates in proportion to the weights of a linear fit, at the best length and noise of a small grid.
    """
    signs = 2.0 * coalitions - 1
    players = signs.shape[1]
    linear = np.linalg.solve(signs.T @ signs + 3 * np.eye(players), signs.T @ y)
    rates = np.sqrt((linear**2).sum(1))
    rates = rates + _FLOOR * rates.mean() + 1e-12
    rates, noise = _coarse(signs[:_BEGIN], y[:_BEGIN], rates / rates.mean())
    if not y.any():
        return rates, noise
    bounds = [_LOG_RATE] * players + [_LOG_NOISE]
    begin = np.clip(np.append(np.log(rates), np.log(noise)), *np.array(bounds).T)
    found = minimize(_loss, begin, (signs, y), "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": _STEPS})
    return np.exp(found.x[:-1]), float(np.exp(found.x[-1]))


def _coarse(signs: np.ndarray, y: np.ndarray, rates: np.ndarray) -> tuple[Float64[np.ndarray, " s"], float]:
    best = (-np.inf, rates / _LENGTHS[0], _NOISES[0])
    for length in _LENGTHS if y.any() else ():
        values, vectors = np.linalg.eigh(_near(signs, signs, rates / length))
        ones, turned = vectors.sum(0), vectors.T @ y
        for noise in _NOISES:
            variance = values.clip(0) + noise
            rest = turned - np.outer(ones, (ones / variance) @ turned) / (ones**2 / variance).sum()
            scale = (rest**2 / variance[:, None]).mean(0)
            likelihood = -(len(y) * np.log(np.maximum(scale, 1e-300)) + np.log(variance).sum()).sum() / 2
            if likelihood > best[0]:
                best = (likelihood, rates / length, noise)
    return best[1], best[2]


def _loss(parameters: np.ndarray, signs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood (means and scales profiled out) and its gradient, plus the prior's."""
    rates, noise = np.exp(parameters[:-1]), np.exp(parameters[-1])
    count, targets = y.shape
    kernel = _near(signs, signs, rates)
    inverse, log_determinant = _inverse(kernel + noise * np.eye(count))
    ones = inverse.sum(1)
    rest = y - (ones @ y) / ones.sum()
    solved = inverse @ rest
    scale = np.maximum((rest * solved).sum(0) / count, 1e-300)
    loss = (count * np.log(scale).sum() + targets * log_determinant) / 2
    slope = targets * inverse - (solved / scale) @ solved.T
    shaped = slope * kernel
    by_rate = -(shaped.sum() - ((shaped @ signs) * signs).sum(0)) / 4
    apart = parameters[:-1] - parameters[:-1].mean()
    gradient = np.append(by_rate * rates + _SPREAD * apart, np.trace(slope) * noise / 2)
    return float(loss + _SPREAD * (apart**2).sum() / 2), gradient


def _condition(
    coalitions: np.ndarray, y: np.ndarray, rates: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The process given all rows: the inverse of its covariance, its mean and its coefficients."""
    matrix = _kernel(coalitions, coalitions, rates)
    matrix[np.diag_indices_from(matrix)] += noise
    inverse, _ = _inverse(matrix)
    ones = inverse.sum(1)
    mean = ones @ y / ones.sum()
    return inverse, mean, inverse @ (y - mean)
