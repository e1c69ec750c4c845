"""Pixels for training: every scan once on the model's grid, on disk, so that no epoch decodes a file.

One flat file of 16-bit values and, written after it, one index: a cache without its index is not there. It serves
every backbone of one input size and every seed, and is mapped, not loaded: memory does not grow with the data set.
Eight bits would halve it, but then a scan near a decision boundary could be judged differently from the cache and
from its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt16
from torch import Tensor

from whyscan.data.catalogue import Catalogue, Entry
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadRun
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.geometry import Fit, Geometry

_CHUNK = 64
_THREADS = 2
_TOP = 65535


@dataclass(frozen=True, eq=False)
class PixelCache:
    """Scans by content hash.

    Attributes:
        size: (height, width) in pixels.
        fit: how the scans were brought to it.
        places: content hash -> (offset into `data`, channels: 1 or 3).
        data: all scans' values, 0..65535, one after the other, each (c, h, w).
    """

    size: tuple[int, int]
    fit: Fit
    places: Mapping[str, tuple[int, int]]
    data: UInt16[np.ndarray, " values"]

    def scan(self, content: str) -> UInt16[np.ndarray, "c h w"]:
        start, channels = self.places[content]
        height, width = self.size
        return self.data[start : start + channels * height * width].reshape(channels, height, width)

    def batch(self, contents: Sequence[str]) -> Float[Tensor, "n c h w"]:
        """Values in [0, 1]; one channel where all of these scans are grey, three otherwise."""
        scans = [self.scan(content) for content in contents]
        channels = max(scan.shape[0] for scan in scans)
        stacked = np.stack([np.broadcast_to(scan, (channels, *self.size)) for scan in scans])
        return torch.from_numpy(stacked.astype(np.float32)).div_(_TOP)


def entries_of(catalogue: Catalogue, rows: Sequence[SplitRow]) -> dict[str, Entry]:
    """Content hash -> a file that has it.

    Raises:
        BadData: a row names a scan that the catalogue does not have, or has no content hash.
    """
    known = {entry.name: entry for entry in catalogue.entries}
    found: dict[str, Entry] = {}
    for row in rows:
        if row.path not in known or not row.content:
            came = f"{row.path} is in the split but {'cannot be read' if row.path in known else 'not in the data set'}"
            raise BadData(came, f"a scan of {catalogue.root.name}", "run the audit again, or exclude that row")
        found.setdefault(row.content, known[row.path])
    return found


def open_pixels(
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    size: tuple[int, int],
    fit: Fit,
    folder: Path,
    *,
    progress: Progress = quiet,
) -> PixelCache:
    """The cache of these rows' scans, built if it is not there whole.

    Args:
        folder: where caches of all sizes lie.

    Raises:
        BadData: a row's scan is not in the catalogue, or its pixels are not those that were audited.
        BadScan: a file cannot be read any more.
        BadRun: the folder cannot be written to.
    """
    entries = entries_of(catalogue, rows)
    key = hashlib.sha256("\n".join(sorted(entries)).encode()).hexdigest()[:16]
    path = folder / f"pixels-{size[0]}x{size[1]}-{fit}-{key}.u16"
    found = _read(path, size, fit, entries)
    if found is None:
        _write(path, size, fit, entries, progress)
        found = _read(path, size, fit, entries)
    if found is None:
        raise BadRun(f"{path} was damaged right after it was written", "a working disk", "check the disk")
    return found


def _read(path: Path, size: tuple[int, int], fit: Fit, wanted: Mapping[str, Entry]) -> PixelCache | None:
    try:
        places = {name: (int(at), int(c)) for name, at, c in files.read_json(path.with_suffix(".json"))}
        total = sum(channels for _, channels in places.values()) * size[0] * size[1]
        if path.stat().st_size != total * 2 or not wanted.keys() <= places.keys():
            return None
    except (BadRun, OSError, ValueError, TypeError):
        return None
    return PixelCache(size, fit, places, np.memmap(path, np.uint16, "r"))


def _write(path: Path, size: tuple[int, int], fit: Fit, entries: Mapping[str, Entry], progress: Progress) -> None:
    files.remove(path.with_suffix(".json"))
    places, offset = [], 0
    with files.atomic(path) as file:
        for number, (content, scan) in enumerate(_resized(size, fit, entries), start=1):
            file.write(scan.tobytes())
            places.append((content, offset, scan.shape[0]))
            offset += scan.size
            progress(f"reading scans at {size[0]} x {size[1]}", number, len(entries))
    files.write_json(path.with_suffix(".json"), places)


def _resized(
    size: tuple[int, int], fit: Fit, entries: Mapping[str, Entry]
) -> Iterator[tuple[str, UInt16[np.ndarray, "c h w"]]]:
    items = list(entries.items())
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(items), _CHUNK):  # in chunks, so that finished scans cannot pile up
            yield from pool.map(lambda item: (item[0], _one(size, fit, *item)), items[start : start + _CHUNK])


def _one(size: tuple[int, int], fit: Fit, content: str, entry: Entry) -> UInt16[np.ndarray, "c h w"]:
    scan = read_entry(replace(entry, mask=None))
    if scan.content != content:
        came = f"{entry.name} has other pixels than it had at the audit"
        raise BadData(came, "the audited file", "run the audit again")
    resized = Geometry.of(scan.shape, size, fit).to_model(scan.pixels)
    return np.asarray(np.round(np.clip(resized, 0, 1) * _TOP), np.uint16)
