"""A table as the documentation writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def markdown(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Columns of numbers stand to the right."""
    cells = [[str(cell) for cell in line] for line in lines]
    numeric = [i > 0 and all(line[i][:1] in _NUMERIC for line in cells) for i in range(len(head))]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *cells))


_NUMERIC = "-\N{MINUS SIGN}+≥≤<>0123456789"
