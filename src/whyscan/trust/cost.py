"""Cost: what a battery of metrics takes, before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whyscan.errors import BadInput
from whyscan.trust.every import EVERY


@dataclass(frozen=True, slots=True)
class Cost:
    """Forward passes with perturbed scans, explanations, and seconds."""

    evaluations: int = 0
    explanations: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.evaluations + other.evaluations,
            self.explanations + other.explanations,
            self.seconds + other.seconds,
        )


def estimate(
    chosen: Iterable[str],
    *,
    scans: int,
    explained: int,
    seconds: float,
    again: float = 0.0,
    inside: bool = True,
    chance: bool = True,
) -> Cost:
    """What a battery costs at most, before it starts.

    Args:
        chosen: names of `EVERY`.
        scans: how many scans.
        explained: explanations a scan: methods times targets.
        seconds: measured seconds of one forward pass.
        again: measured seconds of one explanation, averaged over the methods.
        inside: whether everything is asked inside the head too.
        chance: whether the chance of each is worked out; a scan's lot is the same for all its explanations.

    Raises:
        BadInput: a metric that there is not, or a negative number.
    """
    if min(scans, explained, seconds, again) < 0:
        raise BadInput("a negative cost", "numbers from 0 up", "measure again")
    pools: dict[str, int] = {}
    remade: dict[str, int] = {}
    for name in dict.fromkeys(chosen):
        if name not in EVERY:
            raise BadInput(f"metric {name!r}", f"one of {', '.join(EVERY)}", "choose one of them")
        entry = EVERY[name]
        rankings = 1 if entry.shared else explained + (chance and entry.chance is not None)
        places = 1 + (inside and entry.inside is not None)
        pool = entry.pool or name
        pools[pool] = max(pools.get(pool, 0), scans * rankings * places * entry.evaluations)
        remade |= entry.remade
    evaluations, explanations = sum(pools.values()), scans * explained * sum(remade.values())
    return Cost(evaluations, explanations, evaluations * seconds + explanations * again)
