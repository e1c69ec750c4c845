"""What settings of methods are refused, in one wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeGuard

import numpy as np

from whyscan.errors import BadInput

_CHANGE = "change it, or leave it out"


def plain(settings: Any) -> None:
    """Numpy's numbers in the fields of a frozen dataclass become Python's, which records and other checks know."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, np.generic):
            object.__setattr__(settings, item.name, value.item())


def given(**settings: object) -> dict[str, Any]:
    """Those that are not None, for settings that may be left out: `at_least(1, **given(channels=...))`."""
    return {name: value for name, value in settings.items() if value is not None}


def one_of(known: Sequence[str], **settings: object) -> None:
    """Raises BadInput for what is not among the known words."""
    for name, value in settings.items():
        if not isinstance(value, str) or value not in known:
            raise BadInput(f"{name} {value!r}", f"one of {', '.join(known)}", "choose one of them")


def at_least(least: int, **settings: object) -> None:
    """Raises BadInput for what is not a whole number, or is less."""
    for name, value in settings.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise BadInput(f"{name} {value!r}", f"a whole number, {least} or more", _CHANGE)


def between(low: float, high: float, **settings: object) -> None:
    """Raises BadInput for what is not a number strictly between the two."""
    for name, value in settings.items():
        if not is_number(value) or not low < value < high:
            raise BadInput(f"{name} {value!r}", f"a number between {low:g} and {high:g}", _CHANGE)


def made_of(kind: type, **settings: object) -> None:
    """Raises BadInput for what is not of that type: a name that is no text, a switch that is neither True nor False."""
    for name, value in settings.items():
        if not isinstance(value, kind):
            raise BadInput(f"{name} {value!r}", _KINDS.get(kind, f"{kind.__name__}(...)"), _CHANGE)


def is_number(value: object) -> TypeGuard[float]:
    """Python's or numpy's, but not True or False."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


_KINDS: dict[type, str] = {str: "a name", bool: "True or False"}
