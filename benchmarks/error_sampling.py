"""Which sizes of coalitions to draw for Shapley values: the kernel's, fair coins', leverage scores'. Prints a table.

    python benchmarks/error_sampling.py --model RUN/models/NAME --data DATA --splits RUN/splits.csv --out OUT

Each way beside what it could replace, on the same scans, seeds and classes: the ratio of errors, its geometric mean
over scans with a 95 % t interval. The reference's evaluations are kept under OUT, and shared with `error.py --out OUT`
where `--samples` is the same.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from functools import partial

import numpy as np
from error_measure import beside
from error_reference import Judged, truth
from error_scans import measured, ratio
from markdown_table import markdown

from whyscan.explain.games.estimate import Estimator, estimate
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.sampling import Sizes, draw, log_binomial
from whyscan.explain.games.shap import SHAP

BUDGETS = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2)
KERNEL, LEVERAGE, MIXED = "the kernel's", "leverage", "leverage, fair coins"
USED, SHARED, SHARED_LEVERAGE = "the kernel's, fair coins", "LIME's, the kernel's", "LIME's, leverage"
WAYS: dict[Estimator, tuple[str, ...]] = {
    "regression": (KERNEL, LEVERAGE, MIXED),
    "quadrature": (USED, LEVERAGE, MIXED, SHARED, SHARED_LEVERAGE),
}
PAIRS: tuple[tuple[Estimator, str, str], ...] = (
    ("regression", LEVERAGE, KERNEL),
    ("regression", MIXED, LEVERAGE),
    ("quadrature", LEVERAGE, USED),
    ("quadrature", MIXED, USED),
    ("quadrature", SHARED_LEVERAGE, SHARED),
)

Key = tuple[Estimator, str, int]
Errors = Mapping[Key, np.ndarray]
"""By estimator, way of drawing and evaluations: of every seed and class of one scan."""


def main() -> None:
    found = measured(__doc__, lambda _, game: errors(game()))
    sys.stdout.write(tables(found) + "\n")


def sizes(players: int) -> dict[str, list[Sizes]]:
    """What each way draws from, in equal parts."""
    fair = np.exp(log_binomial(players) - players * np.log(2))
    lime, kernel, leverage = LIME().sizes(players), SHAP().sizes(players), SHAP().leverage(players)
    return {
        KERNEL: [kernel], LEVERAGE: [leverage], MIXED: [leverage, fair], USED: [kernel, fair],
        SHARED: [lime, kernel], SHARED_LEVERAGE: [lime, leverage],
    }  # fmt: skip


def errors(scan: Judged) -> Errors:
    true, scored = truth(scan, "probability")["shap"], partial(scan.scores, score="probability")
    found = defaultdict(list)
    for estimator, ways in WAYS.items():
        for way in ways:
            for n in BUDGETS:
                for seed in SEEDS:
                    plan = draw(scan.players, sizes(scan.players)[way], n, seed)
                    weights = estimate({"shap": SHAP()}, plan, scored, estimator)["shap"].weights
                    found[estimator, way, n] += [beside(*each)["error"] for each in zip(weights, true, strict=True)]
    return {key: np.array(each) for key, each in found.items()}


def tables(scans: list[Errors]) -> str:
    """The median error of every way, and the ratios of those that were to be told apart."""
    head = ("estimator", "sizes drawn", *(f"{n:,}" for n in BUDGETS))
    medians = [
        (estimator, way, *(f"{np.median([scan[estimator, way, n] for scan in scans]):.3f}" for n in BUDGETS))
        for estimator, ways in WAYS.items()
        for way in ways
    ]
    ratios = [
        (estimator, f"{one} / {other}", *(_beside(scans, (estimator, one, n), (estimator, other, n)) for n in BUDGETS))
        for estimator, one, other in PAIRS
    ]
    return f"{markdown(head, medians)}\n\n{markdown(head, ratios)}"


def _beside(scans: list[Errors], one: Key, other: Key) -> str:
    return ratio([scan[one] for scan in scans], [scan[other] for scan in scans])


if __name__ == "__main__":
    main()
