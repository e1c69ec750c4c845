"""Ledger: which pieces of a run are finished, so that a killed study goes on where it was.

One JSON line a piece, appended when its files are whole. A line cut short by a crash is ignored: that piece
is simply made again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whyscan.records import files


class Ledger:
    """The finished pieces of one run, by name and by a digest of what they were made from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self._done[entry["piece"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue

    def done(self, piece: str, made_from: Mapping[str, Any]) -> bool:
        """Whether the piece was finished from the same ingredients."""
        entry = self._done.get(piece)
        return entry is not None and entry["key"] == digest(made_from)

    @contextmanager
    def piece(self, piece: str, made_from: Mapping[str, Any]) -> Iterator[None]:
        """Make a piece: it is entered, with its seconds, only if the block ends well."""
        start = time.perf_counter()
        yield
        entry = {"piece": piece, "key": digest(made_from), "seconds": round(time.perf_counter() - start, 3)}
        torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(("\n" if torn else "") + json.dumps(entry) + "\n")
        except OSError as error:
            raise files.unwritable(self.path, error) from error
        self._done[piece] = entry

    def seconds(self) -> dict[str, float]:
        """What each finished piece cost."""
        return {piece: entry.get("seconds", 0.0) for piece, entry in self._done.items()}


def digest(content: Mapping[str, Any]) -> str:
    """A short hash of JSON-able ingredients; their order does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
