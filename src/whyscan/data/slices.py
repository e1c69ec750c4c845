"""Which slices of a volume: what a command line or a caller may ask for, as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whyscan.errors import BadInput

Slices = str | int | Sequence[int] | None

_PART = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")


def chosen_slices(asked: Slices, count: int) -> list[int]:
    """The numbers, sorted, each once.

    Args:
        asked: None or "all"; a number; numbers; or text: "12", "10-40", "10-40:5" (every fifth), "3,7,20-30".
        count: how many slices there are; they are counted from 0.

    Raises:
        BadInput: text that is none of these, or a slice that does not exist.

    >>> chosen_slices("3,6-10:2", 20)
    [3, 6, 8, 10]
    """
    if asked is None or (isinstance(asked, str) and asked.strip().lower() == "all"):
        return list(range(count))
    numbers = _parsed(asked) if isinstance(asked, str) else [asked] if isinstance(asked, int) else list(asked)
    outside = [number for number in numbers if not 0 <= number < count]
    if outside or not numbers:
        came = f"slice {outside[0]}" if outside else "no slice"
        raise BadInput(f"{came} of a volume of {count}", f"0 to {count - 1}", "choose some of these")
    return sorted(set(numbers))


def check_slices(asked: Slices) -> None:
    """Raises BadInput for text that says nothing, before any file is opened."""
    if isinstance(asked, str) and asked.strip().lower() != "all":
        _parsed(asked)


def _parsed(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        first, last, step = (int(group) if group else None for group in match.groups()) if match else (None,) * 3
        if first is None or (last is not None and last < first) or step == 0 or (last or 0) - first > 100_000:
            raise BadInput(f"the slices {text!r}", "all, 12, 10-40, 10-40:5, or 3,7,20-30", "write them like this")
        found += range(first, (first if last is None else last) + 1, step or 1)
    return found
