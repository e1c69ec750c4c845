"""Rules: the simplest classifiers there are, of one feature each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

BINS = 8
CUTS = 64

Values = Sequence[object] | Float64[np.ndarray, " n"]
Rule = Callable[[Values], Int64[np.ndarray, " n"]]


@dataclass(frozen=True, eq=False)
class Question:
    """What a rule has to answer: `answers[truth[i]]` is right for scan i."""

    name: str
    answers: tuple[str, ...]
    truth: Int64[np.ndarray, " n"]


def learn(values: Values, question: Question, rows: Bool[np.ndarray, " n"], name: str) -> tuple[str, Rule]:
    """The rule in words and as a function: of a single value or threshold for two answers, else a small table."""
    truth = question.truth[rows]
    k = len(question.answers)
    if isinstance(values, np.ndarray):
        cuts = _cuts(values[rows], CUTS if k == 2 else BINS)
        coded = _binned(cuts)
        counts = _counts(coded(values)[rows], truth, len(cuts) + 2, k)
        return _threshold(name, cuts, counts, question) if k == 2 else _majorities(name, cuts, counts, coded)
    common = _common([each for each, row in zip(values, rows, strict=True) if row])
    coded = _coded(common)
    counts = _counts(coded(values)[rows], truth, len(common) + 1, k)
    return _single(common, counts, question) if k == 2 else _majorities(name, common, counts, coded)


def _counts(coded: np.ndarray, truth: np.ndarray, size: int, k: int) -> Int64[np.ndarray, "v k"]:
    counts = np.zeros((size, k), np.int64)
    np.add.at(counts, (coded, truth), 1)
    return counts


def _common(values: Sequence[object]) -> list[object]:
    """Values that are frequent enough to learn from: 1 % of the scans, and 10 of them."""
    found, counts = np.unique(np.array(values, object).astype(str), return_counts=True)
    enough = counts >= max(10, 0.01 * len(values))
    return [str(each) for each in found[enough][np.argsort(-counts[enough], kind="stable")]]


def _coded(common: Sequence[object]) -> Rule:
    """Each value's number in `common`; the last number for all others."""
    numbers = {value: number for number, value in enumerate(common)}
    return lambda values: np.array([numbers.get(value, len(common)) for value in values], np.int64)


def _cuts(values: Float64[np.ndarray, " n"], pieces: int) -> Float64[np.ndarray, " c"]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.empty(0)
    return np.unique(np.quantile(known, np.arange(1, pieces) / pieces))


def _binned(cuts: Float64[np.ndarray, " c"]) -> Rule:
    """The number of the bin: bin i holds cuts[i-1] < value <= cuts[i]; unknown values have the last number."""

    def code(values: Values) -> Int64[np.ndarray, " n"]:
        numbers = np.asarray(values, np.float64)
        return np.where(np.isnan(numbers), len(cuts) + 1, np.searchsorted(cuts, numbers, side="left")).astype(np.int64)

    return code


def _single(common: Sequence[object], counts: Int64[np.ndarray, "v 2"], question: Question) -> tuple[str, Rule]:
    """One value means one answer and everything else the other, whichever is right most often."""
    total = counts.sum(axis=0)
    right = [
        counts[v, answer] + total[1 - answer] - counts[v, 1 - answer] for v in range(len(common)) for answer in (0, 1)
    ]
    if not right or max(right) <= total.max():
        return _constant(question, total)
    value, answer = divmod(int(np.argmax(right)), 2)
    chosen = common[value]
    return (
        f"{chosen} means {question.answers[answer]}",
        lambda values: np.array([answer if each == chosen else 1 - answer for each in values], np.int64),
    )


def _threshold(
    name: str, cuts: Float64[np.ndarray, " c"], counts: Int64[np.ndarray, "v 2"], question: Question
) -> tuple[str, Rule]:
    """Above a cut means one answer, below it and unknown the other."""
    if not len(cuts):
        return _constant(question, counts.sum(axis=0))
    above = counts[: len(cuts) + 1][::-1].cumsum(axis=0)[::-1][1:]
    total = counts.sum(axis=0)
    right = np.stack([above[:, answer] + total[1 - answer] - above[:, 1 - answer] for answer in (0, 1)], axis=1)
    if right.max() <= total.max():
        return _constant(question, total)
    at, answer = divmod(int(np.argmax(right)), 2)
    cut = float(cuts[at])
    return (
        f"{name} above {cut:.3g} means {question.answers[answer]}",
        lambda values: np.where(np.asarray(values, np.float64) > cut, answer, 1 - answer).astype(np.int64),
    )


def _majorities(
    name: str, values: Sequence[object] | np.ndarray, counts: Int64[np.ndarray, "v k"], coded: Rule
) -> tuple[str, Rule]:
    """Each value or bin means the answer that is most frequent there; empty ones the most frequent of all."""
    answers = np.where(counts.any(axis=1), counts.argmax(axis=1), counts.sum(axis=0).argmax())
    kind = f"in each of {len(values) + 1} ranges of {name}" if isinstance(values, np.ndarray) else f"of each {name}"
    return f"the most frequent class {kind}", lambda given: np.asarray(answers[coded(given)], np.int64)


def _constant(question: Question, total: Int64[np.ndarray, " k"]) -> tuple[str, Rule]:
    answer = int(total.argmax())
    return f"always {question.answers[answer]}", lambda values: np.full(len(values), answer, np.int64)
