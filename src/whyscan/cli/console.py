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

from whyscan.errors import BadRun, WhyscanError
from whyscan.progress import Progress, quiet

INTERRUPTED = 130
RESUMES = "What was finished is kept; --resume goes on from there."
WRITTEN = "What was finished is kept."
AGAIN = "What was finished is kept; the same command goes on from there."


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on standard error for the work under way; nothing at all outside a terminal.

    A bar goes when its work is done: a study of many epochs would otherwise fill the screen.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield quiet
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console) as shown:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if done >= total:
                if what in tasks:
                    shown.remove_task(tasks.pop(what))
                return
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def exits(as_json: bool, interrupted: str = "") -> Iterator[None]:
    """Turn whyscan's errors into a sentence on standard error (a document with --json) and an exit code.

    Args:
        interrupted: what Ctrl-C leaves behind, and how to go on from there.
    """
    try:
        yield
    except WhyscanError as error:
        raise SystemExit(_tell(error, as_json)) from None
    except OSError as error:  # a full disk, or a right that is missing, where nobody looked for it
        came = f"the system refused: {error.strerror or type(error).__name__}"
        came += f" ({error.filename})" if error.filename is not None else ""
        refused = BadRun(came, "files that can be read, and a folder with room", "mend that, and run the command again")
        raise SystemExit(_tell(refused, as_json)) from error
    except KeyboardInterrupt:
        Console(stderr=True).print(f"Interrupted. {interrupted}".rstrip(), soft_wrap=True)
        raise SystemExit(INTERRUPTED) from None


def _tell(error: WhyscanError, as_json: bool) -> int:
    """Say what went wrong, and give the exit code."""
    if as_json:
        say_json({"error": type(error).__name__, "came": error.came, "expected": error.expected, "mend": error.mend})
    Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: ", end="")
    Console(stderr=True, highlight=False, markup=False).print(str(error), soft_wrap=True)
    return error.exit_code


def note(line: str) -> None:
    """A line for a person who waits, on standard error."""
    Console(stderr=True, highlight=False, markup=False).print(line, soft_wrap=True)


def say(*lines: str) -> None:
    """Lines for a person, on standard output."""
    sys.stdout.write("\n".join(lines) + "\n")


def say_json(document: Any) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
