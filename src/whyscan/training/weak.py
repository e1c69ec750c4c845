"""Weak: a state of the same backbone that is clearly worse than the best, wherever the best will turn out to be."""

from __future__ import annotations

from collections.abc import Sequence

from whyscan.training.state import Snapshot

CLEARLY = 0.05
"""By so much validation accuracy the weak state must be below the best."""

_GRAIN = 0.02


def shortlist(found: Sequence[Snapshot], best: float, target: float) -> list[Snapshot]:
    """Those of the snapshots that may still become the weak one.

    Of the states that are clearly below the best so far, and so stay below it, only the nearest to the target can win.
    Nearer ones that are not below it yet wait for a better best, one for every 0.02 of accuracy: so a handful stays,
    and mostly one.

    Args:
        found: in the order they were taken; the earlier one wins a tie.
        best: the highest validation accuracy at the end of an epoch so far; 0 before there is one.
        target: the wanted validation accuracy.
    """
    sure = choose(found, best, target)
    waiting: dict[int, Snapshot] = {}
    for each in found:
        if each.accuracy > best - CLEARLY and (sure is None or _away(each, target) < _away(sure, target)):
            place = int(each.accuracy / _GRAIN)
            # the lowest of its place: it is clearly below the best as soon as any of them is
            if place not in waiting or each.accuracy < waiting[place].accuracy:
                waiting[place] = each
    kept = [*waiting.values(), *([sure] if sure else [])]
    return [each for each in found if any(each is one for one in kept)]


def choose(found: Sequence[Snapshot], best: float, target: float) -> Snapshot | None:
    """The snapshot nearest to the target among those that are clearly below the best, or None if none is."""
    below = [each for each in found if each.accuracy <= best - CLEARLY]
    return min(below, key=lambda each: _away(each, target), default=None)


def _away(snapshot: Snapshot, target: float) -> float:
    return abs(snapshot.accuracy - target)
