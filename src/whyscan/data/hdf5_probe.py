"""A first look into an HDF5 file by a process that may die: a damaged heap can send the library round for ever.

Six of 1,500 mutated files did so, while an attribute was read; nothing in the process itself can stop that. Run as a
script, so it imports h5py and nothing of whyscan.
"""

import sys


def main() -> None:
    import h5py

    sys.stdout.write("!")  # whoever waits begins to count
    sys.stdout.flush()
    file = h5py.File(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.buffer, "r")
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
