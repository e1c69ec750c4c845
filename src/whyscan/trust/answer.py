"""Answer: what one question gets from the table: a word, a sentence with its numbers, the evidence and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference, mean_interval
from whyscan.stats.tests import holm
from whyscan.trust import thresholds

Word = Literal["yes", "no", "too few to tell", "not measured"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence.

    Attributes:
        name: what was measured.
        value, low, high: the figure and its 95 % interval.
        n: groups (patients or duplicate groups) that it rests on.
        share: whether it is put in per cent.
        signed: whether it is a difference.
        p, corrected, correction: the p-value, and after which correction.
        effect, measure: effect size, and which.
        smallest: the standardised effect that would have shown.
        chance: what would come of chance alone.
        reason: why it was not measured, or what to beware of.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    share: bool = False
    signed: bool = False
    p: float | None = None
    corrected: float | None = None
    correction: str = ""
    effect: float | None = None
    measure: str = ""
    smallest: float | None = None
    chance: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.p is not None and (self.low is None or self.high is None):
            raise ValueError(f"{self.name}: a p-value without an interval")


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's answer.

    Attributes:
        number, question: which.
        verdict: the word.
        sentence: the answer in plain words, with numbers and intervals; a line for each model.
        short: the answer without its numbers, for whoever reads no further.
        evidence: what it rests on, and what else was found.
        parts: words for the parts of the question, where it has several.
        notes: what to beware of.
        figure: data of a chart: see `whyscan.render.charts`.
        more: further charts, each with a title of its own.
        badges: where the question asks for two things at once, a word for each: shown instead of the verdict.
    """

    number: int
    question: str
    verdict: Word
    sentence: str
    evidence: tuple[Finding, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    figure: Mapping[str, Any] | None = field(default=None)
    more: tuple[Mapping[str, Any], ...] = ()
    short: str = ""
    badges: tuple[tuple[str, Word], ...] = ()

    def row(self) -> dict[str, Any]:
        """For a JSON document: what is not a number is None."""
        return dict(plain(asdict(self)))


def plain(value: Any) -> Any:
    """Tuples as lists, numpy's numbers as Python's, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def finding(name: str, found: Difference, *, share: bool = False, reason: str = "") -> Finding:
    """A difference as evidence; without an interval it loses its p-value too."""
    known = math.isfinite(found.low) and math.isfinite(found.high)
    n = found.n if found.other is None else found.n + found.other
    return Finding(
        name,
        number(found.value),
        number(found.low),
        number(found.high),
        n,
        share=share,
        signed=True,
        p=number(found.p) if known else None,
        effect=number(found.effect),
        measure=found.measure,
        smallest=number(found.smallest),
        reason=reason,
    )


def mean(
    name: str,
    values: Float64[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    within: tuple[float, float],
    share: bool = False,
    chance: float | None = None,
) -> Finding:
    """A mean over scans as evidence, with its interval by group.

    Args:
        within: what such a value can be at all.
    """
    low, high = mean_interval(values, groups, rng=np.random.default_rng(0), within=within)
    ends = number(low), number(high)
    return Finding(name, float(values.mean()), *ends, len(set(groups)), share=share, chance=chance)


def number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def correct(p: Sequence[float]) -> list[float]:
    """Holm's correction over a family of tests; one that could not be made counts, and proves nothing."""
    return [float(each) for each in holm([each if math.isfinite(each) else 1.0 for each in p])]


def corrected(lines: Sequence[Finding]) -> list[Finding]:
    """Evidence with Holm's correction over those lines that have a p-value."""
    tested = [line for line in lines if line.p is not None]
    p = {id(line): q for line, q in zip(tested, correct([float(line.p or 0) for line in tested]), strict=True)}
    return [replace(line, corrected=p[id(line)], correction="Holm") if id(line) in p else line for line in lines]


Judged = Literal["more", "less", "none", "too few"]


YES: Mapping[Judged, Word] = {"more": "yes", "less": "no", "none": "no", "too few": "too few to tell"}
"""A question whether there is more of something, answered."""


def judge(found: Difference, p: float | None = None) -> Judged:
    """What may be said of a difference; `p` is its p-value after correction, where there is one.

    "none" needs the whole interval to be smaller than a medium effect, whatever the power of the test: a correction
    for many tests makes differences harder to find, and must not make "none" easier to say.
    """
    if fewest(found) < thresholds.FEWEST.value:
        return "too few"
    if (found.p if p is None else p) < thresholds.LEVEL.value and (found.low > 0 or found.high < 0):
        return "more" if found.value > 0 else "less"
    low, high = in_spreads(found)  # NaN without an interval, and then nothing can be told
    medium = thresholds.DETECTABLE.value
    return "none" if -medium < low and high < medium else "too few"


def fewest(found: Difference) -> int:
    """Groups that a difference rests on; of two kinds those of the rarer one."""
    return found.n if found.other is None else min(found.n, found.other)


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
    return fewest(found) >= thresholds.FEWEST.value and in_spreads(found)[1] < thresholds.DETECTABLE.value


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


def _difference(found: Difference, p: float | None, digits: int, scale: float, unit: str) -> str:
    if not math.isfinite(found.value):
        return "not measured"
    text = f"{fixed(scale * found.value, digits, sign=True)}{unit}"
    if math.isfinite(found.low):
        ends = (fixed(scale * end, digits, sign=True) for end in (found.low, found.high))
        tested = p_text(found.p) if p is None else f"{p_text(p)} after Holm's correction"
        text += f" [{', '.join(ends)}], {tested}"
    return text


def p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def groups(n: int) -> str:
    return f"{n} independent {'group' if n == 1 else 'groups'} of scans"


def enough(found: Difference) -> str:
    """Why it is too few to tell, in words."""
    least = f"{thresholds.FEWEST.value:.0f}"
    if fewest(found) < thresholds.FEWEST.value:
        if found.other is None:
            return f"{groups(found.n)}; a test needs {least}"
        return f"{found.n} and {found.other} independent groups of scans; a test needs {least} of each kind"
    kinds = found.n if found.other is None else found.n + found.other
    return (
        f"on {groups(kinds)} it could be chance, and a difference of medium size (half of the usual spread from "
        "scan to scan) or more could be there"
    )


HOLLOW = "Filled: surely a difference. Hollow: it could be chance, or there are too few scans to tell."


def dots(
    title: str,
    unit: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    reference: float | None = 0.0,
    reference_name: str = "",
    percent: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """A chart of dots with intervals; each entry has label, value, low, high and perhaps a series, a chance and
    whether it is sure: one that is not is drawn hollow and pale.

    Args:
        reference, reference_name: where a line is drawn, and what it is.
        percent: whether the values are shares, to be put in per cent.
    """
    return {"kind": "dots", "title": title, "unit": unit, "entries": list(entries), "reference": reference,
            "reference_name": reference_name, "percent": percent, "note": note}  # fmt: skip


def dot(
    label: str,
    value: float,
    low: float,
    high: float,
    series: str = "",
    chance: float | None = None,
    sure: bool | None = None,
) -> dict[str, Any]:
    return {
        "label": label, "value": value, "low": low, "high": high, "series": series, "chance": chance, "sure": sure,
    }  # fmt: skip
