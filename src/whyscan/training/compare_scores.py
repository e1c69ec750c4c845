"""The figures of a comparison: every score of every model on one subset, and every pair of models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.records.evidence import Evidence
from whyscan.records.predictions import Predictions
from whyscan.stats import intervals, scores, tests
from whyscan.training import compare_text

SURE = 0.05
"""A p-value below this, corrected where the pair competes, is called a difference."""
HOLM = "Holm"
CHOSEN = "not corrected: chosen to differ"


def add_subset(
    document: dict[str, Any], models: Sequence[Predictions], subset: str, draws: int, rng: np.random.Generator
) -> None:
    """Score every model on one subset with the *same* bootstrap draws, so that differences are paired."""
    rows = models[0].subset(subset)
    labels = models[0].labels[rows]
    groups = _where(models[0].groups, rows)
    given = [model.probabilities[rows] for model in models]

    def judge(weights: np.ndarray) -> np.ndarray:
        return np.stack([_table(labels, each, weights) for each in given], axis=1)

    drawn = intervals.resample(judge, groups, draws=draws, rng=rng)
    for i, model in enumerate(models):
        document["confusion"][model.model][subset] = scores.confusion(labels, given[i]).tolist()
        curve = scores.reliability(labels, given[i])
        names = ("confidence", "accuracy", "count")
        document["reliability"][model.model][subset] = {k: v.tolist() for k, v in zip(names, curve, strict=True)}
        for (metric, of), evidence in _measure(model.classes, labels, given[i], groups, drawn[:, i]):
            row = {"model": model.model, "subset": subset, "metric": metric, "class": of}
            document["scores"].append({**row, **evidence.row()})
    right = [scores.hits(labels, each) for each in given]
    document["pairs"] += _pairs([model.model for model in models], subset, right, groups, drawn[:, :, 0])


def _table(labels: np.ndarray, given: np.ndarray, weights: np.ndarray | None) -> Float64[np.ndarray, "*d m"]:
    """Every score, in the order of `_columns`."""
    areas = scores.auroc(labels, given, weights)
    whole = (scores.accuracy, scores.log_loss, scores.macro_f1, scores.calibration_error)
    single = [*(score(labels, given, weights) for score in whole), areas.mean(axis=-1)]
    return np.concatenate([np.stack(single, axis=-1), scores.recall(labels, given, weights), areas], axis=-1)


def _columns(classes: Sequence[str]) -> list[tuple[str, str | None]]:
    whole = [(metric, None) for metric in ("accuracy", "loss", "macro_f1", "ece", "auroc")]
    return [*whole, *(("recall", name) for name in classes), *(("auroc", name) for name in classes)]


def _measure(
    classes: Sequence[str], labels: np.ndarray, given: np.ndarray, groups: Sequence[str], drawn: np.ndarray
) -> Iterator[tuple[tuple[str, str | None], Evidence]]:
    values = _table(labels, given, None)
    right = scores.hits(labels, given)
    held = [_count(groups, labels == c) for c in range(len(classes))]
    scans = {name: int(np.count_nonzero(labels == c)) for c, name in enumerate(classes)}
    everyone = np.ones(labels.size, bool)
    for column, (metric, of) in enumerate(_columns(classes)):
        rows = labels == classes.index(of) if metric == "recall" and of is not None else everyone
        n = _count(groups, rows)
        if reason := _too_few(metric, of, scans):
            yield (metric, of), Evidence.skipped(reason, n)
            continue
        rarest = min(held) if of is None else min(held[classes.index(of)], _count(groups, labels != classes.index(of)))
        low, high = _interval(metric, float(values[column]), drawn[:, column], right, groups, rows, rarest)
        yield (metric, of), Evidence(float(values[column]), _or_none(low), _or_none(high), n)


def _too_few(metric: str, of: str | None, scans: Mapping[str, int]) -> str:
    """Why a figure of one class, or a mean over all, is not measured here; "" where it is."""
    if metric not in ("recall", "auroc", "macro_f1"):
        return ""
    few = {name: n for name, n in scans.items() if n < scores.FEW and of in (None, name)}
    if few:
        return f"{' and '.join(f'only {n} {name}' if n else f'no {name}' for name, n in few.items())} in this subset"
    rest = sum(n for name, n in scans.items() if name != of)
    if metric != "auroc" or rest >= scores.FEW:
        return ""
    return f"only {of}, and {rest} of any other class, in this subset" if rest else f"only {of} in this subset"


def _interval(
    metric: str,
    value: float,
    drawn: np.ndarray,
    right: np.ndarray,
    groups: Sequence[str],
    rows: Bool[np.ndarray, " n"],
    rarest: int,
) -> intervals.Interval:
    if metric in ("accuracy", "recall"):
        return intervals.proportion(right[rows], _where(groups, rows), drawn)
    if metric in ("macro_f1", "auroc"):
        return intervals.uncertain(intervals.percentile(drawn), rarest)
    found = intervals.reflected(value, drawn) if metric == "ece" else intervals.percentile(drawn)
    # a single group, say, or probabilities of exactly 1 throughout
    return intervals.UNKNOWN if intervals.collapsed(found) else found


def _where(groups: Sequence[str], rows: np.ndarray) -> list[str]:
    return [group for group, here in zip(groups, rows, strict=True) if here]


def _count(groups: Sequence[str], rows: np.ndarray) -> int:
    return len(set(_where(groups, rows)))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _pairs(
    names: Sequence[str], subset: str, right: Sequence[np.ndarray], groups: Sequence[str], accuracies: np.ndarray
) -> list[dict[str, Any]]:
    """Every pair of models on one subset. Those that compete are one family for Holm's correction.

    A checkpoint that was kept because it is weak is surely worse: in the family it would only take from the others.
    """
    competing = set(compare_text.contest(names))
    grouped = len(set(groups)) < len(groups)
    pairs: list[dict[str, Any]] = []
    for i, j in combinations(range(len(names)), 2):
        difference = right[i] - right[j]
        low, high = intervals.paired_difference(difference, groups, accuracies[:, i] - accuracies[:, j])
        mcnemar = tests.mcnemar(right[i] > 0, right[j] > 0)
        pairs.append(
            {
                "a": names[i],
                "b": names[j],
                "subset": subset,
                "difference": float(difference.mean()),
                "low": low,
                "high": high,
                "n": len(set(groups)),
                "p": tests.sign_flip(difference.astype(np.int64), groups) if grouped else mcnemar,
                "p_mcnemar": mcnemar,
                "test": "permutation by group" if grouped else "McNemar",
                "correction": HOLM if {names[i], names[j]} <= competing else CHOSEN,
            }
        )
    family = [pair["p"] for pair in pairs if pair["correction"] == HOLM]
    corrected = iter(tests.holm(family).tolist())
    found = [next(corrected) if pair["correction"] == HOLM else None for pair in pairs]
    return [
        {**pair, "p_holm": p, "verdict": _verdict(pair["difference"], pair["p"] if p is None else p)}
        for pair, p in zip(pairs, found, strict=True)
    ]


def _verdict(difference: float, p: float) -> str:
    if p >= SURE:
        return "could be chance"
    return "a is better" if difference > 0 else "b is better"
