"""Answer: what one question gets from the table: a word, a sentence with its numbers, the evidence and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from whyscan.stats.differences import Difference, mean_interval

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
        methods: whose maps it rests on.
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
    methods: tuple[str, ...] = ()

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
