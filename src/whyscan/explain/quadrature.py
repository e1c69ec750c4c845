"""Owen values from coalitions judged so far: Bayesian quadrature. O'Hagan 1991; Rasmussen and Ghahramani, NIPS 2002.

A Gaussian process is laid through all the judged coalitions. Owen values are averages of the game over contexts, and
for a kernel that is a product over superpixels such averages are sums over the tree in closed form. So every
evaluation speaks for every value, where a plain mean over a branch's own contexts uses only that branch's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.linalg import cho_solve, cholesky, solve_triangular

from whyscan.explain.hierarchy import Merges, members

_DECAYS = (0.1, 0.3, 1.0, 3.0, 9.0, 20.0)
_LINEAR = (0.0, 1.0, 10.0)
_CONSTANT, _JITTER, _LEARN, _NORMAL = 100.0, 1e-6, 300, 1.96


@dataclass(frozen=True, eq=False)
class _Kernel:
    """k(x, y) = prod_i exp(-decay_i [x_i != y_i]) + sum_i linear_i (x_i - 1/2) (y_i - 1/2) + constant."""

    decay: Float64[np.ndarray, " s"]
    linear: Float64[np.ndarray, " s"]

    def gram(self, coalitions: Float64[np.ndarray, "m s"]) -> Float64[np.ndarray, "m m"]:
        differ = (coalitions * self.decay) @ (1 - coalitions).T
        centred = coalitions - 0.5
        gram = np.exp(-differ - differ.T) + (centred * self.linear) @ centred.T + _CONSTANT
        gram[np.diag_indices_from(gram)] += _JITTER
        return np.asarray(gram)

    def owen(
        self, coalitions: Float64[np.ndarray, "m s"], tree: Merges
    ) -> tuple[Float64[np.ndarray, "m s"], Float64[np.ndarray, " s"]]:
        """The prior covariance of each Owen value with the game at each coalition, and its prior variance.

        Down the tree, a context's factor is multiplied by the mean of its sibling's two: there, and not there.
        """
        count, nodes = len(tree) + 1, members(tree).astype(float)
        there, gone = np.exp(-((1 - coalitions) * self.decay) @ nodes.T), np.exp(-(coalitions * self.decay) @ nodes.T)
        flip = np.exp(-nodes @ self.decay)
        context, prior = np.ones_like(there), np.ones(len(nodes))
        for k in reversed(range(len(tree))):
            for child, sibling in (tree[k], tree[k][::-1]):
                context[:, child] = context[:, count + k] * (there[:, sibling] + gone[:, sibling]) / 2
                prior[child] = prior[count + k] * (1 + flip[sibling]) / 2
        covariance = (context * (there - gone))[:, :count] + self.linear * (coalitions - 0.5)
        return covariance, (prior * 2 * (1 - flip))[:count] + self.linear


def quadrature(
    coalitions: Bool[np.ndarray, "m s"], scores: Float64[np.ndarray, "m t"], tree: Merges
) -> tuple[Float64[np.ndarray, "t s"], Float64[np.ndarray, "t s"]]:
    """The mean of each Owen value given what was judged, and the half width of its 95 % interval.

    How fast the game changes with each superpixel is learnt by maximum likelihood for all targets together; the
    superpixels' shares of it follow the size of their values. The likelihood is of at most 300 coalitions; the fit is
    through all of them and costs m^3.

    Args:
        coalitions: everybody first, nobody second; each once.
    """
    x, spread = coalitions.astype(float), scores.std(0)
    moving = spread > 1e-12 * np.maximum(np.abs(scores).max(0), 1e-300)
    values, halves = np.zeros((2, scores.shape[1], x.shape[1]))
    if moving.any():
        y = (scores[:, moving] - scores[:, moving].mean(0)) / spread[moving]
        few = np.unique(np.linspace(0, len(x) - 1, min(len(x), _LEARN)).round().astype(int))
        few[:2] = (0, 1)
        kernel = _learn(x[few], y[few], tree)
        covariance, prior = kernel.owen(x, tree)
        factor = cholesky(kernel.gram(x), lower=True)
        answer = cho_solve((factor, True), y)
        known = (solve_triangular(factor, covariance, lower=True) ** 2).sum(0)
        values[moving] = (covariance.T @ answer).T * spread[moving, None]
        size = np.sqrt((y * answer).mean(0)) * spread[moving]
        halves[moving] = _NORMAL * size[:, None] * np.sqrt(np.maximum(prior - known, 0.0))
    # the process passes through both ends but for the jitter
    rest = scores[0] - scores[1] - values.sum(1)
    return values + rest[:, None] / x.shape[1], halves


def _learn(x: Float64[np.ndarray, "m s"], y: Float64[np.ndarray, "m t"], tree: Merges) -> _Kernel:
    """The kernel under which these scores are likeliest, in three rounds of sharing it out among superpixels."""
    players = x.shape[1]
    shares = np.full(players, 1 / players)
    best, found = -np.inf, _Kernel(shares, shares)
    for _ in range(3):
        tried = [(_likelihood(_Kernel(d * shares, c * shares), x, y), d, c) for d in _DECAYS for c in _LINEAR]
        likelihood, decay, linear = max(tried)
        if likelihood <= best:
            break
        best, found = likelihood, _Kernel(decay * shares, linear * shares)
        covariance, _prior = found.owen(x, tree)
        values = np.abs(covariance.T @ cho_solve((cholesky(found.gram(x), lower=True), True), y)).max(1)
        shares = 0.8 * values / max(values.sum(), 1e-300) + 0.2 / players
        shares = shares / shares.sum()
    return found


def _likelihood(kernel: _Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """Log, summed over targets, each at its own likeliest scale."""
    factor = cholesky(kernel.gram(x), lower=True)
    scale = (solve_triangular(factor, y, lower=True) ** 2).mean(0)
    return float(-0.5 * len(x) * np.log(scale).sum() - y.shape[1] * np.log(np.diag(factor)).sum())
