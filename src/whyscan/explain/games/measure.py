"""Weighted sums over all 2^s coalitions in closed form, for functions that are products over players.

LIME's weights and Shapley values are linear in the game: one number a player, each a weighted sum of the scores of
all coalitions. Both weights depend on a coalition's size alone, and every such weighting is a mixture of product
measures: a coin with chance p for each player, integrated over p (Owen, Management Science 1972), or a coin with a
complex weight (a discrete Fourier transform over sizes). Under a product measure the sum of a product is the product
of s small sums. So the estimand of a product kernel costs nodes x s operations instead of 2^s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Complex128, Float64
from numpy.polynomial.legendre import leggauss

_ZERO = 1e-30  # small against every factor, and far from the smallest double


class Estimand(Protocol):
    """One number a player, each linear in the game, that is known in closed form for a product kernel."""

    @property
    def adds_up(self) -> bool:
        """Whether the numbers sum to f(everybody) - f(nobody)."""
        ...

    def embed(
        self, coalitions: Bool[np.ndarray, "n s"], differing: Float64[np.ndarray, " s"]
    ) -> Float64[np.ndarray, "n s"]:
        """Every number of z -> k(z, z_i) = prod_j (1 if z_j = z_ij else differing_j), for each coalition z_i."""
        ...

    def covariance(self, differing: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, "s s"]:
        """The numbers' covariance when the game is a Gaussian process with that kernel and nothing was judged."""
        ...


@dataclass(frozen=True, eq=False)
class Measure:
    """One linear functional per player, as a mixture of q product measures.

    Functional j of a game f is  turn @ Re sum_q weight_q sum_z own_q(z_j) prod_{m != j} other_q(z_m) f(z).

    Attributes:
        weight: (q,) of each product measure.
        other: (q, 2) what a player other than j brings when absent, when present.
        own: (q, 2) what j itself brings.
        turn: (s, s) applied last; None for the identity.
        adds_up: whether the functionals sum to f(everybody) - f(nobody).
    """

    weight: Complex128[np.ndarray, " q"]
    other: Complex128[np.ndarray, "q 2"]
    own: Complex128[np.ndarray, "q 2"]
    turn: Float64[np.ndarray, "s s"] | None = None
    adds_up: bool = False

    def embed(
        self, coalitions: Bool[np.ndarray, "n s"], differing: Float64[np.ndarray, " s"]
    ) -> Float64[np.ndarray, "n s"]:
        """Every functional of z -> k(z, z_i) = prod_j (1 if z_j = z_ij else differing_j), for each coalition z_i."""
        present = np.where(coalitions, 1.0, differing)
        absent = np.where(coalitions, differing, 1.0)
        out = np.zeros(coalitions.shape)
        for weight, other, own in zip(self.weight, self.other, self.own, strict=True):
            factor = _off_zero(other[0] * absent + other[1] * present)
            rest = weight * factor.prod(1)
            out += (rest[:, None] * (own[0] * absent + own[1] * present) / factor).real
        return out if self.turn is None else np.asarray(out @ self.turn.T)

    def covariance(self, differing: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, "s s"]:
        """The functionals' covariance when f is a Gaussian process with that kernel."""
        pairs = self.weight[:, None] * self.weight[None]
        both = _off_zero(_joint(self.other, self.other, differing))  # (q, q, s)
        first, second, same = (
            (_joint(a, b, differing) / both).reshape(pairs.size, -1)
            for a, b in ((self.own, self.other), (self.other, self.own), (self.own, self.own))
        )
        rest = (pairs * both.prod(2)).reshape(-1)
        covariance = np.asarray(((first * rest[:, None]).T @ second).real)
        np.fill_diagonal(covariance, (rest @ same).real)
        return covariance if self.turn is None else np.asarray(self.turn @ covariance @ self.turn.T)


def shapley(players: int) -> Measure:
    """Shapley values: the gain on joining a coalition drawn with a coin of chance p, over all p (Owen, 1972).

    The integrand is a polynomial of degree s - 1 in p: these Gauss-Legendre nodes integrate it exactly.
    """
    nodes, weight = leggauss(players // 2 + 1)
    chance = (nodes + 1) / 2
    other = np.stack([1 - chance, chance], 1)
    own = np.broadcast_to([-1.0, 1.0], other.shape)
    return Measure(weight.astype(complex) / 2, other.astype(complex), own.astype(complex), adds_up=True)


def by_size(near: Float64[np.ndarray, " s+1"], everybody: float, alpha: float) -> Measure:
    """Ridge regression with an intercept over all coalitions, each weighted by near(its size) / 2^s.

    Args:
        near: the weight of a coalition of 0, 1, ..., s players, times the number of samples it stands for.
        everybody: a weight of the coalition of everybody, beside near(s) / 2^s.
        alpha: the ridge penalty.
    """
    players = len(near) - 1
    sizes = np.arange(players + 1)
    turns = np.exp(2j * np.pi * sizes / (players + 1))
    # near(m) = sum_q hat_q turn_q^m: a coin whose "present" side carries turn_q sums over sizes with weight near
    hat = np.fft.fft(near) / (players + 1)
    total, mean, second = _moments(near, everybody)
    other = np.stack([np.ones_like(turns), turns], 1) / 2
    own = np.stack([-mean * np.ones_like(turns), (1 - mean) * turns], 1) / 2
    gram = np.full((players, players), second - total * mean**2)
    np.fill_diagonal(gram, total * mean * (1 - mean))
    return Measure(
        np.append(hat, everybody),
        np.concatenate([other, [[0.0, 1.0]]]),
        np.concatenate([own, [[0.0, 1 - mean]]]),
        np.linalg.inv(gram + alpha * np.eye(players)),
    )


def _moments(near: np.ndarray, everybody: float) -> tuple[float, float, float]:
    """Total weight; the mean of one player's presence; the weighted sum of two players' joint presence."""
    players = len(near) - 1
    sizes = np.arange(players + 1)
    coin = np.ones(1)
    for _ in range(players):
        coin = np.convolve(coin, [0.5, 0.5])
    weight = near * coin
    weight[-1] += everybody
    total = float(weight.sum())
    joint = float((weight * sizes * (sizes - 1)).sum()) / max(players * (players - 1), 1)
    return total, float((weight * sizes).sum()) / players / total, joint


def _joint(a: np.ndarray, b: np.ndarray, differing: np.ndarray) -> Complex128[np.ndarray, "q q s"]:
    """sum over both players' presence of a_q(z) k(z, z') b_r(z')."""
    equal = a[:, None, 0] * b[None, :, 0] + a[:, None, 1] * b[None, :, 1]
    unequal = a[:, None, 0] * b[None, :, 1] + a[:, None, 1] * b[None, :, 0]
    return np.asarray(equal[..., None] + unequal[..., None] * differing)


def _off_zero(factors: np.ndarray) -> np.ndarray:
    """Factors that a product can be divided by again: a 0 counts for nothing where it stays, and cancels where not."""
    return np.asarray(np.where(np.abs(factors) < _ZERO, _ZERO, factors))
