"""The run folder of a study: locked, described in run.json, with one ledger and one seed."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import whyscan
from whyscan.errors import BadRun, printable
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study.ledger import Ledger
from whyscan.study.settings import check_seed


@contextmanager
def workspace(folder: Path, data: Path | None, asked: Mapping[str, Any], *, resume: bool) -> Iterator[Run]:
    """A locked run folder whose run.json says what was asked for.

    Raises:
        BadRun: it holds a run already and `resume` was not asked for, belongs to other data, is in use, or cannot
            be written to.
    """
    run = Run(folder)
    with files.locked(folder):
        known: dict[str, Any] = dict(run.manifest()) if run.manifest_path.is_file() else {}
        name = printable(data.resolve().name) if data is not None else known.get("data", "")
        if known and not resume:
            raise BadRun(
                f"{folder} holds a run already", "a new folder, or --resume", "add --resume or choose another --out"
            )
        if known and known.get("data", name) != name:
            raise BadRun(f"{folder} is a run on {known['data']}", f"the same data, not {name}", "choose another --out")
        manifest = {
            "whyscan": known.get("whyscan", whyscan.__version__),
            "created": known.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
            "data": name,
            "asked": {**known.get("asked", {}), **asked},
            **_versions(known),
        }
        files.write_json(run.manifest_path, manifest)
        if data is not None:
            files.write_json(run.data_path, {"data": printable(str(data.resolve()))})
        yield run


def data_of(run: Run, given: Path | None) -> Path:
    """Where a run's data set lies: as given, or where it lay when this machine last worked on it.

    Raises:
        BadRun: neither is there.
    """
    if given is not None:
        return given
    known = files.read_json(run.data_path).get("data") if run.data_path.is_file() else None
    if not isinstance(known, str) or not Path(known).exists():
        raise BadRun(f"{run.folder} does not know where its data are", "the data set it was made of", "add --data DATA")
    return Path(known)


def _versions(known: Mapping[str, Any]) -> dict[str, Any]:
    """Those that began the run stay; others that worked in it later are listed beside them, once each."""
    began = known.get("versions", versions())
    ours = {"whyscan": whyscan.__version__, **versions()}
    later = list(known.get("later_versions", []))
    if ours not in [{"whyscan": known.get("whyscan", ours["whyscan"]), **began}, *later]:
        later.append(ours)
    return {"versions": began, **({"later_versions": later} if later else {})}


def versions() -> dict[str, str]:
    """What made the numbers: the packages that can change them, Python and the processor's kind."""
    packages = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-image", "pillow")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}


def ledger(run: Run) -> Ledger:
    return Ledger(run.folder / "ledger.jsonl")


def split_seed(run: Run, asked: int | None) -> int:
    """The seed of a run's splits: the audited one where there is one, else the one asked for, else 0.

    Raises:
        BadInput: the seed cannot be used.
        BadRun: the run was split with another seed than the one asked for.
    """
    if asked is not None:
        check_seed(asked)
    audited = (run.audit() or {}).get("seed") if run.splits_path.is_file() else None
    if asked is not None and audited not in (None, asked):
        raise BadRun(
            f"{run.folder} was split with seed {audited}, and seed {asked} is asked for",
            "the same seed for all stages of a run",
            f"leave the seed out, give {audited}, or choose another --out",
        )
    return asked if asked is not None else int(audited or 0)
