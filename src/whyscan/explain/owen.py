"""Owen values over the hierarchy of superpixels ("Partition SHAP"). Owen 1977; nested as in Lundberg's shap package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Bool, Float64
from scipy.stats import t as student

from whyscan.data.scan import Scan
from whyscan.explain.hierarchy import Merges, depths, hierarchy, members
from whyscan.explain.perturb import Memory, play
from whyscan.explain.surrogate import Perturbation, judge, set_up, settings_of
from whyscan.explain.targets import Targets, check, facts, resolve
from whyscan.models.classifier import Classifier, softmax
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

Value = Callable[[Bool[np.ndarray, "m s"]], Float64[np.ndarray, "m t"]]
"""Coalitions -> the scores of every target."""

_MOVES = 1e-4
_ROUND = 0.15
_PRIOR = 2.0


@dataclass(frozen=True, eq=False)
class OwenValues:
    """Owen values of every player for every target.

    Attributes:
        values: (t, s); each row sums to the score of everybody minus that of nobody, whatever the budget.
        intervals: (t, s, 2) at 95 %, of no width where nothing was left to chance; None where some branch was never
            opened, or where too little is known of how much contexts differ.
        evaluations: how many coalitions were judged.
        complete: whether every context of every branch was judged: then the values are exact.
        unopened: (t,) how much of the absolute value lies on branches that were shared out evenly, unopened; 0 to 1.
    """

    values: Float64[np.ndarray, "t s"]
    intervals: Float64[np.ndarray, "t s 2"] | None
    evaluations: int
    complete: bool
    unopened: Float64[np.ndarray, " t"]


def evaluations_needed(tree: Merges) -> int:
    """How many evaluations exact Owen values take: 2 for each context of each branch, and the two ends.

    A branch has one context for every set of the branches that were split off above it, 2^depth: about 2/3 of s^2 in
    all for a balanced tree of s players, but 2^s for one that loses a player at a time.
    """
    return 2 + 2 * sum(1 << int(depth) for depth in depths(tree)[len(tree) + 1 :])


def owen_values(value: Value, tree: Merges, budget: int, seed: int = 0) -> OwenValues:
    """Owen values of the nested coalition structure of a binary tree, exact if the budget allows.

    A branch's value is its mean gain over its contexts: each branch that was split off above it is there or not, with
    even chances. Let h(C) = f(C + left) - f(C + right) for a context C, f the score. Then

        value(left) = (value(branch) + mean h) / 2,    value(right) = (value(branch) - mean h) / 2,

    so all values follow from one mean per branch, and always add up. Each mean is estimated by itself, from contexts
    drawn so that first a context and its opposite, then every combination of neighbouring ones is balanced: main
    effects of what surrounds a branch cancel within h, and effects of odd order within a pair of opposites. Contexts
    go where they lower the error of all targets' values most; branches are opened from the root down where there are
    too few evaluations for all, and what is never opened is shared evenly by its superpixels.

    Args:
        value: judges coalitions (m, s) for all targets at once; never asked the same twice.
        tree: as `hierarchy` makes it.
        budget: the most evaluations, 2 or more.
        seed: of the order in which contexts are drawn.
    """
    count = len(tree) + 1
    ends = np.asarray(value(np.array([np.ones(count, bool), np.zeros(count, bool)])), float)
    search = _Search(value, tree, ends, np.random.default_rng(seed))
    if budget >= evaluations_needed(tree):
        search.ask([n for n, split in enumerate(search.splits) for _ in range(split.contexts)])
    else:
        search.open(budget)
        search.pair(budget)
        search.refine(budget)
    return search.result()


class _Split:
    """One branch, and its h(C) for every context that was judged."""

    def __init__(
        self, left: np.ndarray, right: np.ndarray, siblings: Bool[np.ndarray, "d s"], random: np.random.Generator
    ) -> None:
        self.left, self.right, self.siblings = left, right, siblings
        self.depth = len(siblings)
        self.contexts: int = 2**self.depth
        self.found: list[Float64[np.ndarray, " t"]] = []
        self._steps, self._start = _balanced(self.depth, random), random.random(self.depth) < 0.5

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


def _balanced(depth: int, random: np.random.Generator) -> Bool[np.ndarray, "d d"]:
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


class _Search:
    """The branches, in the order of the tree's merges, and what is known of them."""

    def __init__(self, value: Value, tree: Merges, ends: np.ndarray, random: np.random.Generator) -> None:
        self.value, self.tree, self.random = value, tree, random
        self.gain, self.count, self.used = ends[0] - ends[1], len(tree) + 1, 2
        self.belongs, self.depth = members(tree), depths(tree)
        self.scale = np.full(len(self.gain), 1e-12)
        self._total, self._seen = ends.sum(0), [ends]
        siblings: dict[int, list[np.ndarray]] = {2 * self.count - 2: []}
        self.splits: list[_Split] = []
        for k in reversed(range(len(tree))):
            (left, right), above = tree[k], siblings[self.count + k]
            siblings[left], siblings[right] = [*above, self.belongs[right]], [*above, self.belongs[left]]
            around = np.array(above, bool).reshape(-1, self.count)
            self.splits.append(_Split(self.belongs[left], self.belongs[right], around, random))
        self.splits.reverse()

    def ask(self, chosen: Sequence[int]) -> None:
        """Judge one more context of each branch; of a branch that is named twice, two more."""
        if not len(chosen):
            return
        ahead: dict[int, int] = {}
        coalitions = []
        for n in chosen:
            split, more = self.splits[n], ahead.get(n, 0)
            context = split.context(len(split.found) + more)
            coalitions += [context | split.left, context | split.right]
            ahead[n] = more + 1
        scores = np.asarray(self.value(np.array(coalitions)), float)
        self.used += len(coalitions)
        for n, left, right in zip(chosen, scores[::2], scores[1::2], strict=True):
            self.splits[n].found.append(left - right)

    def nodes(self) -> Float64[np.ndarray, "2s-1 t"]:
        """The value of every node, from the root down."""
        found = np.zeros((2 * self.count - 1, len(self.gain)))
        found[-1] = self.gain
        for k in reversed(range(len(self.tree))):
            (left, right), split, whole = self.tree[k], self.splits[k], found[self.count + k]
            if split.found:
                found[left], found[right] = (whole + split.mean) / 2, (whole - split.mean) / 2
            else:
                share = split.left.sum() / (split.left.sum() + split.right.sum())
                found[left], found[right] = share * whole, (1 - share) * whole
        return found

    def open(self, budget: int) -> None:
        """One context for each branch; where there are too few evaluations, the largest known value first."""
        while (budget - self.used) // 2 > 0:
            closed = [n for n in range(len(self.splits)) if not self.splits[n].found]
            if 2 * len(closed) <= budget - self.used:
                return self.ask(closed)
            worth = self._worth(self.nodes()[self.count :])
            parents = {int(child): k for k, pair in enumerate(self.tree) for child in pair}
            ready = [n for n in closed if n == len(self.tree) - 1 or self.splits[parents[self.count + n]].found]
            ready.sort(key=lambda n: -worth[n])
            self.ask(ready[: max(1, min(4, (budget - self.used) // 2))])

    def pair(self, budget: int) -> None:
        """The opposite of each branch's first context."""
        single = [n for n, split in enumerate(self.splits) if len(split.found) == 1 < split.contexts]
        worth = self._weights() * self._worth(
            np.array([split.mean if split.found else 0 * self.gain for split in self.splits])
        )
        single.sort(key=lambda n: -worth[n])
        self.ask(single[: max(0, (budget - self.used) // 2)])

    def refine(self, budget: int) -> None:
        """More pairs of contexts, in rounds, each where it lowers the summed squared error of all targets most."""
        while (left := (budget - self.used) // 4) > 0:
            spread = self._weights() * self._worth(np.sqrt(self.spread()))
            heap: list[tuple[float, int, int]] = []
            for n, split in enumerate(self.splits):
                _push(heap, n, len(split.found) // 2, split.contexts // 2, spread[n])
            chosen: list[int] = []
            while heap and len(chosen) < 2 * max(1, min(left, round(_ROUND * self.used / 4))):
                _, n, pairs = heappop(heap)
                chosen += [n, n]
                _push(heap, n, pairs + 1, self.splits[n].contexts // 2, spread[n])
            if not chosen:
                return
            self.ask(chosen)

    def spread(self) -> Float64[np.ndarray, "s-1 t"]:
        """The variance of a pair's mean within each branch, shrunk towards what the pairs' differences foretell."""
        between, free, guess = [], [], []
        for split in self.splits:
            means, halves = split.pairs()
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

    def result(self) -> OwenValues:
        nodes = self.nodes()
        closed = [n for n, split in enumerate(self.splits) if not split.found]
        complete = all(len(split.found) == split.contexts for split in self.splits)
        values = nodes[: self.count].T
        stuck = self.belongs[self.count :][closed].any(0) if closed else np.zeros(self.count, bool)
        total = np.abs(values).sum(1)
        unopened = np.abs(values[:, stuck]).sum(1) / np.where(total > 0, total, 1)
        return OwenValues(values, self._intervals(values), self.used, complete, unopened)

    def _intervals(self, values: np.ndarray) -> Float64[np.ndarray, "t s 2"] | None:
        done = np.array([len(split.found) == split.contexts for split in self.splits], bool)
        pairs = np.array([len(split.found) // 2 for split in self.splits])
        if not (done | (pairs >= 1)).all() or not (done | (pairs >= 2)).any():
            return None
        most = np.array([split.contexts / 2 for split in self.splits])
        variance = np.where(done, 0.0, 1 / np.maximum(pairs, 1) - 1 / most)[:, None] * self.spread()
        share = self.belongs[self.count :] * 0.25 ** (self.depth[: self.count] - self.depth[self.count :, None])
        total = share.T @ variance
        freedom = total**2 / np.maximum(
            share.T**2 @ (variance**2 / (np.maximum(pairs - 1, 0) + _PRIOR)[:, None]), 1e-300
        )
        half = (np.sqrt(total) * student.ppf(0.975, np.maximum(freedom, 1))).T
        return np.stack([values - half, values + half], -1)


def _push(heap: list[tuple[float, int, int]], n: int, pairs: int, most: int, spread: float) -> None:
    if 1 <= pairs < most:
        heappush(heap, (-spread * (1 / pairs - 1 / (pairs + 1)), n, pairs))


@dataclass(frozen=True)
class Owen:
    """Partition SHAP: each superpixel's Owen value, its fair share where whole regions join or stay away together.

    Attributes:
        perturbation: superpixels, fill, how many evaluations, and the score that is played for.
    """

    perturbation: Perturbation = field(default_factory=Perturbation)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        return [self._one(classifier, scan, targets, seed, progress) for scan in scans]

    def _one(self, classifier: Classifier, scan: Scan, targets: Targets, seed: int, progress: Progress) -> Attribution:
        check(classifier, targets, scan.label)
        shared = self.perturbation
        pixels, geometry, board = set_up(classifier, scan, shared)
        tree = hierarchy(board.pixels, board.segments)
        nodes = members(tree)
        # the whole scan, nothing, and its two halves stand for what is to come
        probe = np.concatenate([nodes[-1:], ~nodes[-1:], nodes[tree[-1]] if len(tree) else nodes[:0]])
        predict, engine, deviation = judge(classifier, shared.engine, board, probe)
        answer = classifier.logits(pixels)[0]
        names, rows = resolve(classifier, targets, answer, scan.label)
        memory: Memory = {}

        def value(coalitions: Bool[np.ndarray, "m s"]) -> Float64[np.ndarray, "m t"]:
            logits = play(predict, board, coalitions, memory=memory, batch=shared.batch)
            progress("perturbed scans", len(memory), shared.samples)
            return np.asarray((softmax(logits) if shared.score == "probability" else logits).astype(float) @ rows.T)

        found = owen_values(value, tree, shared.samples, seed)
        moves = np.ptp(value(probe), axis=0) > _MOVES
        return Attribution(
            method="owen",
            weights=found.values.astype(np.float32),
            intervals=None if found.intervals is None else found.intervals.astype(np.float32),
            segments=board.segments,
            signed=True,
            score=shared.score,
            evaluations=len(memory),
            converged=found.complete,
            diagnosis=tuple("there" if each else "score hardly moves" for each in moves),
            measured={"share on unopened regions": [float(each) for each in found.unopened]},
            engine=engine,
            deviation=deviation,
            seed=seed,
            settings={
                **settings_of(self),
                "exact": found.complete,
                "exact would need": evaluations_needed(tree),
                "tree": tree.tolist(),
            },
            **facts(classifier, scan, geometry, answer, names),
        )
