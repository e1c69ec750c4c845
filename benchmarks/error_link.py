"""What learning logits and going through the softmax gains over learning probabilities. Prints two tables.

    python benchmarks/error_link.py --model RUN/models/NAME --data DATA --splits RUN/splits.csv --out OUT

The same scans, seeds, classes and coalitions with and without; and how many evaluations either needs for the error of
lime and of shap's KernelExplainer at 1,000. What was judged for the reference is kept under OUT; a scan's rows too, so
that the same line goes on after a kill.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from error_measure import METHODS, beside
from error_peers import PEERS
from error_reference import Judged, truth
from error_scans import measured, ratio
from error_stats import Curve, median, needed, resampled
from markdown_table import markdown

from whyscan.explain.games.estimate import drawn, estimate
from whyscan.records import files

BUDGETS = (50, 100, 200, 500, 1000)
SEEDS = (0, 1)
SCORE = "probability"
GROUPS = (("lime",), ("shap",), ("lime", "shap"))
THEIRS, BESIDE = {"lime": "lime", "shap": "shap Kernel"}, 1000
LINKED = {True: "through the softmax", False: "probabilities themselves"}

Row = dict[str, Any]
Where = tuple[str, str]
"""Of which method, and from whose evaluations: "lime", "shap" or "lime, shap"."""


def main() -> None:
    found = measured(__doc__, _kept)
    sys.stdout.write(f"{gains(found)}\n\n{needs(found)}\n")


def _kept(stem: Path, game: Callable[[], Judged]) -> list[Row]:
    """A scan's rows: read, or measured and written."""
    done = stem.parent / "link" / f"{stem.name}.json"
    if not done.exists():
        files.write_json(done, list(rows(game())))
    found: list[Row] = files.read_json(done)
    return found


def rows(scan: Judged) -> Iterator[Row]:
    """One for each method, group, number of evaluations, seed, class and way."""
    true, scored, link = truth(scan, SCORE), partial(scan.scores, score=SCORE), scan.link(SCORE)
    for group, n, seed in product(GROUPS, BUDGETS, SEEDS):
        methods = {name: METHODS[name] for name in group}
        plan = drawn(methods, scan.players, n, seed, "quadrature")
        for linked in LINKED:
            for name, fitted in estimate(methods, plan, scored, "quadrature", link if linked else None).items():
                about = {"method": name, "from": ", ".join(group), "n": n, "linked": linked}
                assert fitted.intervals is not None
                for weights, its, interval in zip(fitted.weights, true[name], fitted.intervals, strict=True):
                    held = float(((interval[:, 0] <= its) & (its <= interval[:, 1])).mean())
                    yield {**about, "error": beside(weights, its)["error"], "cover": held}
    for name, peer in THEIRS.items():
        for seed in SEEDS:
            weights = PEERS[peer].run(scored, scan.tree, BESIDE, seed)
            for mine, its in zip(weights, true[PEERS[peer].estimand.format(n=BESIDE)], strict=True):
                yield {"method": name, "from": peer, "n": BESIDE, "error": beside(mine, its)["error"]}


def gains(scans: Sequence[Sequence[Row]]) -> str:
    """The ratio of errors, with over without, and the coverage of both."""
    lines = []
    for name, origin in _places():
        cells = [[_errors(scan, name, origin, n, linked) for scan in scans for linked in LINKED] for n in BUDGETS]
        ratios = [ratio(each[::2], each[1::2]) for each in cells]
        lines.append((name, origin, "error, with / without", *ratios))
        for linked, called in LINKED.items():
            covers = [_cover(scans, name, origin, n, linked) for n in BUDGETS]
            lines.append((name, origin, f"coverage, {called}", *(f"{100 * each:.1f} %" for each in covers)))
    return markdown(("values", "evaluations for", "", *(f"{n:,}" for n in BUDGETS)), lines)


def needs(scans: Sequence[Sequence[Row]]) -> str:
    """How many evaluations it takes for the median error of a package at 1,000."""
    lines = []
    for name, origin in _places():
        theirs = [_errors(scan, name, THEIRS[name], BESIDE, None) for scan in scans]
        asked = median(theirs)
        cells = []
        for linked in LINKED:
            ours: Curve = {n: [_errors(scan, name, origin, n, linked) for scan in scans] for n in BUDGETS}
            low, high = np.quantile(resampled(ours, theirs), [0.025, 0.975])
            cells.append(f"{needed(ours, asked)[0]:.0f} [{low:.0f}, {high:.0f}]")
        lines.append((name, origin, THEIRS[name], f"{asked:.3f}", *cells))
    return markdown(("values", "evaluations for", "beside, at 1,000", "its error", *LINKED.values()), lines)


def _places() -> list[Where]:
    return [(name, ", ".join(group)) for group in GROUPS for name in group]


def _chosen(scan: Sequence[Row], name: str, origin: str, n: int, linked: bool | None) -> list[Row]:
    asked = (name, origin, n, linked)
    return [row for row in scan if (row["method"], row["from"], row["n"], row.get("linked")) == asked]


def _errors(scan: Sequence[Row], name: str, origin: str, n: int, linked: bool | None) -> np.ndarray:
    return np.array([row["error"] for row in _chosen(scan, name, origin, n, linked)])


def _cover(scans: Sequence[Sequence[Row]], name: str, origin: str, n: int, linked: bool) -> float:
    return float(np.mean([row["cover"] for scan in scans for row in _chosen(scan, name, origin, n, linked)]))


if __name__ == "__main__":
    main()
