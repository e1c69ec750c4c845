"""Wording: figures, differences and numbers of scans as sentences have them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference
from whyscan.trust import thresholds
from whyscan.trust.answer import Finding
from whyscan.trust.judging import testable


def percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{fixed(100 * value, digits)} %"


def between(low: float | None, high: float | None, *, scale: float = 1, digits: int = 2, unit: str = "") -> str:
    """`[0.21, 0.35]`, or nothing where there is no interval."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "(no interval)"
    return f"[{fixed(scale * low, digits)}, {fixed(scale * high, digits)}]{unit}"


def points(found: Difference, p: float | None = None) -> str:
    """`+9.0 points [+6.0, +12.0], p < 0.001`: a difference of shares; with `p` the p-value after Holm's correction."""
    return _difference(found, p, 1, 100, " points")


def plainly(found: Difference, digits: int = 2, p: float | None = None) -> str:
    """`+0.09 [+0.06, +0.12], p < 0.001`; with `p` the p-value after Holm's correction."""
    return _difference(found, p, digits, 1, "")


def difference(found: Difference, p: float | None = None, *, share: bool) -> str:
    """One or the other."""
    return points(found, p) if share else plainly(found, p=p)


def size(found: Difference, *, share: bool) -> str:
    """`+9.0 points [+6.0, +12.0]`: without its test."""
    return _size(found, *((1, 100, " points") if share else (2, 1, "")))


def _difference(found: Difference, p: float | None, digits: int, scale: float, unit: str) -> str:
    text = _size(found, digits, scale, unit)
    if math.isfinite(found.value) and math.isfinite(found.low):
        text += f", {p_text(found.p)}" if p is None else f", {p_text(p)} after Holm's correction"
    return text


def _size(found: Difference, digits: int, scale: float, unit: str) -> str:
    if not math.isfinite(found.value):
        return "not measured"
    text = f"{fixed(scale * found.value, digits, sign=True)}{unit}"
    if math.isfinite(found.low):
        ends = (fixed(scale * end, digits, sign=True) for end in (found.low, found.high))
        text += f" [{', '.join(ends)}]"
    return text


def figure(line: Finding, digits: int = 0) -> str:
    """`54 % [49, 58]`, `+0.5 points [+0.2, +0.7]` or `0.84 [0.78, 0.90]`: a finding with its interval.

    Args:
        digits: of a share that is no difference.
    """
    if line.value is None:
        return "not measured"
    scale, digits, unit = (1, 2, "") if not line.share else (100, 1, " points") if line.signed else (100, digits, " %")
    text = f"{fixed(scale * line.value, digits, sign=line.signed)}{unit}"
    if line.low is None or line.high is None:
        return text
    ends = (fixed(scale * end, digits, sign=line.signed) for end in (line.low, line.high))
    return f"{text} [{', '.join(ends)}]"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def groups(n: int) -> str:
    return f"{n} independent {'group' if n == 1 else 'groups'} of scans"


def sides(found: Difference) -> str:
    """`37 and 113 groups`: how many of each of two kinds."""
    return "" if found.other is None else f"{found.n} and {found.other} groups"


def enough(found: Difference) -> str:
    """Why it is too few to tell, in words."""
    least = f"{thresholds.FEWEST.value:.0f}"
    if not testable(found):
        if found.other is None:
            return f"{groups(found.n)}; a test needs {least}"
        return f"{found.n} and {found.other} independent groups of scans; a test needs {least} of each kind"
    kinds = found.n if found.other is None else found.n + found.other
    return (
        f"on {groups(kinds)} it could be chance, and a difference of medium size (half of the usual spread from "
        "scan to scan) or more could be there"
    )
