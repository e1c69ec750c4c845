"""Answer: what one question gets from the table: a word, a sentence with its numbers, the evidence and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from whyscan.stats.differences import Difference
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


def number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def judge(found: Difference, p: float | None = None) -> Literal["more", "less", "none", "too few"]:
    """What may be said of a difference; `p` is its p-value after correction, where there is one."""
    fewest = min(found.n, found.n if found.other is None else found.other)
    if fewest < thresholds.FEWEST.value or not math.isfinite(found.low):
        return "too few"
    if (found.p if p is None else p) < thresholds.LEVEL.value and not found.low <= 0 <= found.high:
        return "more" if found.value > 0 else "less"
    return "too few" if found.smallest > thresholds.DETECTABLE.value else "none"


def percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def between(low: float | None, high: float | None, *, scale: float = 1, digits: int = 2, unit: str = "") -> str:
    """`[0.21, 0.35]`, or nothing where there is no interval."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "(no interval)"
    return minus(f"[{scale * low:.{digits}f}, {scale * high:.{digits}f}]{unit}")


def points(found: Difference) -> str:
    """`+9 points [+6, +12], p < 0.001`: a difference of shares."""
    if not math.isfinite(found.value):
        return "not measured"
    text = f"{100 * found.value:+.1f} points"
    if math.isfinite(found.low):
        text += f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}], {p_text(found.p)}"
    return minus(text)


def plainly(found: Difference, digits: int = 2) -> str:
    """`+0.09 [+0.06, +0.12], p < 0.001`."""
    if not math.isfinite(found.value):
        return "not measured"
    text = f"{found.value:+.{digits}f}"
    if math.isfinite(found.low):
        text += f" [{found.low:+.{digits}f}, {found.high:+.{digits}f}], {p_text(found.p)}"
    return minus(text)


def p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def minus(text: str) -> str:
    """A hyphen before a digit as a minus sign."""
    return "".join("−" if c == "-" and text[i + 1 : i + 2].isdigit() else c for i, c in enumerate(text))


def enough(found: Difference) -> str:
    """Why it is too few to tell, in words."""
    fewest = min(found.n, found.n if found.other is None else found.other)
    if fewest < thresholds.FEWEST.value:
        least = f"{thresholds.FEWEST.value:.0f}"
        return f"{fewest} independent {'group' if fewest == 1 else 'groups'} of scans; a test needs {least}"
    return (
        f"so many scans would show a standardised effect of {found.smallest:.2f} or more, and a medium one is "
        f"{thresholds.DETECTABLE.value:.1f}"
    )


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
    """A chart of dots with intervals; each entry has label, value, low, high and perhaps a series and a chance.

    Args:
        reference, reference_name: where a line is drawn, and what it is.
        percent: whether the values are shares, to be put in per cent.
    """
    return {"kind": "dots", "title": title, "unit": unit, "entries": list(entries), "reference": reference,
            "reference_name": reference_name, "percent": percent, "note": note}  # fmt: skip


def dot(
    label: str, value: float, low: float, high: float, series: str = "", chance: float | None = None
) -> dict[str, Any]:
    return {"label": label, "value": value, "low": low, "high": high, "series": series, "chance": chance}
