"""Timing side by side, and its record: a file of JSON lines that a killed run leaves whole.

Everything that is compared is run in turns within one repeat, so that a machine that slows down slows all of it; a
ratio is made within a repeat, and the median over repeats is what counts.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from scipy import stats

Role = Literal["ours", "also ours", "peer", "bound"]
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Contestant:
    """One way of doing a job.

    Attributes:
        name: as in the table.
        run: the job itself; it may return facts for the table, such as {"evaluations": 100}.
        role: "bound" is the least work that any way has to do; "also ours" is timed, but peers are not laid beside it.
        times: how often the job is this run: 4 for a peer that explains one class at a time, which is timed for one;
            a tenth where the job is done ten times over, because once is too short beside what takes half a minute.
        warm: what is run once before timing, where the whole job would take too long.
    """

    name: str
    run: Callable[[], object]
    role: Role = "peer"
    warm: Callable[[], object] | None = None
    times: float = 1


@dataclass(frozen=True)
class Claim:
    """What must hold: `other` takes at least `factor` times the time of `ours`, or without another at most seconds.

    Attributes:
        ours, other: contestants' names; other is "" for an absolute limit.
        factor: 60 = sixty times faster; 1 / 1.1 = at most 1.1 times the bound; or the limit in seconds.
    """

    ours: str
    other: str
    factor: float


@dataclass(frozen=True, eq=False)
class Job:
    """Contestants for one piece of work. `key` and `samples` name it in the record."""

    key: str
    title: str
    contestants: Sequence[Contestant]
    claims: Sequence[Claim] = ()
    samples: int = 0
    often: int = 1  # so many times the repeats that were asked for, for jobs of milliseconds
    notes: Sequence[str] = field(default_factory=tuple)


def measure(job: Job, repeats: int, record: Path, about: Mapping[str, Any], *, resume: bool, say: Say) -> None:
    """Run a job's contestants in turns and append each time to the record as it comes.

    With `resume`, whole repeats that the record already has for the same contestants and model are not run again.
    """
    names = [each.name for each in job.contestants]
    head = {
        "kind": "job", "job": job.key, "samples": job.samples, "title": job.title, "about": dict(about),
        "contestants": [{"name": each.name, "role": each.role} for each in job.contestants],
        "claims": [asdict(claim) for claim in job.claims], "notes": list(job.notes),
    }  # fmt: skip
    rows = read(record) if resume else []
    done = len(whole_repeats(rows, job.key, job.samples, names, about["model"]))
    wanted = repeats * job.often
    if done >= wanted:
        say(f"{job.key}: measured already, {done} repeats")
        return
    run = f"{time.time():.0f}"
    append(record, {**head, "run": run, "replaces": not resume})
    failed: dict[str, str] = {}
    for repeat in range(done, wanted):
        turn = repeat % len(names)
        for contestant in [*job.contestants[turn:], *job.contestants[:turn]]:
            row = {"kind": "time", "job": job.key, "samples": job.samples, "run": run, "repeat": repeat}
            row |= {"model": about["model"], "contestant": contestant.name}
            row |= _once(contestant, warm=repeat == done, failed=failed)
            append(record, row)
            said = f"{row['seconds']:.3f} s" if "seconds" in row else row["error"]
            say(f"{job.key} {repeat + 1}/{wanted}  {contestant.name}: {said}")


Say = Callable[[str], None]


def _once(contestant: Contestant, *, warm: bool, failed: dict[str, str]) -> Row:
    if contestant.name in failed:
        return {"error": failed[contestant.name]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if warm:
                (contestant.warm or contestant.run)()
            gc.collect()
            start = time.perf_counter()
            facts = contestant.run()
            seconds = contestant.times * (time.perf_counter() - start)
    except Exception as error:  # a peer that cannot do the job is a result of its own
        if contestant.role != "peer":
            raise
        failed[contestant.name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return {"error": failed[contestant.name]}
    return {"seconds": seconds, "facts": dict(facts) if isinstance(facts, Mapping) else {}}


def append(record: Path, row: Row) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("a") as file:
        file.write(json.dumps(row) + "\n")


def read(record: Path) -> list[Row]:
    """Every whole line; a line that a kill has cut short is left out."""
    if not record.exists():
        return []
    rows = []
    for line in record.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def whole_repeats(
    rows: Sequence[Row], job: str, samples: int, names: Sequence[str], model: str
) -> list[dict[str, Row]]:
    """Per repeat {contestant: row}, only where every contestant was measured; a newer one replaces an older one."""
    since = 0
    for at, row in enumerate(rows):
        if row["kind"] == "job" and (row["job"], row["samples"]) == (job, samples) and row["replaces"]:
            since = at
    repeats: dict[int, dict[str, dict[str, Row]]] = {}
    for row in rows[since:]:
        if row["kind"] == "time" and (row["job"], row["samples"], row["model"]) == (job, samples, model):
            repeats.setdefault(row["repeat"], {}).setdefault(row["run"], {})[row["contestant"]] = row
    found = []
    for _, runs in sorted(repeats.items()):
        whole = [each for each in runs.values() if set(names) <= each.keys()]
        found += [{name: whole[-1][name] for name in names}] if whole else []
    return found


@dataclass(frozen=True)
class Spread:
    """The median and its 95 % interval by order statistics (binomial ranks); of 5 values or fewer their range."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        ordered = sorted(values)
        rank = max(int(stats.binom.ppf(0.025, len(ordered), 0.5)), 1)
        return Spread(statistics.median(ordered), ordered[rank - 1], ordered[-rank])


def seconds_of(repeats: Sequence[Mapping[str, Row]], name: str) -> Spread | None:
    values = [each[name]["seconds"] for each in repeats if "seconds" in each[name]]
    return Spread.of(values) if values else None


def ratio_of(repeats: Sequence[Mapping[str, Row]], other: str, ours: str) -> Spread | None:
    """How many times longer the other takes, within each repeat."""
    values = [
        each[other]["seconds"] / each[ours]["seconds"]
        for each in repeats
        if "seconds" in each[other] and "seconds" in each[ours]
    ]
    return Spread.of(values) if values else None


def jobs_of(rows: Sequence[Row]) -> Iterator[Row]:
    """The newest head of each job, in the order of their keys."""
    newest = {(row["job"], row["samples"]): row for row in rows if row["kind"] == "job"}
    for key in sorted(newest):
        yield newest[key]
