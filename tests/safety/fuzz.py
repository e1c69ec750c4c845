"""Mutate a valid file of every format and open it, in a process that may die: python fuzz.py --count 20000.

What may come of a mutated file: a named error of whyscan; or a model or scan that opens and answers. What may not: a
crash, another exception, more than `LIMIT_S` seconds of a processor, no answer in `WALL_S`, more than `LIMIT_BYTES` of
memory. Processor time is judged and not the clock's: on a machine with other work the clock says how busy that is.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import mutations
import seeds

LIMIT_S = 5.0
WALL_S = 120.0
LIMIT_BYTES = 10**9
START_S = 600.0
_GLANCE_S = 0.5


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one file: "refused", "opened", or one of the failures; `seconds` are of a processor."""

    kind: str
    number: int
    word: str
    detail: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def failed(self) -> bool:
        return self.word not in ("refused", "opened")


class Worker:
    """A process that opens files, started again whenever one was too much for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._base = 0

    def ask(self, kind: str, number: int, path: Path) -> Outcome:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        spent = processor_time(process.pid)
        process.stdin.write(f"{kind} {path}\n")
        process.stdin.flush()
        line = _line(process.stdout, WALL_S, lambda: processor_time(process.pid) - spent > LIMIT_S)
        if line is None:
            seconds = processor_time(process.pid) - spent
            self.stop()
            return Outcome(kind, number, "hung", f"no answer in {seconds:.1f} s of a processor", seconds)
        if not line:
            status = process.wait()
            self.stop()
            return Outcome(kind, number, "crashed", f"the process ended with {status}")
        answer = json.loads(line)
        memory = answer["peak"] - self._base
        word, detail = answer["outcome"], answer.get("error", "")
        if answer["seconds"] > LIMIT_S:
            word, detail = "slow", f"{answer['seconds']:.1f} s; {word}: {detail}"
        if memory > LIMIT_BYTES:
            self.stop()
            word, detail = "memory", f"{memory / 1e6:.0f} MB; {word}: {detail}"
        return Outcome(kind, number, word, detail, answer["seconds"], memory)

    def _start(self) -> subprocess.Popen[str]:
        self._process = process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), str(self._folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        assert process.stdout is not None
        line = _line(process.stdout, START_S)
        if not line:
            raise RuntimeError("the worker did not start: run worker.py by hand to see why")
        self._base = json.loads(line)["ready"]
        return process

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(stream: IO[str], limit: float, over: Callable[[], bool] = lambda: False) -> str | None:
    """One line; "" at the end of the stream, None where nothing came in time. Answers are one line to one question."""
    last = time.monotonic() + limit
    while time.monotonic() < last:
        ready, _, _ = select.select([stream], [], [], min(_GLANCE_S, limit))
        if ready:
            return stream.readline()
        if over():
            break
    return None


def processor_time(pid: int) -> float:
    """Seconds that a process and its ended children have computed, by Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def run(count: int, seed: int, kinds: Sequence[str] = (), keep: Path | None = None) -> list[Outcome]:
    """Open `count` mutated files, each format in turn.

    Args:
        count: how many in all.
        seed: of the mutations; file `number` of `kind` is the same for the same seed.
        kinds: formats; all by default.
        keep: a folder for the files that failed.
    """
    outcomes = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        valid = seeds.make(folder / "valid", kinds)
        worker = Worker(folder / "valid")
        try:
            for number in range(count):
                kind = list(valid)[number % len(valid)]
                content = mutated(valid[kind], kind, number, seed)
                path = seeds.lay(folder / "mutated", kind, valid[kind], content)
                outcome = worker.ask(kind, number, path)
                outcomes.append(outcome)
                if outcome.failed and keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{outcome.word}-{seed}-{number}-{kind}{path.suffix}").write_bytes(content)
        finally:
            worker.stop()
    return outcomes


def mutated(valid: Path, kind: str, number: int, seed: int) -> bytes:
    """The bytes of one mutated file."""
    rng = np.random.default_rng([seed, number, *kind.encode()])
    return mutations.mutate(valid.read_bytes(), rng)


def summary(outcomes: Sequence[Outcome]) -> str:
    """A table: a format a row, what came of its files, the longest and the largest."""
    rows = [f"{'format':<14}{'files':>7}{'refused':>9}{'opened':>8}{'failed':>8}{'most s':>11}{'most MB':>9}"]
    for kind in dict.fromkeys(each.kind for each in outcomes):
        own = [each for each in outcomes if each.kind == kind]
        words = collections.Counter("failed" if each.failed else each.word for each in own)
        longest, most = max(each.seconds for each in own), max(each.memory for each in own) / 1e6
        rows.append(
            f"{kind:<14}{len(own):>7}{words['refused']:>9}{words['opened']:>8}{words['failed']:>8}"
            f"{longest:>11.2f}{most:>9.0f}"
        )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", action="append", default=[], choices=list(seeds.KINDS), help="repeatable")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where files that failed are kept")
    options = parser.parse_args()
    outcomes = run(options.count, options.seed, options.format, options.keep)
    failures = [each for each in outcomes if each.failed]
    for each in failures:
        sys.stdout.write(f"{each.word} {each.kind} {each.number}: {each.detail}\n")
    sys.stdout.write(summary(outcomes) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
