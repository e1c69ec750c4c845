"""The tables of the phantom benchmark, from its rows: which methods find the reason, and which metrics can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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
NOT_USED = ", not used"
"""Ends the name of a world whose scans were explained for a model that does not use its cue."""
LOCAL = tuple(world.name for world in WORLDS if world.local)
VALID = tuple(name for name, entry in METRICS.items() if entry.better != "neither" and entry.family != "cost")

Values = Mapping[tuple[str, str, str], Mapping[str, float]]
"""(world, method, metric) to the value of each scan."""


def values(rows: Sequence[Row], within: str = "image") -> dict[tuple[str, str, str], dict[str, float]]:
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.within == within and row.value is not None:
            found[row.model, row.method, row.metric][row.content] = row.value
    return dict(found)


def summary_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """World x method x metric: mean, 95 % interval by phantom, and how many scans were measured."""
    groups = _groups(rows)
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


def finds(rows: Sequence[Row], world: str, method: str) -> Difference | None:
    """How much more of the reason the method holds than a map that knows nothing of it, on the same scans.

    A cue is bright, so that an edge detector finds it: there the method is laid beside itself on a model that does not
    use the cue. A lesion is laid beside the best of the nulls.
    """
    found, groups = values(rows), _groups(rows)
    mine = found.get((world, method, FOUND), {})
    nulls = [found.get((world, names.NULL + name, FOUND), {}) for name in names.NULLS]
    unaware = found.get((world + NOT_USED, method, FOUND))
    best: Difference | None = None
    for theirs in [unaware] if unaware else nulls:
        scans = [scan for scan in mine if scan in theirs]
        if scans:
            a, b = (np.array([of[scan] for scan in scans]) for of in (mine, theirs))
            each = paired(a, b, [groups[scan] for scan in scans])
            best = each if best is None or each.value < best.value else best
    return best


def sees(rows: Sequence[Row], method: str) -> str:
    """In how many of the worlds whose reason has a place the method surely finds it."""
    worlds = [world for world in LOCAL if any(row.model == world for row in rows)]
    found = [finds(rows, world, method) for world in worlds]
    return f"{sum(each is not None and each.low > 0 for each in found)} of {len(worlds)}"


def validity(rows: Sequence[Row], metric: str) -> dict[str, tuple[float, int] | None]:
    """How often a metric prefers the truth, drawn as a map, to each null on the same scan; ties count one half.

    And, as "methods", the mean over worlds of the rank correlation across methods of the metric with `FOUND`, counted
    so that 1 means that the metric orders the methods as the truth does.
    """
    found = values(rows)
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    out: dict[str, tuple[float, int] | None] = {}
    for null in (names.NULL + name for name in names.NULLS):
        wins = [
            float(np.sign(sign * (found[world, TRUTH, metric][scan] - other)) + 1) / 2
            for world in LOCAL
            if (world, TRUTH, metric) in found
            for scan, other in found.get((world, null, metric), {}).items()
            if scan in found[world, TRUTH, metric]
        ]
        out[null] = (float(np.mean(wins)), len(wins)) if wins else None
    correlations = []
    for world in LOCAL:
        methods = [
            method for method in _methods(rows) if (world, method, metric) in found and (world, method, FOUND) in found
        ]
        if len(methods) > 3:
            by = [[float(np.mean(list(found[world, m, each].values()))) for m in methods] for each in (metric, FOUND)]
            correlations.append(sign * float(spearmanr(*by).statistic))
    out["methods"] = (float(np.mean(correlations)), len(correlations)) if correlations else None
    return out


def text(rows: Sequence[Row], tried: Mapping[str, tuple[int, int]]) -> str:
    """All tables as Markdown."""
    worlds = [world for world in WORLDS if world.name in tried]
    return (
        "\n\n".join(
            [
                "### What was proved\n\n" + _proved(tried),
                "### Which methods find the reason\n\n" + _found(rows, [w.name for w in worlds if w.local]),
                "### Weight on a lesion that is not the reason\n\n"
                + _misled(rows, [w.name for w in worlds if not w.local]),
                "### Which metrics can tell\n\n" + _valid(rows),
                "### Every method, every metric\n\n" + _metrics(rows),
            ]
        )
        + "\n"
    )


def _proved(tried: Mapping[str, tuple[int, int]]) -> str:
    return _table(
        ["world", "scans on which the reason was proved", "of"],
        [[name, str(yes), str(count)] for name, (yes, count) in tried.items()],
    )


def _found(rows: Sequence[Row], worlds: Sequence[str]) -> str:
    found = values(rows)
    order = sorted(_methods(rows), key=lambda method: -_overall(found, worlds, method))
    lines = []
    for method in [*order, *(names.NULL + name for name in names.NULLS)]:
        cells = [method, "" if names.is_null(method) else sees(rows, method)]
        for world in worlds:
            each = found.get((world, method, FOUND))
            if not each:
                cells.append("-")
                continue
            over = None if names.is_null(method) else finds(rows, world, method)
            more = "" if over is None else f" ({over.value:+.2f} [{over.low:+.2f}, {over.high:+.2f}])"
            cells.append(f"{np.mean(list(each.values())):.2f}{more}".replace("-", "\N{MINUS SIGN}"))
        lines.append(cells)
    return _table(["method", "finds", *worlds], lines)


def _misled(rows: Sequence[Row], worlds: Sequence[str]) -> str:
    found = values(rows)
    worlds = [world for world in worlds if any(key[0] == world for key in found)]
    lines = []
    for method in [*_methods(rows), *(names.NULL + name for name in names.NULLS)]:
        cells = [method]
        for world in worlds:
            pair = [found.get((world, method, metric)) for metric in (names.POINTING, names.ENERGY)]
            cells.append(" / ".join(_mean(each) for each in pair))
        lines.append(cells)
    return _table(["method", *(f"{world}: peak on it / share of weight" for world in worlds)], lines)


def _valid(rows: Sequence[Row]) -> str:
    nulls = [names.NULL + name for name in names.NULLS]
    lines = []
    for metric in VALID:
        told = validity(rows, metric)
        cells = [metric, METRICS[metric].better]
        cells += ["-" if (each := told[null]) is None else f"{100 * each[0]:.0f} %" for null in nulls]
        across = told["methods"]
        cells.append("-" if across is None else f"{across[0]:+.2f}".replace("-", "\N{MINUS SIGN}"))
        lines.append(cells)
    heads = [f"truth before {name}" for name in names.NULLS]
    return _table(["metric", "better", *heads, "orders methods as the truth does"], lines)


def _metrics(rows: Sequence[Row]) -> str:
    found = values(rows)
    metrics = [*VALID, names.SEEDS, names.FLIPS, names.SENSITIVITY, names.RANDOMISED, names.SECONDS]
    metrics = [metric for metric in metrics if any(key[2] == metric for key in found)]
    lines = []
    for method in [*_methods(rows), *(names.NULL + name for name in names.NULLS), TRUTH]:
        cells = [method]
        for metric in metrics:
            of = [x for world in LOCAL for x in found.get((world, method, metric), {}).values()]
            cells.append(f"{np.mean(of):.2f}".replace("-", "\N{MINUS SIGN}") if of else "-")
        lines.append(cells)
    return _table(["method", *metrics], lines)


def _overall(found: Values, worlds: Sequence[str], method: str) -> float:
    means = [np.mean(list(each.values())) for world in worlds if (each := found.get((world, method, FOUND)))]
    return float(np.mean(means)) if means else -1.0


def _mean(found: Mapping[str, float] | None) -> str:
    return f"{np.mean(list(found.values())):.2f}" if found else "-"


def _methods(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.method for row in rows if not names.is_null(row.method) and row.value is not None))


def _groups(rows: Sequence[Row]) -> dict[str, str]:
    return {row.content: row.group for row in rows}


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *lines))
