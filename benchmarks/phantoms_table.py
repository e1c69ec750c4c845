"""The tables of the phantom benchmark, from its rows: which methods find the reason, and which metrics can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markdown_table import markdown
from scipy.stats import spearmanr

from whyscan.stats.differences import Difference, mean_interval, paired
from whyscan.study.worlds import WORLDS
from whyscan.trust import names
from whyscan.trust.metrics import METRICS
from whyscan.trust.table import Row

TRUTH = "null: the truth"
FOUND = "relevance rank"
"""What decides whether a method finds the reason: of the K strongest pixels, K being the reason's size, the share
inside. It asks nothing of the values but their order, and its chance is the reason's share of the image.
"""
SURELY = 0.05
"""A method finds the reason where surely more than this share of it is held because it is the reason: one pixel in
twenty. Without such a limit a share that is printed as 0.00 can be "surely above 0".
"""
NOT_USED = ", not used"
"""Ends the name of a world whose scans were explained for a model that does not use its cue."""
LOCAL = tuple(world.name for world in WORLDS if world.local)
VALID = tuple(name for name, entry in METRICS.items() if entry.better != "neither" and entry.family != "cost")
NULLS = tuple(names.NULL + name for name in names.NULLS)


class Measured:
    """The rows of a benchmark, by what they measured.

    Attributes:
        of: (world, method, metric) to the value of each scan, of the whole image.
        groups: a scan to the phantom that it was drawn from.
        methods: those that gave a value, without the nulls and the truth.
        worlds: those whose reason has a place.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.of = values(rows, "image")
        self.groups = {row.content: row.group for row in rows}
        self.methods = list(dict.fromkeys(method for _, method, _ in self.of if not names.is_null(method)))
        self.worlds = [world for world in LOCAL if any(key[0] == world for key in self.of)]

    def get(self, world: str, method: str, metric: str) -> Mapping[str, float]:
        return self.of.get((world, method, metric), {})

    def mean(self, world: str, method: str, metric: str) -> float | None:
        found = self.get(world, method, metric)
        return float(np.mean(list(found.values()))) if found else None


def values(rows: Sequence[Row], within: str) -> dict[tuple[str, str, str], dict[str, float]]:
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.within == within and row.value is not None:
            found[row.model, row.method, row.metric][row.content] = row.value
    return dict(found)


def summary_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """World x method x metric: mean, 95 % interval by phantom, and how many scans were measured."""
    groups = {row.content: row.group for row in rows}
    out = []
    for within in ("image", "head"):
        for (world, method, metric), found in values(rows, within).items():
            numbers = np.array(list(found.values()))
            low, high = mean_interval(numbers, [groups[scan] for scan in found], rng=np.random.default_rng(0))
            out.append(
                {"world": world, "method": method, "metric": metric, "within": within, "mean": f"{numbers.mean():.6g}",
                 "low": f"{low:.6g}", "high": f"{high:.6g}", "scans": len(found)}
            )  # fmt: skip
    return out


def finds(measured: Measured, world: str, method: str) -> Difference | None:
    """How much more of the reason the method holds than a map that knows nothing of it, on the same scans.

    A cue is bright, so that an edge detector finds it: there the method is laid beside itself on a model that does not
    use the cue. A lesion is laid beside the best of the nulls.
    """
    mine = measured.get(world, method, FOUND)
    unaware = measured.get(world + NOT_USED, method, FOUND)
    best: Difference | None = None
    for theirs in [unaware] if unaware else [measured.get(world, null, FOUND) for null in NULLS]:
        scans = [scan for scan in mine if scan in theirs]
        if scans:
            a, b = (np.array([of[scan] for scan in scans]) for of in (mine, theirs))
            each = paired(a, b, [measured.groups[scan] for scan in scans], within=(0.0, 1.0))
            best = each if best is None or each.value < best.value else best
    return best


