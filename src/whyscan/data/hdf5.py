"""HDF5 as data: only what lies in the file itself, only numbers, and never more of them than the file has room for.

Keras and MATLAB 7.3 files are such. Whoever reads one says which error it is refused with.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped

from whyscan.errors import WhyscanError

Refuse = Callable[[str, str, str], WhyscanError]
"""An error class: what came, what was expected, how to mend it."""

PATIENCE_S = 3
"""Of a processor, for a first look at a file. By the clock, a good file is as slow as the machine is busy."""
CLOCK_S = 120.0
MOST_OBJECTS = 100_000
MOST_BYTES = 8 * 2**30
_FILTERS = frozenset({1, 2, 3, 32000})  # deflate, shuffle, fletcher32, lzf: those that h5py itself writes
_SWELL = 200


@contextmanager
def opened(source: str | IO[bytes], name: str, refuse: Refuse) -> Iterator[Any]:
    """An HDF5 file whose every link has been looked at; whatever the library raises on the way is refused.

    Raises:
        What `refuse` makes: not HDF5, damaged, or an object that is not stored in this file.
    """
    import h5py

    _probe(source, name, refuse)
    try:
        with h5py.File(source, "r") as file:
            _check_links(file, name, refuse)
            yield file
    except WhyscanError:
        raise
    except Exception as error:  # a damaged file makes HDF5 raise nearly anything
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise _damaged(name, reason, refuse) from error


def _damaged(name: str, reason: str, refuse: Refuse) -> WhyscanError:
    return refuse(f"{name} is damaged or not HDF5 ({reason})", "a whole file", "copy it again from where it came from")


def _probe(source: str | IO[bytes], name: str, refuse: Refuse) -> None:
    """Let another process look first: on a damaged file the library may crash, or never come back."""
    if not sys.executable:  # embedded in another program: there is no interpreter to start
        return
    command = [sys.executable, "-I", str(Path(__file__).with_name("hdf5_probe.py")), str(PATIENCE_S)]
    content = None
    if isinstance(source, str):
        command.append(source)
    else:
        content = source.read()
        source.seek(0)
    pipe, reason = subprocess.PIPE, b""
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            reason, _ = process.communicate(content, timeout=CLOCK_S)
        except subprocess.TimeoutExpired:
            process.kill()
            how = f"gave no answer in {CLOCK_S:g} s"
        else:
            if process.returncode == 0:
                return
            if process.returncode == 1:
                raise _damaged(name, reason.decode(errors="replace"), refuse)
            ended = process.returncode == -getattr(signal, "SIGXCPU", 0)
            how = f"gave no answer in {PATIENCE_S} s" if ended else "made the HDF5 library crash"
    raise refuse(f"{name} is damaged: it {how}", "a whole file", "copy it again from where it came from")


def _check_links(file: Any, name: str, refuse: Refuse) -> None:
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
                raise refuse(
                    f"{name} holds {how} ({str(key)[:80]!r}), which is not followed",
                    "a file that holds its own data",
                    "write the file again",
                )
            found = group[key]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise refuse(f"{name} holds more than {MOST_OBJECTS} objects", "fewer", "write the file again")
            if isinstance(found, h5py.Group):
                waiting.append(found)


def array(dataset: Any, name: str, refuse: Refuse) -> Shaped[np.ndarray, ...]:
    """A dataset's numbers, of the type that they are stored in.

    Raises:
        What `refuse` makes: they lie in another file, are no numbers, or are declared and not stored.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise _bad(refuse, name, "no dataset")
    if dataset.is_virtual or dataset.external:
        raise _bad(refuse, name, "stored in another file")
    if dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
        raise _bad(refuse, name, f"of the type {dataset.dtype}")
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(place)[0] for place in range(plist.get_nfilters())]
    if not _FILTERS.issuperset(filters):
        raise _bad(refuse, name, "compressed by a filter that is not known")
    size, stored = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if size > MOST_BYTES or size > stored * (_SWELL if filters else 1):
        raise _bad(refuse, name, f"declared with {size} bytes and stored in {stored}")
    return np.asarray(dataset[()])


def _bad(refuse: Refuse, name: str, how: str) -> WhyscanError:
    return refuse(f"the numbers {name[:120]} are {how}", "numbers in the file itself", "write the file again")
