"""Every estimator at every number of evaluations on one scan, each laid beside its own estimand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from error_peers import PEERS, Peer
from error_reference import BUDGETS, SCORES, Judged, Truth
from scipy.stats import rankdata

from whyscan.explain.games.estimate import Estimator, Fitted, Linear, drawn, estimate
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.owen import owen_values
from whyscan.explain.games.shap import SHAP

SEEDS = (0, 1)
TOP = 5
METHODS: dict[str, Linear] = {"lime": LIME(), "shap": SHAP()}
OURS: dict[str, tuple[Estimator, tuple[tuple[str, ...], ...]]] = {
    "whyscan": ("quadrature", (("lime", "shap"),)),  # LIME and SHAP share their evaluations
    "whyscan regression": ("regression", (("lime", "shap"),)),
    "whyscan, alone": ("quadrature", (("lime",), ("shap",))),
}

Row = dict[str, Any]


def measure_peers(scan: Judged, truths: Mapping[str, Truth]) -> list[Row]:
    """A row for each package's estimator, number of evaluations, seed and class; on probabilities."""
    return [row for name, peer in PEERS.items() for row in _peer(name, peer, scan, truths["probability"])]


def measure_ours(scan: Judged, truths: Mapping[str, Truth]) -> list[Row]:
    """The same for whyscan, on both scores."""
    rows: list[Row] = []
    for score in SCORES:
        rows += _ours(scan, truths[score], score)
        rows += _owen(scan, truths[score], score)
    return rows


def beside(found: np.ndarray, true: np.ndarray) -> Row:
    """How far one class's weights (s,) are from what they estimate."""
    top, true_top = (set(np.argsort(-np.abs(each), kind="stable")[:TOP]) for each in (found, true))
    return {
        "error": _sound(np.sqrt(np.mean((found - true) ** 2) / np.mean(true**2))),
        "spearman": _sound(np.corrcoef(rankdata(found), rankdata(true))[0, 1]),
        "top5": len(top & true_top) / TOP,
    }


def _peer(name: str, peer: Peer, scan: Judged, truth: Truth) -> Iterator[Row]:
    judge = partial(scan.scores, score="probability")
    for n in BUDGETS:
        true = truth[peer.estimand.format(n=n)]
        for seed in SEEDS if peer.random else SEEDS[:1]:
            about = {"score": "probability", "family": peer.family, "estimator": name, "n": n, "seed": seed}
            try:
                found = peer.run(judge, scan.tree, n, seed)
            except Exception as error:  # what a peer cannot do is a finding
                yield {**about, "failed": f"{type(error).__name__}: {error}"}
                continue
            for target, (mine, its) in enumerate(zip(found, true, strict=True)):
                row = {**about, "class": target, **beside(mine, its)}
                if peer.family == "lime":
                    row["error_of_default"] = beside(mine, truth["lime"][target])["error"]
                yield row


def _ours(scan: Judged, truth: Truth, score: str) -> Iterator[Row]:
    scored, link = partial(scan.scores, score=score), scan.link(score)
    for name, (estimator, groups) in OURS.items():
        for group, n, seed in product(groups, BUDGETS, SEEDS):
            methods = {family: METHODS[family] for family in group}
            plan = drawn(methods, scan.players, n, seed, estimator)
            scored(plan.coalitions)  # judged before the clock starts
            start = time.process_time()
            found = estimate(methods, plan, scored, estimator, link)
            seconds = time.process_time() - start
            for family, fitted in found.items():
                about = {"score": score, "family": family, "estimator": name, "n": n, "seed": seed}
                for row in _rows(fitted, truth[family]):
                    yield {**about, **row, "seconds": seconds}


def _owen(scan: Judged, truth: Truth, score: str) -> Iterator[Row]:
    scored, link = partial(scan.scores, score=score), scan.link(score)
    for n in BUDGETS:
        for seed in SEEDS:
            found = owen_values(scored, scan.tree, n, seed, link=link)
            about = {"score": score, "family": "owen", "estimator": "whyscan", "n": n, "seed": seed}
            for row in _rows(Fitted(found.values, found.intervals), truth["owen"]):
                yield {**about, **row, "exact": found.complete}


def _rows(fitted: Fitted, true: np.ndarray) -> Iterator[Row]:
    for target, (weights, its) in enumerate(zip(fitted.weights, true, strict=True)):
        row = {"class": target, **beside(weights, its)}
        if fitted.intervals is not None:
            low, high = fitted.intervals[target].T
            slack = 1e-5 * np.abs(its).max()  # exact values differ by the rounding of float32 scores
            row["cover"] = float(((low - slack <= its) & (its <= high + slack)).mean())
        yield row


def _sound(value: float) -> float | None:
    """JSON has no NaN: ranks of weights that are all alike have no correlation."""
    return float(value) if np.isfinite(value) else None
