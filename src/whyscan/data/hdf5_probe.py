"""A first look into an HDF5 file by a process that may die: a damaged heap can send the library round for ever.

Six of 1,500 mutated files did so, while an attribute was read; nothing in the process itself can stop that, so the
system ends it (SIGXCPU). Run as a script, so it imports h5py and nothing of whyscan: hdf5_probe.py SECONDS [FILE].
"""

import contextlib
import os
import sys


def limit(seconds: int) -> None:
    """So much of a processor from now on. Where a system has no such limit, whoever waits looks at the clock."""
    with contextlib.suppress(ImportError):
        import resource

        until = int(sum(os.times()[:2])) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, until + 1))


def main() -> None:
    import h5py

    limit(int(sys.argv[1]))
    file = h5py.File(sys.argv[2] if len(sys.argv) > 2 else sys.stdin.buffer, "r")
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
    except Exception:
        sys.exit(1)  # an error that can be caught is met again, and named, by the reader itself