def validity(measured: Measured, metric: str) -> dict[str, tuple[float, int] | None]:
    """How often a metric prefers the truth, drawn as a map, to each null on the same scan; ties count one half.

    And, as "methods", the mean over worlds of the rank correlation across methods of the metric with `FOUND`, counted
    so that 1 means that the metric orders the methods as the truth does.
    """
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    out: dict[str, tuple[float, int] | None] = {}
    for null in NULLS:
        wins = [
            float(np.sign(sign * (truth[scan] - other)) + 1) / 2
            for world in LOCAL
            if (truth := measured.get(world, TRUTH, metric))
            for scan, other in measured.get(world, null, metric).items()
            if scan in truth
        ]
        out[null] = (float(np.mean(wins)), len(wins)) if wins else None
    correlations = []
    for world in LOCAL:
        pairs = [
            pair
            for method in measured.methods
            if None not in (pair := (measured.mean(world, method, metric), measured.mean(world, method, FOUND)))
        ]
        if len(pairs) > 3:
            correlations.append(sign * float(spearmanr(*zip(*pairs, strict=True)).statistic))
    out["methods"] = (float(np.mean(correlations)), len(correlations)) if correlations else None
    return out


def text(rows: Sequence[Row], tried: Mapping[str, tuple[int, int]]) -> str:
    """All tables as Markdown."""
    measured = Measured(rows)
    other = [world.name for world in WORLDS if not world.local and world.name in tried]
    sections = {
        "What was proved": _proved(tried),
        "Which methods find the reason": _found(measured),
        "Weight on a lesion that is not the reason": _misled(measured, other),
        "Which metrics can tell": _valid(measured),
        "Every method, every metric": _metrics(measured),
    }
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in sections.items()) + "\n"


def _proved(tried: Mapping[str, tuple[int, int]]) -> str:
    return markdown(
        ["world", "scans on which the reason was proved", "of"],
        [[name, yes, count] for name, (yes, count) in tried.items()],
    )


def _found(measured: Measured) -> str:
    lines: list[tuple[float, list[str]]] = []
    for method in (*measured.methods, *NULLS):
        over = {} if names.is_null(method) else {world: finds(measured, world, method) for world in measured.worlds}
        surely = sum(each is not None and each.low > SURELY for each in over.values())
        cells = [method, f"{surely} of {len(over)}" if over else ""]
        means = [measured.mean(world, method, FOUND) for world in measured.worlds]
        for world, mean in zip(measured.worlds, means, strict=True):
            each = over.get(world)
            cells.append(_number(mean) + ("" if each is None else f" ({_interval(each)})"))
        known = [mean for mean in means if mean is not None]
        # the best method first, the nulls last and in their own order
        rank = np.inf if names.is_null(method) else -float(np.mean(known)) if known else 1.0
        lines.append((float(rank), cells))
    order = sorted(lines, key=lambda line: line[0])
    return markdown(["method", "finds", *measured.worlds], [cells for _, cells in order])


def _misled(measured: Measured, worlds: Sequence[str]) -> str:
    worlds = [world for world in worlds if any(key[0] == world for key in measured.of)]
    lines = []
    for method in (*measured.methods, *NULLS):
        pairs = [
            [_number(measured.mean(world, method, metric)) for metric in (names.POINTING, names.ENERGY)]
            for world in worlds
        ]
        lines.append([method, *(" / ".join(pair) for pair in pairs)])
    return markdown(["method", *(f"{world}: peak on it / share of weight" for world in worlds)], lines)


def _valid(measured: Measured) -> str:
    lines = []
    for metric in VALID:
        told = validity(measured, metric)
        before = ["-" if (each := told[null]) is None else f"{100 * each[0]:.0f} %" for null in NULLS]
        across = told["methods"]
        lines.append([metric, METRICS[metric].better, *before, "-" if across is None else _minus(f"{across[0]:+.2f}")])
    heads = [f"truth before {name}" for name in names.NULLS]
    return markdown(["metric", "better", *heads, "orders methods as the truth does"], lines)


def _metrics(measured: Measured) -> str:
    metrics = [*VALID, names.SEEDS, names.FLIPS, names.SENSITIVITY, names.RANDOMISED, names.SECONDS]
    metrics = [metric for metric in metrics if any(key[2] == metric for key in measured.of)]
    lines = []
    for method in (*measured.methods, *NULLS, TRUTH):
        cells = [method]
        for metric in metrics:
            of = [value for world in LOCAL for value in measured.get(world, method, metric).values()]
            cells.append(_number(float(np.mean(of)) if of else None))
        lines.append(cells)
    return markdown(["method", *metrics], lines)


def _number(value: float | None) -> str:
    return "-" if value is None else _minus(f"{value:.2f}")


def _interval(found: Difference) -> str:
    return _minus(f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]")


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
