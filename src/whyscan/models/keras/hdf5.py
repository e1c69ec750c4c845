"""HDF5 as data: only what lies in the file itself, only numbers, and never more of them than the file has room for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float32

from whyscan.errors import BadModel, WhyscanError

PATIENCE_S = 3.0
MOST_OBJECTS = 100_000
MOST_BYTES = 8 * 2**30
_FILTERS = frozenset({1, 2, 3, 32000})  # deflate, shuffle, fletcher32, lzf: those that h5py itself writes
_SWELL = 200


@contextmanager
def opened(source: str | IO[bytes], name: str) -> Iterator[Any]:
    """An HDF5 file whose every link has been looked at; whatever the library raises on the way is a BadModel.

    Raises:
        BadModel: not HDF5, damaged, or an object that is not stored in this file.
    """
    import h5py

    _probe(source, name)
    try:
        with h5py.File(source, "r") as file:
            _check_links(file, name)
            yield file
    except WhyscanError:
        raise
    except Exception as error:  # a damaged file makes HDF5 raise nearly anything
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BadModel(
            f"{name} is damaged or not HDF5 ({reason})", "a whole file", "copy it again from where it came from"
        ) from error


def _probe(source: str | IO[bytes], name: str) -> None:
    """Let another process look first: on a damaged file the library may crash, or never come back."""
    if not sys.executable:  # embedded in another program: there is no interpreter to start
        return
    command = [sys.executable, "-I", str(Path(__file__).with_name("probe.py"))]
    content = None
    if isinstance(source, str):
        command.append(source)
    else:
        content = source.read()
        source.seek(0)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # it has started, however long that took on this machine; its time begins now
        try:
            process.communicate(content, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            how = f"gave no answer in {PATIENCE_S:g} s"
        else:
            if process.returncode in (0, 1):
                return
            how = "made the HDF5 library crash"
    raise BadModel(f"{name} is damaged: it {how}", "a whole file", "copy it again from where it came from")


def _check_links(file: Any, name: str) -> None:
    """Walk through hard links only, each object once."""
    import h5py

    seen: set[int] = set()
    waiting = [file]
    while waiting:
        group = waiting.pop()
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                how = "a link to another file" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise BadModel(
                    f"{name} holds {how} ({str(key)[:80]!r}), which is not followed",
                    "a file that holds its own data",
                    "save the model again",
                )
            found = group[key]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise BadModel(f"{name} holds more than {MOST_OBJECTS} objects", "a model", "save the model again")
            if isinstance(found, h5py.Group):
                waiting.append(found)


def array(dataset: Any, name: str) -> Float32[np.ndarray, ...]:
    """A dataset's numbers.

    Raises:
        BadModel: they lie in another file, are no numbers, or are declared and not stored.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise _bad(name, "no dataset")
    if dataset.is_virtual or dataset.external:
        raise _bad(name, "stored in another file")
    if dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
        raise _bad(name, f"of the type {dataset.dtype}")
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(place)[0] for place in range(plist.get_nfilters())]
    if not _FILTERS.issuperset(filters):
        raise _bad(name, "compressed by a filter that is not known")
    size, stored = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if size > MOST_BYTES or size > stored * (_SWELL if filters else 1):
        raise _bad(name, f"declared with {size} bytes and stored in {stored}")
    return np.asarray(dataset[()], np.float32)


def text(value: Any) -> str:
    """An attribute's text, which is bytes in older files."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise ValueError(f"an attribute is {type(value).__name__}, not text")


def names(attributes: Any, key: str) -> list[str]:
    """A list of names, which Keras cuts into key0, key1... where it is longer than 64 kB."""
    if key in attributes:
        return [text(each) for each in np.asarray(attributes[key]).tolist()]
    found: list[str] = []
    place = 0
    while f"{key}{place}" in attributes:
        found += [text(each) for each in np.asarray(attributes[f"{key}{place}"]).tolist()]
        place += 1
    return found


def _bad(name: str, how: str) -> BadModel:
    return BadModel(f"the weights {name[:120]} are {how}", "numbers in the file itself", "save the model again")
