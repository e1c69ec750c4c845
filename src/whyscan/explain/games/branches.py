"""The branches of a tree of superpixels, and which contexts of theirs to judge next: what Owen values are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.explain.games.hierarchy import Merges, depths, members

Value = Callable[[Bool[np.ndarray, "m s"]], Float64[np.ndarray, "m t"]]
"""Coalitions -> the scores of every target."""

_NORMAL = 1.96
_ROUND = 0.15
_PRIOR = 2.0


class Branch:
    """One inner node of the tree, and h(C) = f(C + left) - f(C + right) for every context that was judged."""

    def __init__(
        self, left: np.ndarray, right: np.ndarray, siblings: Bool[np.ndarray, "d s"], random: np.random.Generator
    ) -> None:
        self.left, self.right, self.siblings = left, right, siblings
        self.depth = len(siblings)
        self.contexts: int = 2**self.depth
        self.found: list[Float64[np.ndarray, " t"]] = []
        self._steps, self._start = balanced(self.depth, random), random.random(self.depth) < 0.5

    def context(self, number: int) -> Bool[np.ndarray, " s"]:
        """The number-th context drawn, without repetition: any one is as likely as any other."""
        bits = self._start.copy()
        for k, step in enumerate(self._steps):
            if number >> k & 1:
                bits ^= step
        return np.asarray(self.siblings[bits].any(0))

    @property
    def mean(self) -> Float64[np.ndarray, " t"]:
        return np.asarray(np.mean(self.found, axis=0))

    def pairs(self) -> tuple[Float64[np.ndarray, "m t"], Float64[np.ndarray, "m t"]]:
        """The mean of each pair of opposite contexts, and half their difference."""
        whole = np.array(self.found[: len(self.found) // 2 * 2])
        return (whole[::2] + whole[1::2]) / 2, (whole[::2] - whole[1::2]) / 2


def balanced(depth: int, random: np.random.Generator) -> Bool[np.ndarray, "d d"]:
    """Steps that visit all 2^d sign patterns: the first flips all, and so on so that beginnings are balanced.

    The first 2^k patterns are a coset of a linear code: a first-order Reed-Muller code as soon as 2^(k-1) >= d, which
    is an orthogonal array of strength 3: effects of up to three surrounding branches cancel. Later steps complete it.
    """
    rows: np.ndarray = random.permutation(depth)
    width = max(depth - 1, 0).bit_length()
    steps = [np.ones(depth, bool), *(rows >> k & 1 == 1 for k in random.permutation(width))][:depth]
    echelon: list[np.ndarray] = []
    for step in steps:
        echelon.append(_reduced(step, echelon))
    for unit in np.eye(depth, dtype=bool)[random.permutation(depth)]:
        rest = _reduced(unit, echelon)
        if rest.any():
            echelon.append(rest)
            steps.append(unit)
    return np.array(steps, bool).reshape(depth, depth)


def _reduced(step: np.ndarray, echelon: Sequence[np.ndarray]) -> np.ndarray:
    """What is left of a step modulo 2 after those before it; all False if it is a sum of them."""
    step = step.copy()
    for other in echelon:
        if step[other.argmax()]:
            step ^= other
    return step


class Branches:
    """The branches, in the order of the tree's merges, and what is known of them.

    Attributes:
        coalitions, scores: all that was judged, (m, s) and (m, t); everybody first, nobody second.
        pairs: (m,) the two ends, and the rows of a branch's opposite contexts, have the same number.
        gain: (t,) the score of everybody minus that of nobody.
        belongs, depth: which superpixels are in each node, and how deep it lies.
    """

    def __init__(self, value: Value, tree: Merges, ends: np.ndarray, random: np.random.Generator) -> None:
        self.value, self.tree = value, tree
        self.gain, self.count = ends[0] - ends[1], len(tree) + 1
        self.belongs, self.depth = members(tree), depths(tree)
        self.coalitions, self.scores = np.array([np.ones(self.count, bool), np.zeros(self.count, bool)]), ends
        self.pairs = np.zeros(2, np.int64)
        siblings: dict[int, list[np.ndarray]] = {2 * self.count - 2: []}
        self.branches: list[Branch] = []
        for k in reversed(range(len(tree))):
            (left, right), above = tree[k], siblings[self.count + k]
            siblings[left], siblings[right] = [*above, self.belongs[right]], [*above, self.belongs[left]]
            around = np.array(above, bool).reshape(-1, self.count)
            self.branches.append(Branch(self.belongs[left], self.belongs[right], around, random))
        self.branches.reverse()
        self._numbers = [0] * len(self.branches)

    def ask(self, chosen: Sequence[int]) -> None:
        """Judge one more context of each branch; of a branch that is named twice, two more."""
        if not len(chosen):
            return
        ahead: dict[int, int] = {}
        coalitions: list[np.ndarray] = []
        pairs: list[int] = []
        for n in chosen:
            branch, more = self.branches[n], ahead.get(n, 0)
            number = len(branch.found) + more
            if number % 2 == 0:  # the next one is its opposite
                self._numbers[n] = max(self._numbers) + 1
            context = branch.context(number)
            coalitions += [context | branch.left, context | branch.right]
            pairs += [self._numbers[n]] * 2
            ahead[n] = more + 1
        scores = np.asarray(self.value(np.array(coalitions)), float)
        self.coalitions = np.concatenate([self.coalitions, coalitions])
        self.scores = np.concatenate([self.scores, scores])
        self.pairs = np.concatenate([self.pairs, np.array(pairs, np.int64)])
        for n, left, right in zip(chosen, scores[::2], scores[1::2], strict=True):
            self.branches[n].found.append(left - right)

    @property
    def used(self) -> int:
        return len(self.scores)

    @property
    def complete(self) -> bool:
        return all(len(branch.found) == branch.contexts for branch in self.branches)

    def nodes(self) -> Float64[np.ndarray, "2s-1 t"]:
        """The value of every node, from the root down; an unopened branch is shared evenly by its superpixels."""
        found = np.zeros((2 * self.count - 1, len(self.gain)))
        found[-1] = self.gain
        for k in reversed(range(len(self.tree))):
            (left, right), branch, whole = self.tree[k], self.branches[k], found[self.count + k]
            if branch.found:
                found[left], found[right] = (whole + branch.mean) / 2, (whole - branch.mean) / 2
            else:
                share = branch.left.sum() / (branch.left.sum() + branch.right.sum())
                found[left], found[right] = share * whole, (1 - share) * whole
        return found

    def grow(self, budget: int) -> None:
        """Judge more contexts until the budget is spent or all are judged."""
        self.open(budget)
        self.pair(budget)
        self.refine(budget)

    def open(self, budget: int) -> None:
        """One context for each branch; where there are too few evaluations, the largest known value first."""
        while (budget - self.used) // 2 > 0:
            closed = [n for n in range(len(self.branches)) if not self.branches[n].found]
            if 2 * len(closed) <= budget - self.used:
                self.ask(closed)
                return
            worth = self._worth(self.nodes()[self.count :])
            parents = {int(child): k for k, pair in enumerate(self.tree) for child in pair}
            ready = [n for n in closed if n == len(self.tree) - 1 or self.branches[parents[self.count + n]].found]
            ready.sort(key=lambda n: -worth[n])
            self.ask(ready[: max(1, min(4, (budget - self.used) // 2))])

    def pair(self, budget: int) -> None:
        """The opposite of each branch's first context."""
        single = [n for n, branch in enumerate(self.branches) if len(branch.found) == 1 < branch.contexts]
        worth = self._weights() * self._worth(
            np.array([branch.mean if branch.found else 0 * self.gain for branch in self.branches])
        )
        single.sort(key=lambda n: -worth[n])
        self.ask(single[: max(0, (budget - self.used) // 2)])

    def refine(self, budget: int) -> None:
        """More pairs of contexts, in rounds, each where it lowers the summed squared error of all targets most."""
        while (left := (budget - self.used) // 4) > 0:
            spread = self._weights() * self._worth(np.sqrt(self.spread()))
            heap: list[tuple[float, int, int]] = []
            for n, branch in enumerate(self.branches):
                _push(heap, n, len(branch.found) // 2, branch.contexts // 2, spread[n])
            chosen: list[int] = []
            while heap and len(chosen) < 2 * max(1, min(left, round(_ROUND * self.used / 4))):
                _, n, pairs = heappop(heap)
                chosen += [n, n]
                _push(heap, n, pairs + 1, self.branches[n].contexts // 2, spread[n])
            if not chosen:
                return
            self.ask(chosen)

    def spread(self) -> Float64[np.ndarray, "s-1 t"]:
        """The variance of a pair's mean within each branch, shrunk towards what the pairs' differences foretell.

        Where h differs much between opposites (odd effects), its even effects, which vary between pairs, are large
        too: the ratio of the two is learnt from all branches that have several pairs.
        """
        between, free, guess = [], [], []
        for branch in self.branches:
            means, halves = branch.pairs()
            between.append(((means - means.mean(0)) ** 2).sum(0) if len(means) else 0 * self.gain)
            free.append(max(len(means) - 1, 0))
            guess.append((halves**2).mean(0) if len(halves) else 0 * self.gain)
        ss, nu, prior = np.array(between), np.array(free, float)[:, None], np.array(guess)
        prior = prior + 0.1 * prior.mean(0)
        ratio = (ss.sum(0) + 1e-30) / ((nu * prior).sum(0) + 1e-30) if nu.any() else np.ones(len(self.gain))
        return np.asarray((ss + _PRIOR * ratio * prior) / (nu + _PRIOR))

    def _worth(self, amounts: Float64[np.ndarray, "n t"]) -> Float64[np.ndarray, " n"]:
        """Squares, each target in units of its own largest, summed over targets."""
        largest = np.abs(amounts).max(0)
        return np.asarray(((amounts / np.where(largest > 0, largest, 1)) ** 2).sum(1))

    def _weights(self) -> Float64[np.ndarray, " s-1"]:
        """How much an error of a branch's mean counts in the summed squared error of the superpixels' values."""
        below = self.belongs[self.count :] * 0.25 ** (self.depth[: self.count] - self.depth[self.count :, None])
        return np.asarray(below.sum(1))

    def half_widths(self) -> Float64[np.ndarray, "t s"] | None:
        """Of 95 % intervals of the values, from how much a branch's pairs differ; None where too little is known.

        Pairs are drawn without repetition, so the variance falls to 0 as they run out (finite population).
        """
        if self.complete:
            return np.zeros((len(self.gain), self.count))
        done = np.array([len(branch.found) == branch.contexts for branch in self.branches], bool)
        pairs = np.array([len(branch.found) // 2 for branch in self.branches])
        if not (done | (pairs >= 1)).all():
            return None
        most = np.array([branch.contexts / 2 for branch in self.branches])
        variance = np.where(done, 0.0, 1 / np.maximum(pairs, 1) - 1 / most)[:, None] * self.spread()
        share = self.belongs[self.count :] * 0.25 ** (self.depth[: self.count] - self.depth[self.count :, None])
        return np.asarray(_NORMAL * np.sqrt(share.T @ variance).T)


def _push(heap: list[tuple[float, int, int]], n: int, pairs: int, most: int, spread: float) -> None:
    if 1 <= pairs < most:
        heappush(heap, (-spread * (1 / pairs - 1 / (pairs + 1)), n, pairs))
