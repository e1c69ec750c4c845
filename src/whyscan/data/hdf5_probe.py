"""A first look into an HDF5 file by a process that may die: a damaged heap can send the library round for ever.

Six of 1,500 mutated files did so, while an attribute was read; nothing in the process itself can stop that, so the
system ends it (SIGXCPU). Run as a script, so it imports h5py and nothing of whyscan: hdf5_probe.py SECONDS [FILE].
"""

import contextlib
import io
import os
import sys
from pathlib import Path

ROOM = 2**29
"""So many bytes above what is there already: a damaged length makes the library ask for more, and touch all of it."""


def limit(seconds: int) -> None:
    """So much of a processor and of memory from now on. Where a system has no such limits, whoever waits looks at the
    clock."""
    with contextlib.suppress(ImportError, OSError):
        import resource

        until = int(sum(os.times()[:2])) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, until + 1))
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (held, held))


def main() -> None:
    import h5py

    source = sys.argv[2] if len(sys.argv) > 2 else io.BytesIO(sys.stdin.buffer.read())
    limit(int(sys.argv[1]))
    file = h5py.File(source, "r")
    seen: set[int] = set()
    waiting = [file]
    while waiting:
        found = waiting.pop()
        address = h5py.h5o.get_info(found.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in found.attrs:
            found.attrs[name]
        if isinstance(found, h5py.Group):
            links = [(key, found.get(key, getlink=True)) for key in found]
            waiting += [found[key] for key, link in links if isinstance(link, h5py.HardLink)]


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.stdout.write((str(error).splitlines() or [type(error).__name__])[0][:200])
        sys.exit(1)
