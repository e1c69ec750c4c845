"""Files that are either whole or not there: written aside, flushed, then renamed into place."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from whyscan.errors import BadInput, BadRun

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows, where a run is simply not locked
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` for writing bytes; it takes `path`'s place only if the block ends well.

    Raises:
        BadRun: the folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise unwritable(path, error) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    # mkstemp makes private files; a run folder is meant to be shared as the user's umask says.
    current = os.umask(0)
    os.umask(current)
    return current


def unwritable(path: Path, error: OSError) -> BadRun:
    """What to say when the system refuses to write."""
    return BadRun(
        f"{path} could not be written ({error.strerror or error})",
        "a folder with room that this user may write to",
        "free some space, change the folder's permissions, or choose another --out",
    )


def check_writable(folder: Path) -> None:
    """Raises BadRun, before hours of work, for a folder that cannot be made or written to. Leaves nothing behind."""
    place = next(each for each in (folder, *folder.parents, Path()) if each.exists())
    if not place.is_dir():
        raise BadRun(f"{place} is a file", "a folder, or a new name", "choose another --out")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise unwritable(place, error) from error


def remove(path: Path) -> None:
    """Delete a file that may be missing. Raises BadRun where the system refuses."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def rename(path: Path, to: Path) -> None:
    """Let a whole file take another's place. Raises BadRun where the system refuses."""
    try:
        path.replace(to)
    except OSError as error:
        raise unwritable(to, error) from error


def write_bytes(path: Path, content: bytes) -> None:
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """JSON with sorted-as-given keys; NaN is refused, because no other reader would take it."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Raises BadRun where the file is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadRun(f"{path} is missing", "a finished stage", "run the stage that writes it") from None
    except (OSError, ValueError) as error:
        raise BadRun(f"{path} is damaged ({error})", "JSON", "delete it and run its stage again") from error


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A tidy CSV: the named columns in this order; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="raise", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else value for key, value in row.items()})
    write_text(path, text.getvalue())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Raises BadRun where the file is missing or not a table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise BadRun(f"{path} is missing", "a finished stage", "run the stage that writes it") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRun(f"{path} is damaged ({error})", "CSV", "delete it and run its stage again") from error


def sha256(path: Path) -> str:
    """The hash of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(name: object) -> None:
    """Raises BadInput where a model's name is more than a file's or a folder's: it could lead out of its place."""
    if not isinstance(name, str) or not re.fullmatch(r"(?!\.)[\w.-]+", name):
        raise BadInput(
            f"the model name {name!r}", "letters, digits, '_', '-' and '.', the first not a dot", "rename it"
        )


def free_name(name: str, taken: set[str]) -> str:
    """`name`, or with ~2, ~3, ... behind it the first one that is not taken; now it is."""
    count, found = 1, name
    while found in taken:
        count += 1
        found = f"{name}~{count}"
    taken.add(found)
    return found


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run folder for as long as the block lasts.

    The kernel drops the lock when its process dies, so a killed run never leaves a stale one.

    Raises:
        BadRun: another process works in the folder, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadRun(
                    f"another process is working in {folder}",
                    "one process to a run folder",
                    "wait for it to end, or choose another --out",
                ) from None
        yield
