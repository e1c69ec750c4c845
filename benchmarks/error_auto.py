"""`samples="auto"` on one scan: when it stops, whether its intervals hold, and whether two seeds say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from error_measure import METHODS, SEEDS, TOP, beside
from error_reference import SCORES, Judged, Truth

from whyscan.explain.games.converge import TIE
from whyscan.explain.games.estimate import TOGETHER, Fitted, drawn, estimate_until_settled
from whyscan.explain.games.surrogate import AUTO

Row = dict[str, Any]


def measure_auto(scan: Judged, truths: Mapping[str, Truth]) -> list[Row]:
    """A row for each score and method; two seeds in each."""
    rows = []
    for score in SCORES:
        runs = [_run(scan, score, seed) for seed in SEEDS]
        for name in METHODS:
            first, second = (found[name] for found, _ in runs)
            rows.append(
                {
                    "score": score,
                    "method": name,
                    "evaluations": [used for _, used in runs],
                    # LIME and SHAP share their evaluations, so they stop together
                    "settled": [all(fitted.settled for fitted in found.values()) for found, _ in runs],
                    **_held([first, second], truths[score][name]),
                    **_alike(first, second),
                }
            )
    return rows


def _run(scan: Judged, score: str, seed: int) -> tuple[dict[str, Fitted], int]:
    """What was found and how many evaluations it took."""
    plan = drawn(METHODS, scan.players, AUTO, seed, "quadrature")
    used = 0

    def scored(coalitions: np.ndarray) -> np.ndarray:
        nonlocal used
        used = max(used, len(coalitions))
        return scan.scores(coalitions, score)

    return estimate_until_settled(METHODS, plan, scored, scan.link(score)), used


def _held(runs: list[Fitted], true: np.ndarray) -> Row:
    """Against the reference: coverage of the 95 % intervals, the error, and the signs that are said to be sure."""
    inside, errors, sure, right = [], [], 0, 0
    for fitted in runs:
        assert fitted.intervals is not None
        inside.append((fitted.intervals[..., 0] <= true) & (true <= fitted.intervals[..., 1]))
        errors += [beside(weights, its)["error"] for weights, its in zip(fitted.weights, true, strict=True)]
        excluded = _excludes_zero(fitted)
        sure += int(excluded.sum())
        right += int((np.sign(fitted.weights) == np.sign(true))[excluded].sum())
    return {
        "inside": int(np.sum(inside)), "intervals": int(np.size(inside)), "errors": errors,
        "sure_signs": sure, "right_signs": right,
    }  # fmt: skip


def _alike(first: Fitted, second: Fitted) -> Row:
    """Two seeds beside each other: overlap of the strongest superpixels, one number a class, and sure signs."""
    top: dict[str, list[float]] = {"top5": [], "top5_ties": [], "top5_near": []}
    for a, b in ((first, second), (second, first)):
        for target in range(len(a.weights)):
            for name, value in _overlap(a, b, target).items():
                top[name].append(value)
    both = [(_excludes_zero(each), np.sign(each.weights)) for each in (first, second)]
    # a sign that one seed is sure of must be the other's too, whether that one is sure or not
    said = sum(int(sure.sum()) for sure, _ in both)
    same = sum(int((both[0][1] == both[1][1])[sure].sum()) for sure, _ in both)
    return {**top, "said_signs": said, "same_signs": same}


def _overlap(a: Fitted, b: Fitted, target: int) -> Row:
    """The share of a's strongest that are among b's: strictly; or tied there within what b leaves open; or nearly."""
    assert b.intervals is not None
    strength, half = np.abs(b.weights[target]), np.ptp(b.intervals[target], axis=-1) / 2
    mine = np.argsort(-np.abs(a.weights[target]), kind="stable")[:TOP]
    order = np.argsort(-strength, kind="stable")[:TOP]
    last = order[-1]
    missing = strength[last] - strength[mine]
    strict = np.isin(mine, order)
    return {
        "top5": float(strict.mean()),
        "top5_ties": float((strict | (missing <= np.hypot(half[mine], half[last]))).mean()),
        "top5_near": float((strict | (missing <= TIE * strength.max())).mean()),
    }


def _excludes_zero(fitted: Fitted) -> np.ndarray:
    """(t, s): whether the interval that holds for all superpixels of a class together lies on one side of 0."""
    assert fitted.intervals is not None
    wider = np.array(fitted.measured[TOGETHER])[:, None]
    return np.abs(fitted.weights) > wider * np.ptp(fitted.intervals, axis=-1) / 2
