"""Which coalitions of superpixels to judge: drawn once, fit for every estimand whose measure depends on size alone.

LIME and SHAP are both weighted regressions over coalitions; both weigh a coalition by its size only. So they can
share one sample: sizes come from the mixture of their measures, coalitions of one size are equally likely, and each
method corrects by (its own measure) / (the probability of having been drawn), which is at most the number of methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import gammaln

Sizes = Float64[np.ndarray, " s+1"]
"""The total weight that an estimand gives to the coalitions of 0, 1, ..., s players. Need not sum to 1."""

_EARLY = 42  # twenty pairs


@dataclass(frozen=True, eq=False)
class Plan:
    """Coalitions to judge: everybody, nobody, then antithetic pairs in random order, so that any beginning is fair.

    Attributes:
        coalitions: (m, s) who is there.
        log_chance: (m,) log of the expected number of times that each was drawn; 0 where it was certain.
        pairs: (m,) a coalition and its complement have the same number; numbers are independent draws.
        complete: whether these are all 2^s coalitions, so that nothing is left to chance.
    """

    coalitions: Bool[np.ndarray, "m s"]
    log_chance: Float64[np.ndarray, " m"]
    pairs: Int64[np.ndarray, " m"]
    complete: bool

    def weights(self, sizes: Sizes) -> Float64[np.ndarray, " m"]:
        """What each coalition stands for: sums over them estimate sums over all 2^s (Horvitz and Thompson, 1952)."""
        players = self.coalitions.shape[1]
        size = self.coalitions.sum(1)
        return np.asarray(sizes[size] * np.exp(-log_binomial(players)[size] - self.log_chance))

    def first(self, count: int) -> Plan:
        """The beginning: everybody, nobody and whole pairs. Its weights are those of the whole."""
        return Plan(self.coalitions[:count], self.log_chance[:count], self.pairs[:count], self.complete)

    def probe(self) -> Bool[np.ndarray, "p s"]:
        """Everybody, nobody, and one of the first pairs, the most even one: they stand for what is to come."""
        even = np.abs(2 * self.coalitions[:_EARLY].sum(1) - self.coalitions.shape[1])
        pair = self.pairs[2 + int(even[2:].argmin())] if len(even) > 2 else self.pairs[0]
        return np.asarray(self.coalitions[(self.pairs == self.pairs[0]) | (self.pairs == pair)])

    @property
    def uncertainty(self) -> Float64[np.ndarray, " m"]:
        """0 for a coalition that had to be there, towards 1 for one that was drawn out of many."""
        return np.asarray(1.0 - np.exp(np.minimum(self.log_chance, 0.0)))


def log_binomial(players: int) -> Float64[np.ndarray, " s+1"]:
    """log C(s, k) for k = 0..s."""
    k = np.arange(players + 1)
    return np.asarray(gammaln(players + 1) - gammaln(k + 1) - gammaln(players - k + 1))


def draw(players: int, measures: Sequence[Sizes], samples: int, seed: int) -> Plan:
    """At most `samples` coalitions for estimands with these measures; all of them if they are so few.

    Sizes of which there are fewer coalitions than would be drawn are taken whole; the rest of the budget goes to
    the other sizes by systematic sampling, without drawing a coalition twice.

    Args:
        players: how many superpixels, at least 1.
        measures: the size measure of each estimand; each is scaled to the same total.
        samples: 4 or more.
    """
    if 2**players <= samples:
        return _all(players)
    mixture = np.mean([measure[1:-1] / measure[1:-1].sum() for measure in measures], axis=0)
    random = np.random.default_rng(seed)
    strata = np.arange(1, players // 2 + 1)
    mass = mixture[strata - 1] + np.where(2 * strata == players, 0.0, mixture[players - strata - 1])
    log_number = log_binomial(players)[strata] - np.where(2 * strata == players, np.log(2), 0.0)
    whole, log_chance, drawn = _allot(mass, log_number, (samples - 2) // 2, random)
    half = [
        _subsets(players, int(size), None if everything else int(count), random)
        for size, everything, count in zip(strata, whole, drawn, strict=True)
    ]
    first = np.concatenate(half)
    chance = np.repeat(log_chance, [len(each) for each in half])
    order = random.permutation(len(first))
    first, chance = first[order], chance[order]
    ends = np.array([np.ones(players, bool), np.zeros(players, bool)])
    coalitions = np.concatenate([ends, np.stack([first, ~first], 1).reshape(-1, players)])
    return Plan(
        coalitions,
        np.concatenate([[0.0, 0.0], np.repeat(chance, 2)]),
        np.repeat(np.arange(1 + len(first)), 2),
        complete=False,
    )


def _all(players: int) -> Plan:
    numbers = np.arange(2**players)
    coalitions = (numbers[:, None] >> np.arange(players)) & 1 == 1
    # the complement of number n is 2^s - 1 - n
    pairs = np.minimum(numbers, numbers[::-1])
    # everybody and nobody are pair 0; everybody comes first
    order = np.lexsort((-numbers, pairs))
    return Plan(coalitions[order], np.zeros(len(numbers)), pairs[order], complete=True)


def _allot(
    mass: np.ndarray, log_number: np.ndarray, pairs: int, random: np.random.Generator
) -> tuple[Bool[np.ndarray, " j"], Float64[np.ndarray, " j"], Int64[np.ndarray, " j"]]:
    """Per stratum: take it whole? The log chance of each of its pairs, and how many to draw."""
    whole = np.zeros(len(mass), bool)
    while True:
        left = pairs - np.exp(log_number[whole]).sum()
        share = np.where(whole, 0.0, mass) / max(mass[~whole].sum(), np.finfo(float).tiny)
        with np.errstate(divide="ignore"):
            log_chance = np.where(whole, 0.0, np.log(share * left) - log_number)
        more = ~whole & (log_chance >= 0)
        if not more.any():
            break
        whole |= more
    # systematic: one random start, then equal steps along the strata, so that counts hardly vary
    edges = np.concatenate([[0.0], np.cumsum(share * left)])
    drawn = np.diff(np.floor(edges + random.random())).astype(np.int64)
    most = np.exp(np.minimum(log_number, 40.0))
    return whole, log_chance, np.minimum(drawn, np.round(most).astype(np.int64))


def _subsets(
    players: int, size: int, count: int | None, random: np.random.Generator
) -> Bool[np.ndarray, "count players"]:
    """`count` different coalitions of one size, one of each complementary pair; None for all of them."""
    if count is None:
        return _every_subset(players, size)
    found: dict[bytes, np.ndarray] = {}
    while len(found) < count:
        ranks = random.random((count - len(found), players)).argsort(1).argsort(1)
        for coalition in ranks < size:
            if 2 * size == players and not coalition[0]:
                coalition = ~coalition  # the one of the two halves that has player 0 names the pair
            found.setdefault(coalition.tobytes(), coalition)
    return np.array(list(found.values()), bool).reshape(-1, players)


def _every_subset(players: int, size: int) -> Bool[np.ndarray, "count players"]:
    members = np.array(list(combinations(range(players), size)))
    if 2 * size == players:
        members = members[members[:, 0] == 0]
    out = np.zeros((len(members), players), bool)
    np.put_along_axis(out, members, True, axis=1)
    return out
