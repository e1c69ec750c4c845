"""A first try of a TorchScript program by a process that may die: damaged code can crash torch's interpreter.

Run as a script, with the program on standard input: script_probe.py SECONDS HEIGHT WIDTH.
"""

import contextlib
import io
import os
import sys
import warnings


def limit(seconds: int) -> None:
    """So much of a processor from now on. Where a system has no such limit, whoever waits looks at the clock."""
    with contextlib.suppress(ImportError):
        import resource

        until = int(sum(os.times()[:2])) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, until + 1))


def main() -> None:
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    limit(int(sys.argv[1]))  # torch is imported, however long that took
    program = torch.jit.load(io.BytesIO(sys.stdin.buffer.read()), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    height, width = (int(each) for each in sys.argv[2:4])
    with torch.inference_mode():
        for rows in (2, 1):
            with contextlib.suppress(Exception):  # traced for a batch of one: the reader goes on as well
                program(torch.rand(rows, 3, height, width))


if __name__ == "__main__":
    try:
        main()
    except Exception:
        sys.exit(1)  # an error that can be caught is met again, and named, by the reader itself
