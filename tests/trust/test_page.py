"""The reference page lists every metric as the table of metrics has it."""

from __future__ import annotations

from pathlib import Path

from whyscan.trust.every import EVERY, INSIDE
from whyscan.trust.metrics import MetricEntry

PAGE = Path(__file__).parents[2] / "docs/reference/trust-metrics.md"


def row(name: str, entry: MetricEntry) -> str:
    """To write the page's table anew: print this for every metric."""
    title = (entry.function.__doc__ or "").splitlines()[0]
    high = "no limit" if entry.high == float("inf") else f"{entry.high:g}"
    low = "−1" if entry.low == -1 else f"{entry.low:g}"
    cells = (
        f"`{name}`", title, {"neither": "–"}.get(entry.better, entry.better), f"{low} to {high}",
        "yes" if name in INSIDE else "", ", ".join(entry.needs), entry.paper,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def test_every_metric_is_on_the_page_as_it_is() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    missing = [row(name, entry) for name, entry in EVERY.items() if row(name, entry) not in lines]
    assert not missing, "\n".join(missing)
    listed = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(listed) == sorted(EVERY)
