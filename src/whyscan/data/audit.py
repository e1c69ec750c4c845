"""Audit: what a data set's scores cannot be trusted for, found before a model is trained on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from whyscan import __version__
from whyscan.data.catalogue import Catalogue, Entry
from whyscan.data.cues import Cue, Fit, measure, questions
from whyscan.data.duplicates import Duplicates, find_duplicates
from whyscan.data.features import Features, examine_all, stack
from whyscan.data.findings import findings
from whyscan.data.split import SPLITS, SplitRow, assign
from whyscan.errors import BadData, printable
from whyscan.progress import Progress, quiet
from whyscan.records import files

SUBSETS = ("train", "validation", "holdout", "test", "test-leaked", "test-clean", "excluded")
_MEMBER = ("path", "label", "official")
_CUE = tuple(Cue.__dataclass_fields__)


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found (`document`, the content of audit.json) and the split that follows from it (`rows`)."""

    document: Mapping[str, Any]
    rows: tuple[SplitRow, ...]


def audit(catalogue: Catalogue, *, seed: int = 0, progress: Progress = quiet) -> Audit:
    """Read every scan once; look for duplicates, leaks, label conflicts and shortcut cues; divide the scans.

    Args:
        catalogue: the scans. Those that cannot be read are listed and excluded, and the others go on.
        seed: the split is a function of it and of the scans.
        progress: told of every scan read.

    Raises:
        BadData: fewer than two classes have a scan that can be read.
    """
    start = time.monotonic()
    entries = catalogue.entries
    features = examine_all(entries, progress=progress)
    left = {entry.label for entry, each in zip(entries, features, strict=True) if each.content}
    if len(left) < 2:
        raise BadData(
            f"{len(left)} of {len(catalogue.classes)} classes of {catalogue.root.name} have a scan that can be read",
            "two or more",
            f"look at the files: the first trouble is: {next(each.trouble for each in features if each.trouble)}",
        )
    contents = [each.content for each in features]
    duplicates = find_duplicates(contents, stack(features))
    rows = assign(entries, contents, duplicates, seed=seed)
    progress("measuring shortcut cues", 0, 1)
    cues, skipped = measure(features, questions([entry.label for entry in entries]), _fits(entries, rows), seed=seed)
    progress("measuring shortcut cues", 1, 1)
    document = _document(catalogue, features, duplicates, rows, cues)
    document["cues_skipped"] = skipped
    document["seed"] = seed
    document["findings"] = findings(document)
    document["seconds"] = round(time.monotonic() - start, 2)
    return Audit(document, rows)


def write_audit(found: Audit, folder: str | Path) -> None:
    """audit.json last, and beside it a table of each list in it.

    Raises:
        BadRun: the folder cannot be written to.
    """
    folder, document = Path(folder), found.document
    groups = document["duplicates"]["groups"]
    members = [{"group": g["id"], "kind": g["kind"], **member} for g in groups for member in g["members"]]
    conflicts = [{"group": c["group"], **member} for c in document["conflicts"] for member in c["members"]]
    files.write_rows(folder / "duplicates.csv", members, ("group", "kind", *_MEMBER))
    files.write_rows(folder / "conflicts.csv", conflicts, ("group", *_MEMBER))
    files.write_rows(folder / "unreadable.csv", document["unreadable"], ("path", "reason"))
    files.write_rows(folder / "cues.csv", document["cues"], _CUE)
    files.write_json(folder / "audit.json", document)


def subset_masks(rows: Sequence[SplitRow]) -> dict[str, Bool[np.ndarray, " n"]]:
    """Which rows belong to each subset that is reported on."""
    split = np.array([row.split for row in rows])
    leaked = np.array([row.leaked for row in rows], bool)
    masks = {name: split == name for name in SPLITS}
    masks |= {"test-leaked": masks["test"] & leaked, "test-clean": masks["test"] & ~leaked}
    return {name: masks[name] for name in SUBSETS}


