"""The process that opens mutated files: it may be killed at any time, and that is found out by the one who asked.

Reads lines "<kind> <path>" from standard input; answers each with one JSON object a line.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOM = 6 * 2**30
"""Address space above what the process has when it is ready; resident memory is judged by the one who asks."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error
    warnings.simplefilter("ignore")
    import seeds
    import torch

    from whyscan.errors import WhyscanError

    torch.set_num_threads(1)
    for kind, seed in seeds.existing(Path(sys.argv[1])).items():  # everything is imported before memory is counted
        seeds.open_file(kind, seed)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    print(json.dumps({"ready": peak()}), file=answers)
    for line in sys.stdin:
        kind, path = line.rstrip("\n").split(" ", 1)
        answer: dict[str, Any] = {}
        begun = sum(os.times()[:4])
        try:
            answer["outcome"] = seeds.open_file(kind, Path(path))
        except WhyscanError as error:
            answer.update(outcome="refused", error=f"{type(error).__name__}: {error}")
        except BaseException:
            answer.update(outcome="raised", error=traceback.format_exc(limit=-6))
        answer.update(peak=peak(), seconds=sum(os.times()[:4]) - begun)  # its own and its ended children's
        print(json.dumps(answer), file=answers)


def peak() -> int:
    """The largest resident memory so far, in bytes.

    Not `ru_maxrss`: a process inherits that from the one that started it, and a test run is larger than a worker.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
