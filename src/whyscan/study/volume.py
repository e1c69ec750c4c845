"""Whole volumes among the scans that are explained: which slices are empty, and what the others amount to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from whyscan.data.scan import Scan
from whyscan.data.sources import Source
from whyscan.errors import BadScan
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import Attribution, load_all
from whyscan.records.volume import montage, summarise_volume

BRIGHT = 0.1
"""Of the way from black to white: above it a pixel counts as tissue."""
HARDLY_ANY = 0.1
"""Of the tissue of the volume's fullest slice: a slice with less is empty."""
EMPTY = (
    f"A pixel brighter than {BRIGHT:.0%} of white is tissue; a slice with less than {HARDLY_ANY:.0%} of the tissue of "
    "the volume's fullest slice is empty, and is not explained."
)


def tissue(scan: Scan) -> int:
    """How many pixels are brighter than `BRIGHT`."""
    return int((scan.pixels.max(axis=0) > BRIGHT).sum())


def empty_slices(sources: Sequence[Source], progress: Progress = quiet) -> dict[int, str]:
    """Which of the sources are slices with hardly any tissue, by their number, and why that is said.

    Only slices of a volume of which several are explained can be empty: somebody who asks for one slice gets it.
    A slice that cannot be read is no matter of this function.
    """
    groups: dict[str, list[int]] = {}
    for number, source in enumerate(sources):
        if source.volume:
            groups.setdefault(source.volume, []).append(number)
    found: dict[int, str] = {}
    for numbers in groups.values():
        if len(numbers) > 1:
            found |= _empty(sources, numbers, progress)
    return found


def _empty(sources: Sequence[Source], numbers: Sequence[int], progress: Progress) -> dict[int, str]:
    counts: dict[int, int] = {}
    for done, number in enumerate(numbers):
        progress("looking for empty slices", done, len(numbers))
        try:
            counts[number] = tissue(sources[number].read())
        except BadScan:  # it is named when its turn comes
            continue
    progress("looking for empty slices", len(numbers), len(numbers))
    most = max(counts.values(), default=0)
    return {
        number: f"hardly any tissue: {count / most:.0%} of the pixels of the fullest slice are brighter than "
        f"{BRIGHT:.0%} of white, and {HARDLY_ANY:.0%} are asked for"
        for number, count in counts.items()
        if count < HARDLY_ANY * most
    }


def write_volumes(
    written: Mapping[str, Sequence[Mapping[str, str]]],
    empty: Mapping[str, Sequence[Mapping[str, str]]],
    out: Path,
    progress: Progress = quiet,
    *,
    draw: bool = True,
) -> list[dict[str, Any]]:
    """For each volume of which several slices were explained its document and its montages.

    Args:
        written: for each volume's name what was written of its slices: {method: NPZ}.
        empty: for each the slices that were left out: {"source", "reason"}.
        draw: whether to write the montages, too.

    Returns:
        {"name", "predicted", "mean", "sentence", "empty", "files"} of each.
    """
    several = {name: entries for name, entries in written.items() if len(entries) > 1}
    found = []
    for number, (name, entries) in enumerate(several.items()):
        progress("drawing montages", number, len(several))
        found.append(_write(name, entries, list(empty.get(name, ())), out, draw))
    progress("drawing montages", len(several), len(several))
    return found


def _write(
    name: str, entries: Sequence[Mapping[str, str]], empty: Sequence[Mapping[str, str]], out: Path, draw: bool
) -> dict[str, Any]:
    taken: set[str] = set()
    left = "1 slice" if len(empty) == 1 else f"{len(empty)} slices"
    notes = [f"Left out for hardly any tissue: {left}."] if empty else []
    pictures: list[str] = []
    whole = summarise_volume([_answer(Path(next(iter(entry.values())))) for entry in entries])
    document: dict[str, Any] = whole.as_record() | {"sentence": whole.sentence()}
    for method in dict.fromkeys(method for entry in entries for method in entry) if draw else ():
        # of many layers, the deepest
        slices = [load_all(Path(entry[method]))[-1] for entry in entries if method in entry]
        without = len(entries) - len(slices)
        said = [*notes, f"{method} failed on {without} more."] if without else notes
        taken.clear()
        for target in dict.fromkeys(target for each in slices for target in each.targets):
            path = out / f"{name}.{method}.{_part(target, taken)}.montage.png"
            files.write_bytes(path, montage(slices, target, notes=said))
            pictures.append(str(path))
    path = out / f"{name}.volume.json"
    document |= {"purpose": "research only, not for diagnosis", "empty": {"rule": EMPTY, "slices": list(empty)}}
    files.write_json(path, document | {"montages": [Path(each).name for each in pictures]})
    return {
        "name": name, "predicted": document["predicted"], "mean": document["mean"], "sentence": document["sentence"],
        "empty": list(empty), "files": [str(path), *pictures],
    }  # fmt: skip


def _answer(path: Path) -> Attribution:
    """What was predicted of a slice, whichever method asked."""
    return replace(load_all(path)[-1], method="", layer=None)


def _part(target: str, taken: set[str]) -> str:
    """A target as part of a file name; different targets stay different."""
    part = re.sub(r"[^\w.-]+", "-", target)[:60].strip("-.") or "unnamed"
    return files.free_name(part, taken)
