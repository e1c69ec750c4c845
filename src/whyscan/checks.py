"""What settings of methods are refused, in one wording."""

from __future__ import annotations

from collections.abc import Sequence

from whyscan.errors import BadInput


def one_of(known: Sequence[str], **settings: object) -> None:
    """Raises BadInput for what is not among the known words."""
    for name, value in settings.items():
        if value not in known:
            raise BadInput(f"{name} {value!r}", f"one of {', '.join(known)}", "choose one of them")


def at_least(least: int, **settings: object) -> None:
    """Raises BadInput for what is not a whole number, or is less."""
    for name, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise BadInput(f"{name} {value!r}", f"a whole number, {least} or more", "change it, or leave it out")


def between(low: float, high: float, **settings: object) -> None:
    """Raises BadInput for what is not a number strictly between the two."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not low < value < high:
            raise BadInput(f"{name} {value!r}", f"a number between {low:g} and {high:g}", "change it, or leave it out")
