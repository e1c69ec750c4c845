"""Changes of the process as a whole: made on request by the command line or a library user, never on import."""

from __future__ import annotations

import ctypes
import sys

import torch

from whyscan.errors import BadInput

# Parameters of mallopt(3), from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEEP = 2**30


def keep_allocations() -> bool:
    """Tell glibc to keep freed memory for the next batch rather than to return it to the kernel. Idempotent.

    A network's activations are large blocks. By default each one is mapped, filled with zeros by the kernel page by
    page, and unmapped again, for every layer of every batch. The price of keeping them is that the process holds on
    to the memory of its largest batch.

    Returns:
        True where it was done; False where there is no glibc (macOS, Windows, musl).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has no mallopt
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    # The threshold for mapping is refused above half a heap (32 MiB on 64 bit) by some versions: then 32 MiB it is.
    mapped = mallopt(_M_MMAP_THRESHOLD, _KEEP) or mallopt(_M_MMAP_THRESHOLD, 2**25)
    return bool(mapped and mallopt(_M_TRIM_THRESHOLD, _KEEP) and mallopt(_M_TOP_PAD, 2**26))


def set_threads(count: int) -> None:
    """How many threads one operation of torch may use.

    Raises:
        BadInput: less than 1.
    """
    if count < 1:
        raise BadInput(f"{count} threads", "1 or more", "leave the option out to use every core")
    torch.set_num_threads(count)
