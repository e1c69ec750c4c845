"""Progress: how long work tells whoever waits. The command line draws bars; a library user hears nothing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, how much there is)."""


def quiet(what: str, done: int, total: int) -> None:
    """Say nothing."""
