"""The search behind anchors: a beam of growing candidates, KL-LUCB to rank them, fresh scans to judge the chosen.

KL-LUCB: Kaufmann and Kalyanakrishnan, COLT 2013. Anchors: Ribeiro et al., AAAI 2018, algorithms 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from whyscan.models.classifier import Scores

Members = Bool[np.ndarray, " s"]
Event = Callable[[Scores], Bool[np.ndarray, " m"]]
"""Whether the rule held, for the scores (m, k) of perturbed scans."""

Left = Callable[[], int]
"""How many more evaluations may be asked for."""

_LOOKS = (64, 128, 256)
_SCREEN = 96
_DRAW = 16
_TURNS = 10


@dataclass(frozen=True)
class Search:
    """What is looked for; see `Anchors`."""

    precision: float
    slack: float
    risk: float
    largest: int
    beam: int
    tolerance: float


@dataclass(frozen=True, eq=False)
class Anchor:
    """A set of superpixels and how surely it holds.

    Attributes:
        members: (s,) which superpixels.
        precision: share of the scans that it was judged on for which the rule held.
        lower, upper: bounds beyond which the precision lies with the chance of the risk only.
        drawn: how many scans it was judged on.
        reached: whether the precision is what was asked for, and its bound within the slack of it.
    """

    members: Members
    precision: float
    lower: float
    upper: float
    drawn: int
    reached: bool


class Pool:
    """Coalitions that were judged, each with the superpixels that were held on when it was drawn.

    A coalition that was drawn with B held on, and shows A, is a fair draw for every A that contains B: the others are
    still on or off with even chances. So what was judged for a small anchor serves its extensions, and other targets.
    """

    def __init__(
        self, ask: Callable[[Bool[np.ndarray, "m s"]], Scores], players: int, random: np.random.Generator
    ) -> None:
        """`ask` judges coalitions; `random` draws them."""
        self._ask, self._random, self.players = ask, random, players
        self._held = np.zeros((0, players), np.float32)
        self._hidden = np.zeros((0, players), np.float32)
        self._logits: list[Scores] = []

    def draw(self, members: Members, count: int) -> Scores:
        """The answers to `count` new coalitions with these members held on."""
        shown = (self._random.random((count, self.players)) < 0.5) | members
        logits = self._ask(shown)
        self._held = np.concatenate([self._held, np.repeat(members[None].astype(np.float32), count, 0)])
        self._hidden = np.concatenate([self._hidden, (~shown).astype(np.float32)])
        self._logits.append(logits)
        return logits

    def tally(
        self, candidates: Bool[np.ndarray, "c s"], event: Event
    ) -> tuple[Int64[np.ndarray, " c"], Int64[np.ndarray, " c"]]:
        """How many coalitions speak for each candidate, and for how many of them the event came true."""
        if not self._logits:
            return np.zeros(len(candidates), np.int64), np.zeros(len(candidates), np.int64)
        members = candidates.T.astype(np.float32)
        fair = (self._held @ (1 - members) == 0) & (self._hidden @ members == 0)
        return fair.sum(0), fair[event(np.concatenate(self._logits))].sum(0)


def search(pool: Pool, event: Event, settings: Search, left: Left) -> Anchor:
    """The smallest anchor that reaches the precision; else the most precise one that was found."""
    beam = np.zeros((1, pool.players), bool)
    best = judge(pool, beam[0], event, settings, left)
    for _ in range(min(settings.largest, pool.players)):
        if best.reached or left() < _DRAW:
            break
        beam = _promising(pool, beam, event, settings, left)
        judged = [judge(pool, members, event, settings, left) for members in beam]
        best = max([best, *judged], key=lambda each: (each.reached, each.lower, each.precision))
    return best


def judge(pool: Pool, members: Members, event: Event, settings: Search, left: Left) -> Anchor:
    """A candidate's precision, from scans drawn for nothing else, until it is clear on which side of the bar it lies.

    The bound holds for all candidates and all looks at each of them together, with the chance 1 - risk. One
    that fell short while it was chosen, for looking good, gets no more of them; it could have been any candidate, which
    its bound allows for.
    """
    chosen = np.log((1 + settings.beam * settings.largest) * len(_LOOKS) / settings.risk)
    drawn, hits = (int(each[0]) for each in pool.tally(members[None], event))
    found = _anchor(members, hits, drawn, chosen + np.log(pool.players), settings)
    if drawn > 0 and found.precision < settings.precision - settings.slack:
        return replace(found, reached=False)
    drawn = hits = 0
    for look in _LOOKS:
        count = min(look - drawn, left())
        if count <= 0:
            break
        hits += int(event(pool.draw(members, count)).sum())
        drawn += count
        found = _anchor(members, hits, drawn, chosen, settings)
        if found.reached or found.upper < settings.precision:
            break
    return found if drawn else replace(found, reached=False)


def _anchor(members: Members, hits: int, drawn: int, level: float, settings: Search) -> Anchor:
    mean = hits / max(drawn, 1)
    low, high = (float(end[0]) for end in bounds(np.array([mean]), np.array([drawn]), level))
    reached = mean >= settings.precision and low >= settings.precision - settings.slack
    return Anchor(members, mean, low, high, drawn, reached)


def lost_without(pool: Pool, anchor: Anchor, event: Event) -> Float64[np.ndarray, " s"]:
    """How much of the precision is lost without each member; 0 for others.

    From what was judged on the way. At least half a scan's worth, so that every member can be seen.
    """
    members = np.flatnonzero(anchor.members)
    weights = np.zeros(pool.players)
    if len(members):
        without = np.repeat(anchor.members[None], len(members), 0)
        without[np.arange(len(members)), members] = False
        drawn, hits = pool.tally(without, event)
        least = 0.5 / max(anchor.drawn, 1)
        weights[members] = np.maximum(anchor.precision - hits / np.maximum(drawn, 1), least)
    return weights


def bounds(
    means: Float64[np.ndarray, " c"], counts: Int64[np.ndarray, " c"], level: float
) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, " c"]]:
    """The q below and above each mean with count * KL(mean, q) = level, by bisection (Chernoff's bounds)."""
    limit = level / np.maximum(counts, 1)
    ends = []
    for edge in (np.zeros_like(means), np.ones_like(means)):
        inside, outside = means.astype(float), edge
        for _ in range(40):
            middle = (inside + outside) / 2
            within = divergence(means, middle) <= limit
            inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
        ends.append(np.where(counts > 0, inside, edge))
    return ends[0], ends[1]


def divergence(p: Float64[np.ndarray, " c"], q: Float64[np.ndarray, " c"]) -> Float64[np.ndarray, " c"]:
    """KL divergence of two coins."""
    tiny = 1e-15
    p, q = np.clip(p, tiny, 1 - tiny), np.clip(q, tiny, 1 - tiny)
    return np.asarray(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))


