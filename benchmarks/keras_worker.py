"""The Keras contestants: an interpreter with TensorFlow that works when asked, so that it can take turns with us."""

from __future__ import annotations

import atexit
import os
import subprocess
from pathlib import Path

# keep_allocations() for a process of its own: glibc reads these
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class KerasWorker:
    """Started at the first question; `ask` returns when the work is done."""

    def __init__(self, python: str, size: tuple[int, int], classes: int) -> None:
        script = Path(__file__).with_name("keras_gradcam.py")
        self._command = [python, str(script), "--size", str(size[0]), "--classes", str(classes)]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, job: str, classes: int) -> dict[str, str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **ALLOCATOR}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            atexit.register(self._process.kill)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{job}\t{classes}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("done\t"):
                return {"done": line.removeprefix("done\t").strip()}
        raise RuntimeError(f"the Keras process ended with {self._process.wait()}")
