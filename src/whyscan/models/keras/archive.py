"""A .keras file: a zip of config.json, metadata.json and model.weights.h5, read into memory and never unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from whyscan.errors import BadModel

MOST_BYTES = 4 * 2**30
_SWELL = 100
_SMALL = 2**20
_NEEDED = ("config.json", "model.weights.h5")


def read_members(path: Path) -> dict[str, bytes]:
    """config.json, model.weights.h5 and, where it is there, metadata.json.

    Raises:
        BadModel: not such an archive; or members that are named twice, lead out of it, are links, are encrypted, or
            are far larger than the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(path, members)
            held = {info.filename for info in members}
            if missing := [name for name in _NEEDED if name not in held]:
                raise _bad(path, f"has no {missing[0]}")
            return {name: archive.read(name) for name in (*_NEEDED, "metadata.json") if name in held}
    except BadModel:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damaged archives
        raise _bad(path, f"is damaged or no zip archive ({error or type(error).__name__})") from error


def _check(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise _bad(path, "holds two members of one name")
    for info in members:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise _bad(path, f"holds a member whose name leads out of it ({info.filename[:80]!r})")
        if info.external_attr >> 16 & 0o170000 == 0o120000:
            raise _bad(path, f"holds a link ({info.filename[:80]!r})")
        if info.flag_bits & 1:
            raise _bad(path, "is encrypted")
        if info.file_size > _SMALL and info.file_size > _SWELL * info.compress_size:
            raise _bad(path, f"holds a member that swells {info.file_size // max(1, info.compress_size)} times")
    total, there = sum(info.file_size for info in members), path.stat().st_size
    if total > MOST_BYTES or total > _SMALL + _SWELL * there:
        raise _bad(path, f"would unpack {there} bytes to {total}")


def _bad(path: Path, how: str) -> BadModel:
    return BadModel(f"{path.name} {how}", "a .keras file as Keras writes it", "save the model again")
