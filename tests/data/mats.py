"""MATLAB 7.3 files as in the set of Cheng et al., written as MATLAB writes them: HDF5 behind 512 bytes, transposed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_mat(path: Path, *, seed: int = 0, label: float = 2.0, patient: str = "100360", **instead: Any) -> np.ndarray:
    """Write one file; returns its image (h, w). `instead` replaces fields; None leaves one out."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 2000, (40, 48)).astype(np.int16)
    mask = np.zeros(image.shape, np.uint8)
    mask[5:12, 20:33] = 1
    fields = {
        "image": image, "label": np.array([[label]]), "PID": np.array([[ord(c)] for c in patient], np.uint16),
        "tumorMask": mask, "tumorBorder": np.zeros((1, 8)),
    } | instead  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("cjdata")
        for name, value in fields.items():
            if value is not None:
                stored = value.T if name in ("image", "tumorMask") and value.ndim == 2 else value
                group.create_dataset(name, data=stored, compression="gzip" if value.size > 100 else None)
    start = b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(124, b" ") + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(start)
    return image
