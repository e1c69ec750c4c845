"""Owen values of a tree in closed form, for functions that are products over players (see `measure`).

A player's Owen value is its mean gain over contexts: every branch that was split off on the way down to it is there
as a whole or not at all, with even chances. So the mean of a product is a product over these branches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.explain.games.hierarchy import Merges, members
from whyscan.explain.games.link import Sample


@dataclass(frozen=True, eq=False)
class Nested:
    """The Owen values (Owen 1977) of the nested coalition structure of a binary tree: an `Estimand`."""

    tree: Merges
    adds_up: bool = True

    def embed(
        self, coalitions: Bool[np.ndarray, "n s"], differing: Float64[np.ndarray, " s"]
    ) -> Float64[np.ndarray, "n s"]:
        """The Owen values of z -> prod_j (1 if z_j = z_ij else differing_j), for each coalition z_i."""
        there = self._products(np.where(coalitions, 1.0, differing).T)
        gone = self._products(np.where(coalitions, differing, 1.0).T)
        players = len(differing)
        return np.asarray((self._contexts((there + gone) / 2) * (there - gone))[:players].T)

    def covariance(self, differing: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, "s s"]:
        """The values' covariance when the game is a Gaussian process with that kernel: they are independent.

        Where the paths of two players fork, one's branch is there as a whole or not at all in the other's contexts,
        at even chances, and a gain that is taken against the one is minus the gain taken against the other.
        """
        flipped = self._products(differing[:, None])
        variance = self._contexts((1 + flipped) / 2) * 2 * (1 - flipped)
        return np.diag(variance[: len(differing), 0])

    def sample(self, draws: int, seed: int = 0) -> Sample:
        """Contexts drawn at random, for games that have no closed form: with and without the player in each."""
        count = len(self.tree) + 1
        random = np.random.default_rng(seed)
        there = np.zeros((draws, count, count), bool)  # each player's contexts
        nodes = members(self.tree)
        for left, right in self.tree:
            for node, other in ((left, right), (right, left)):
                joins = random.random((draws, 1, 1)) < 0.5
                there |= joins & nodes[node][:, None] & nodes[other][None, :]
        without = there.reshape(-1, count)
        joined = (there | np.eye(count, dtype=bool)).reshape(-1, count)

        def integral(values: Float64[np.ndarray, "m t"]) -> tuple[np.ndarray, np.ndarray]:
            gains = (values[len(without) :] - values[: len(without)]).reshape(draws, count, -1)
            return gains.mean(0).T, gains.var(0, ddof=1).T / draws

        return Sample(np.concatenate([without, joined]), {"owen": integral})

    def _products(self, factors: Float64[np.ndarray, "s n"]) -> Float64[np.ndarray, "2s-1 n"]:
        """Of each node's players' factors."""
        found = np.concatenate([factors, np.empty((len(self.tree), factors.shape[1]))])
        for k, (left, right) in enumerate(self.tree):
            found[len(factors) + k] = found[left] * found[right]
        return found

    def _contexts(self, means: Float64[np.ndarray, "2s-1 n"]) -> Float64[np.ndarray, "2s-1 n"]:
        """For each node, the product of the means of all nodes that were split off above it."""
        found, count = np.ones_like(means), len(self.tree) + 1
        for k in reversed(range(len(self.tree))):
            left, right = self.tree[k]
            found[left], found[right] = found[count + k] * means[right], found[count + k] * means[left]
        return found
