"""Pooled trunk features, computed once: what a head learns from while its trunk rests.

Kept on disk by trunk, input and precision, and looked up by scan content, in parts that are whole or not there:
a killed pass goes on where it was, a larger data set adds to it, and every seed and head uses the same one.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from whyscan.errors import BadModel
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.training.anatomy import Anatomy, trunk_digest
from whyscan.training.pixels import PixelCache

_PART = 256


def trunk_features(
    parts: Anatomy,
    pixels: PixelCache,
    contents: Sequence[str],
    folder: Path,
    *,
    bfloat16: bool,
    batch: int = 32,
    progress: Progress = quiet,
) -> Float32[np.ndarray, "n d"]:
    """The trunk's pooled output of these scans, in eval mode and without augmentation.

    Args:
        contents: the scans' content hashes; one may come twice.
        folder: where features of all trunks lie.
        bfloat16: compute under bfloat16 autocast.

    Raises:
        BadModel: the trunk answers with NaN or infinity.
        BadRun: the folder cannot be written to.
    """
    key = hashlib.sha256(f"{trunk_digest(parts)} {pixels.size} {pixels.fit} {bfloat16}".encode()).hexdigest()[:16]
    own = folder / f"features-{key}"
    known = _read(own)
    missing = list(dict.fromkeys(content for content in contents if content not in known))
    for start in range(0, len(missing), _PART):
        part = missing[start : start + _PART]
        found = []
        for at in range(0, len(part), batch):
            found.append(_forward(parts, pixels, part[at : at + batch], bfloat16))
            progress("one pass through the trunk", min(start + at + batch, start + len(part)), len(missing))
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise BadModel("the trunk's features are NaN or infinite", "finite features", "check its weights file")
        _write(own, part, features)
        known.update(zip(part, features, strict=True))
    return np.stack([known[content] for content in contents])


def _forward(parts: Anatomy, pixels: PixelCache, contents: Sequence[str], bfloat16: bool) -> np.ndarray:
    parts.network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        inputs = pixels.batch(contents).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        features = parts.features(inputs).float().flatten(1).numpy()
    return np.asarray(features, np.float32)


def _write(folder: Path, contents: Sequence[str], features: np.ndarray) -> None:
    with files.atomic(folder / f"{contents[0][:16]}-{len(contents)}.npz") as file:
        np.savez(file, contents=np.array(contents, np.str_), features=features)


def _read(folder: Path) -> dict[str, np.ndarray]:
    known: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("[!.]*.npz")):
        try:
            # opened here, because NumPy leaves a damaged archive's file open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                part = dict(zip(stored["contents"].tolist(), stored["features"], strict=True))
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
            continue  # damaged on disk: it is only a cache, so the part is computed again
        known.update(part)
    return known
