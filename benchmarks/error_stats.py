"""What was measured, and its medians over scans and classes with intervals over scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from error_reference import BUDGETS

from whyscan.records import files

OF_DEFAULT = ", against the weights at 1,000"
"""lime's penalty does not grow with its samples, so each number of samples has an estimand of its own."""

_BOOTSTRAP = 1000

Scan = Mapping[str, Any]
Curve = dict[int, list[np.ndarray]]
"""By number of evaluations: for each scan the errors of all its classes and seeds."""


def load(out: Path) -> dict[str, list[Scan]]:
    """By model, the scans that are done."""
    found = {}
    for folder in sorted(folder for folder in out.iterdir() if any(folder.glob("*.ours.json"))):
        stems = [file.name.split(".")[0] for file in sorted(folder.glob("*.ours.json"))]
        both = [stem for stem in stems if (folder / f"{stem}.peers.json").exists()]
        found[folder.name] = [_scan(folder, stem) for stem in both]
    return found


def _scan(folder: Path, stem: str) -> Scan:
    ours, peers = (files.read_json(folder / f"{stem}.{stage}.json") for stage in ("ours", "peers"))
    fixed = [
        {
            **row,
            "estimator": row["estimator"] + OF_DEFAULT,
            "error": row["error_of_default"],
            "spearman": None,
            "top5": None,
        }
        for row in peers["rows"]
        if row["estimator"] == "lime" and "error_of_default" in row
    ]
    return {**ours, "rows": [*ours["rows"], *peers["rows"], *fixed]}


def rows(model: str, scans: Sequence[Scan]) -> Iterator[dict[str, Any]]:
    """The table behind the figure."""
    kinds = dict.fromkeys((row["score"], row["family"], row["estimator"]) for row in scans[0]["rows"])
    for score, family, estimator in kinds:
        for n in BUDGETS:
            found = [_cells(scan, score, family, estimator, n) for scan in scans]
            good = [[row for row in each if "failed" not in row] for each in found]
            about = {"model": model, "score": score, "family": family, "estimator": estimator, "evaluations": n}
            failed = sum("failed" in row for each in found for row in each)
            cells = [np.array([row["error"] for row in each]) for each in good if each]
            low, high = _interval(cells)
            yield {
                **about,
                "error": _round(median(cells)),
                "error_low": _round(low),
                "error_high": _round(high),
                "spearman": _mean(good, "spearman"),
                "top5": _mean(good, "top5"),
                "coverage": _mean(good, "cover"),
                "fit_seconds": _mean(good, "seconds"),
                "scans": len(cells),
                "failed": failed,
            }


def _cells(scan: Scan, score: str, family: str, estimator: str, n: int) -> list[Mapping[str, Any]]:
    return [
        row
        for row in scan["rows"]
        if (row["score"], row["family"], row["estimator"], row["n"]) == (score, family, estimator, n)
    ]


def curve(scans: Sequence[Scan], family: str, estimator: str) -> Curve:
    """Errors on probabilities, the score that the peers are used with."""
    return {
        n: [
            np.array([row["error"] for row in _cells(scan, "probability", family, estimator, n) if "failed" not in row])
            for scan in scans
        ]
        for n in BUDGETS
    }


def needed(ours: Curve, error: float) -> tuple[float, int]:
    """Where the median curve comes down to an error; -1 or 1 beside it where that lies before or after the curve."""
    budgets = sorted(ours)
    medians = np.minimum.accumulate([median(ours[n]) for n in budgets])
    if medians[0] <= error:
        return float(budgets[0]), -1
    if medians[-1] > error:
        return float(budgets[-1]), 1
    tiny = 1e-9  # exact values have no logarithm
    x, y = np.log(budgets), np.log(medians + tiny)
    return float(np.exp(np.interp(-np.log(error + tiny), -y, x))), 0


def resampled(ours: Curve, theirs: Sequence[np.ndarray]) -> list[float]:
    """Evaluations needed, over bootstrap samples of the scans."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(_BOOTSTRAP // 2):
        drawn = random.integers(len(theirs), size=len(theirs))
        mine = {n: [cells[i] for i in drawn] for n, cells in ours.items()}
        found.append(needed(mine, median([theirs[i] for i in drawn]))[0])
    return found


def _interval(cells: Sequence[np.ndarray]) -> tuple[float, float]:
    if not cells:
        return float("nan"), float("nan")
    random = np.random.default_rng(0)
    medians = [median([cells[i] for i in random.integers(len(cells), size=len(cells))]) for _ in range(_BOOTSTRAP)]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def median(cells: Sequence[np.ndarray]) -> float:
    return float(np.median(np.concatenate(cells))) if cells else float("nan")


def _mean(scans: Sequence[Sequence[Mapping[str, Any]]], key: str) -> float | None:
    values = [row[key] for each in scans for row in each if row.get(key) is not None]
    return round(float(np.mean(values)), 4) if values else None


def _round(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None
