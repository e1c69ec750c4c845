"""Cells: one figure of many methods in a column. What the column shares stands once, what differs in its own cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whyscan.report.words import Figure

Put = Callable[[float], str]
"""How a value is put, without its unit."""


@dataclass(frozen=True, slots=True)
class Column:
    """What most of a column's figures rest on.

    Attributes:
        n: groups, or None where nothing was measured.
        chance: what a map without any preference gets on the same scans, as it is put; "" where it is not known.
        fewest: with fewer groups nothing can be told.
    """

    n: int | None
    chance: str
    fewest: int

    @property
    def groups(self) -> Figure:
        """For the row that says how many groups there are."""
        if self.n is None:
            return Figure("–", measured=False)
        return Figure(str(self.n), "too few to tell" if self.n < self.fewest else "")


def column(found: Sequence[Mapping[str, Any] | None], put: Put, unit: str, *, n: str, fewest: int) -> Column:
    """What the rows that were measured have in common.

    Args:
        found: rows with a value, an interval, a level of chance; None where there is none.
        n: the key of the number of groups.
    """
    measured = [each for each in found if each is not None and each.get("value") is not None]
    counts = Counter(int(each[n]) for each in measured)
    chances = Counter(_chance(each, put, unit) for each in measured)
    if not measured:
        return Column(None, "", fewest)
    return Column(counts.most_common(1)[0][0], chances.most_common(1)[0][0], fewest)


def cell(row: Mapping[str, Any] | None, shared: Column, put: Put, unit: str, *, n: str) -> Figure:
    """A value with its interval; its groups and its level of chance where they are not the column's."""
    if row is None:
        return Figure("–", measured=False)
    if row.get("value") is None:
        return Figure("not measured", note=str(row.get("reason") or ""), measured=False)
    low, high, groups = row.get("low"), row.get("high"), int(row[n])
    ends = "" if low is None or high is None else f"{put(low)} to {put(high)}"
    few, chance = groups < shared.fewest, _chance(row, put, unit)
    own = [f"n = {groups}{', too few' if few else ''}"] if groups != shared.n else []
    if chance != shared.chance:
        own.append(f"even {chance}" if chance else "even spread not known")
    return Figure(f"{put(row['value'])}{unit}", ends, str(row.get("reason") or ""), own=tuple(own), few=few)


def _chance(row: Mapping[str, Any], put: Put, unit: str) -> str:
    return "" if row.get("chance") is None else f"{put(row['chance'])}{unit}"


def share(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def plain(value: float) -> str:
    """Two decimals, none of what is large, and no minus before a zero."""
    text = f"{round(value, 2) + 0:.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.replace("-", "−")


def count(value: float) -> str:
    return f"{value:,.0f}"
