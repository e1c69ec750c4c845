"""A first try of a TorchScript program by a process that may die: damaged code can crash torch's interpreter.

Run as a script, with the program on standard input and the height and width of its images as arguments.
"""

import contextlib
import io
import sys
import warnings


def main() -> None:
    warnings.simplefilter("ignore")
    import torch

    sys.stdout.write("!")  # whoever waits begins to count
    sys.stdout.flush()
    torch.set_num_threads(1)
    program = torch.jit.load(io.BytesIO(sys.stdin.buffer.read()), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    height, width = (int(each) for each in sys.argv[1:3])
    with torch.inference_mode():
        for rows in (2, 1):
            with contextlib.suppress(Exception):  # traced for a batch of one: the reader goes on as well
                program(torch.rand(rows, 3, height, width))


if __name__ == "__main__":
    try:
        main()
    except Exception:
        sys.exit(1)  # an error that can be caught is met again, and named, by the reader itself
