"""What every command shares: bars on standard error, JSON on standard output, errors as exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from whyscan.errors import WhyscanError
from whyscan.progress import Progress, quiet

INTERRUPTED = 130


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on standard error, one per kind of work; nothing at all outside a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield quiet
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console) as shown:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def exits(as_json: bool) -> Iterator[None]:
    """Turn whyscan's errors into a sentence on standard error (a document with --json) and an exit code."""
    try:
        yield
    except WhyscanError as error:
        if as_json:
            document = {
                "error": type(error).__name__,
                "came": error.came,
                "expected": error.expected,
                "mend": error.mend,
            }
            say_json(document)
        Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: ", end="")
        Console(stderr=True, highlight=False, markup=False).print(str(error), soft_wrap=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted. What was finished is kept; --resume goes on from there.")
        raise SystemExit(INTERRUPTED) from None


def say(*lines: str) -> None:
    """Lines for a person, on standard output."""
    sys.stdout.write("\n".join(lines) + "\n")


def say_json(document: Any) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
