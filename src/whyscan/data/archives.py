"""Zip archives from strangers: what they would unpack, and where to, is looked at before anything is."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from whyscan.errors import WhyscanError

_SWELL = 100
_SMALL = 2**20


def check_members(
    path: Path, members: Sequence[zipfile.ZipInfo], refuse: Callable[[str], WhyscanError], *, most: int
) -> None:
    """Refuse members that are named twice, lead out of the archive, are links, are encrypted, or swell.

    Args:
        path: the archive.
        refuse: makes the error of a sentence that goes on after the file's name.
        most: bytes that all of it may unpack to.

    Raises:
        What `refuse` makes.
    """
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise refuse("holds two members of one name")
    for info in members:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise refuse(f"holds a member whose name leads out of it ({info.filename[:80]!r})")
        if info.external_attr >> 16 & 0o170000 == 0o120000:
            raise refuse(f"holds a link ({info.filename[:80]!r})")
        if info.flag_bits & 1:
            raise refuse("is encrypted")
        if info.file_size > _SMALL and info.file_size > _SWELL * info.compress_size:
            raise refuse(f"holds a member that swells {info.file_size // max(1, info.compress_size)} times")
    total, there = sum(info.file_size for info in members), path.stat().st_size
    if total > most or total > _SMALL + _SWELL * there:
        raise refuse(f"would unpack {there} bytes to {total}")
