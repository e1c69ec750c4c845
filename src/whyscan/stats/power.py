"""Power: the smallest effect that so many scans would show, and so whether "no difference" may be said at all."""

from __future__ import annotations

from statistics import NormalDist

POWER = 0.8
LEVEL = 0.95


def smallest_effect(n: int, other: int | None = None, *, power: float = POWER, level: float = LEVEL) -> float:
    """The standardised effect that a two-sided test of a mean finds with the given power.

    For n pairs it is Cohen's dz, for two groups of n and `other` units Cohen's d. By the normal approximation with
    Guenther's correction for an estimated spread (1981), which is within 2 % of the noncentral t from 8 pairs on.
    Infinite where there are too few to estimate a spread.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    reach = z + NormalDist().inv_cdf(power)
    if other is None:
        room = n - z * z / 2
        return reach / room**0.5 if room > 0 and n > 1 else float("inf")
    room = 1 - z * z / (2 * (n + other))
    return reach * ((1 / n + 1 / other) / room) ** 0.5 if room > 0 and min(n, other) > 1 else float("inf")


def needed(effect: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """How many pairs a test needs to find an effect (Cohen's dz) with the given power."""
    n = 2
    while smallest_effect(n, power=power, level=level) > effect:
        n += 1
    return n
