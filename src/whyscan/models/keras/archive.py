"""A .keras file: a zip of config.json, metadata.json and model.weights.h5, read into memory and never unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from whyscan.data.archives import check_members
from whyscan.errors import BadModel

MOST_BYTES = 4 * 2**30
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
            check_members(path, members, lambda how: _bad(path, how), most=MOST_BYTES)
            held = {info.filename for info in members}
            if missing := [name for name in _NEEDED if name not in held]:
                raise _bad(path, f"has no {missing[0]}")
            return {name: archive.read(name) for name in (*_NEEDED, "metadata.json") if name in held}
    except BadModel:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damaged archives
        raise _bad(path, f"is damaged or no zip archive ({error or type(error).__name__})") from error


def _bad(path: Path, how: str) -> BadModel:
    return BadModel(f"{path.name} {how}", "a .keras file as Keras writes it", "save the model again")