def _fits(entries: Sequence[Entry], rows: Sequence[SplitRow]) -> list[Fit]:
    """Rules for the official test are fitted on all that its authors meant for training; the others on our train."""
    masks = subset_masks(rows)
    readable = np.array([bool(row.content) for row in rows], bool)
    whole = np.array([entry.official != "test" for entry in entries], bool) & readable
    inside = {"validation": masks["validation"], "holdout": masks["holdout"]}
    if not masks["test"].any():
        return [Fit("train", masks["train"], {"train": masks["train"], **inside})]
    tests = {name: masks[name] for name in ("test", "test-leaked", "test-clean")}
    return [Fit("training part", whole, {"train": whole, **tests}), Fit("train", masks["train"], inside)]


def _document(
    catalogue: Catalogue,
    features: Sequence[Features],
    duplicates: Duplicates,
    rows: Sequence[SplitRow],
    cues: Sequence[Cue],
) -> dict[str, Any]:
    entries, labels = catalogue.entries, np.array([entry.label for entry in catalogue.entries])
    masks = subset_masks(rows)
    groups = _groups(entries, duplicates)
    patients = [entry.patient is not None for entry in entries]
    return {
        "whyscan": __version__,
        "name": printable(catalogue.root.resolve().name),
        "images": len(entries),
        "readable": sum(bool(each.content) for each in features),
        "classes": _classes(catalogue),
        "splits": {
            name: {label: int((labels[mask] == label).sum()) for label in catalogue.classes}
            for name, mask in masks.items()
        },
        "unreadable": [
            {"path": entry.name, "reason": each.trouble}
            for entry, each in zip(entries, features, strict=True)
            if each.trouble
        ],
        "duplicates": {
            "exact_groups": sum(group["kind"] == "exact" for group in groups),
            "near_groups": sum(group["kind"] == "near" for group in groups),
            "images": sum(len(group["members"]) for group in groups),
            "groups": groups,
        },
        "leaks": _leaks(catalogue, features, duplicates, rows),
        "conflicts": _conflicts(groups),
        "patients_known": all(patients),
        "cues": [asdict(cue) for cue in cues],
        "readings": dict(Counter(sentence for each in features for sentence in each.reading)),
    }


def _classes(catalogue: Catalogue) -> dict[str, dict[str, int]]:
    counts = Counter((entry.label, entry.official or "all") for entry in catalogue.entries)
    parts = ("train", "test") if any(part == "test" for _, part in counts) else ("train",)
    if any(part == "all" for _, part in counts):
        parts = ("all",)
    return {label: {part: counts[label, part] for part in parts} for label in catalogue.classes}


def _groups(entries: Sequence[Entry], duplicates: Duplicates) -> list[dict[str, Any]]:
    """The groups of two scans and more, in order of their first member."""
    members: dict[int, list[int]] = {}
    for row, number in enumerate(duplicates.group.tolist()):
        members.setdefault(number, []).append(row)
    several = [rows for rows in members.values() if len(rows) > 1]
    return [
        {
            "id": f"d{number:05d}",
            "kind": "exact" if len(set(duplicates.content[rows].tolist())) == 1 else "near",
            "members": [_member(entries[row]) for row in rows],
        }
        for number, rows in enumerate(several, start=1)
    ]


def _member(entry: Entry) -> dict[str, Any]:
    return {"path": entry.name, "label": entry.label, "official": entry.official}


def _conflicts(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"group": group["id"], "members": group["members"]}
        for group in groups
        if len({member["label"] for member in group["members"]}) > 1
    ]


def _leaks(
    catalogue: Catalogue, features: Sequence[Features], duplicates: Duplicates, rows: Sequence[SplitRow]
) -> dict[str, Any] | None:
    """How much of the official test is in the training part: to the last pixel, nearly, or by patient."""
    readable = np.array([bool(each.content) for each in features], bool)
    test = np.array([entry.official == "test" for entry in catalogue.entries], bool) & readable
    if not test.any():
        return None
    training = readable & ~test
    labels = np.array([entry.label for entry in catalogue.entries])
    exact, near = test & duplicates.copies(training), test & duplicates.relatives(training)
    leaked = np.array([row.leaked for row in rows], bool)
    return {
        "test": int(test.sum()),
        "exact": int(exact.sum()),
        "near": int(near.sum()),
        "patient": int((leaked & ~near).sum()),
        "clean": int((test & ~leaked).sum()),
        "per_class": {
            label: {
                "test": int((test & (labels == label)).sum()),
                "exact": int((exact & (labels == label)).sum()),
                "near": int((near & (labels == label)).sum()),
            }
            for label in catalogue.classes
        },
    }
