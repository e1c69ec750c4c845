"""Judging: what may be said of a difference, and the correction for many tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from whyscan.stats.differences import Difference
from whyscan.stats.tests import holm
from whyscan.trust import thresholds
from whyscan.trust.answer import Finding, Word


def correct(p: Sequence[float]) -> list[float]:
    """Holm's correction over a family of tests; one that could not be made counts, and proves nothing."""
    return [float(each) for each in holm([each if math.isfinite(each) else 1.0 for each in p])]


def corrected(lines: Sequence[Finding]) -> list[Finding]:
    """Evidence with Holm's correction over those lines that have a p-value."""
    tested = [line for line in lines if line.p is not None]
    p = {id(line): q for line, q in zip(tested, correct([float(line.p or 0) for line in tested]), strict=True)}
    told = family(len(tested))
    return [replace(line, corrected=p[id(line)], correction=told) if id(line) in p else line for line in lines]


def family(n: int) -> str:
    """How a correction over so many tests is called."""
    return f"Holm, {n} test{'s' * (n != 1)}"


Judged = Literal["more", "less", "none", "too few"]
WORDS: Mapping[Judged, str] = {
    "more": "more", "less": "less", "none": "no difference", "too few": "too few to tell",
}  # fmt: skip
YES: Mapping[Judged, Word] = {"more": "yes", "less": "no", "none": "no", "too few": "too few to tell"}
"""A question whether there is more of something, answered."""


def judge(found: Difference, p: float | None = None) -> Judged:
    """What may be said of a difference; `p` is its p-value after correction, where there is one.

    "none" needs the whole interval to be smaller than a medium effect, whatever the power of the test: a correction
    for many tests makes differences harder to find, and must not make "none" easier to say.
    """
    if not testable(found):
        return "too few"
    if (found.p if p is None else p) < thresholds.LEVEL.value and (found.low > 0 or found.high < 0):
        return "more" if found.value > 0 else "less"
    low, high = in_spreads(found)  # NaN without an interval, and then nothing can be told
    medium = thresholds.DETECTABLE.value
    return "none" if -medium < low and high < medium else "too few"


def fewest(found: Difference) -> int:
    """Groups that a difference rests on; of two kinds those of the rarer one."""
    return found.n if found.other is None else min(found.n, found.other)


def testable(found: Difference) -> bool:
    """Whether it rests on as many groups as a test needs."""
    return fewest(found) >= thresholds.FEWEST.value


def in_spreads(found: Difference) -> tuple[float, float]:
    """A difference's interval in standard deviations of groups: NaN where they have none, but differ.

    The standard deviation is an estimate too: the error of an effect d of n pairs is (1 + d^2 / 2)^(1/2) times that of
    the mean (Hedges and Olkin, 1985), so the interval is widened to what it is at a medium effect.

    Of n groups of which none differs at all, up to z^2 / (n + z^2) might (Wilson); were it so many, and all in one
    direction, the difference would be z / sqrt(n) spreads.
    """
    if found.spread > 0:
        wider = (1 + thresholds.DETECTABLE.value**2 / 2) ** 0.5
        low, high = (found.value + wider * (end - found.value) for end in (found.low, found.high))
        return low / found.spread, high / found.spread
    alike = found.spread == 0 and abs(found.value) <= 1e-12
    reach = 1.96 / max(fewest(found), 1) ** 0.5 if alike else float("nan")
    return -reach, reach


def surely_small(found: Difference) -> bool:
    """Whether even the high end of the interval is less than a medium effect."""
    return testable(found) and in_spreads(found)[1] < thresholds.DETECTABLE.value