def _grown(beam: Bool[np.ndarray, "b s"]) -> Bool[np.ndarray, "c s"]:
    """Every candidate with one more member, each once."""
    more = beam[:, None] | np.eye(beam.shape[1], dtype=bool)
    return np.unique(more[~beam], axis=0)


def _promising(
    pool: Pool, parents: Bool[np.ndarray, "b s"], event: Event, settings: Search, left: Left
) -> Bool[np.ndarray, "b s"]:
    """The best of the parents' extensions, as many as the beam holds, best first.

    KL-LUCB: the weakest of those kept and the strongest rival get more scans, until they are told apart to within the
    tolerance. It stops after some turns in any case: the choice may be wrong then, but not the bound of what is chosen.
    """
    for parent in parents:  # every other scan drawn for a parent speaks for any one of its extensions
        lacking = min(_SCREEN - int(pool.tally(parent[None], event)[0][0]), left())
        if lacking > 0:
            pool.draw(parent, lacking)
    candidates = _grown(parents)
    width = min(settings.beam, len(candidates))
    for turn in range(1, 1 + max(1, min(_TURNS, left() // (4 * 2 * _DRAW)))):  # a quarter of what is left, at most
        counts, hits = pool.tally(candidates, event)
        means = hits / np.maximum(counts, 1)
        low, high = bounds(means, counts, np.log(len(candidates) * turn / settings.risk))
        order = np.argsort(-means, kind="stable")
        kept, others = order[:width], order[width:]
        if len(others) == 0:
            break
        weakest, rival = kept[np.argmin(low[kept])], others[np.argmax(high[others])]
        if high[rival] - low[weakest] <= settings.tolerance or left() < 2 * _DRAW:
            break
        for each in (weakest, rival):
            pool.draw(candidates[each], _DRAW)
    return candidates[kept]
