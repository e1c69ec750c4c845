"""A DICOM series of phantoms with a patient whose name must not get out, and attributions of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made_series
import numpy as np
import pytest

from whyscan.data.dicom import read_dicom
from whyscan.data.scan import Scan
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry

CLASSES = ("glioma", "meningioma", "no tumor")


def _attribution_of(scan: Scan, *, seed: int = 0, targets: tuple[str, ...] = CLASSES, **more: object) -> Attribution:
    """Random maps of a scan; `more` replaces fields."""
    rng = np.random.default_rng([seed, len(scan.content)])
    maps = np.maximum(rng.normal(size=(len(targets), 5, 5)), 0).astype(np.float32)
    fields: dict[str, object] = {
        "method": "gradcam", "heading": "Grad-CAM", "targets": targets, "classes": CLASSES,
        "geometry": Geometry.of(scan.shape, (64, 64)), "probabilities": np.array([0.7, 0.2, 0.1], np.float32),
        "maps": maps, "thumbnail": scan.thumbnail(), "layer": "blocks.4", "model": "small", "model_hash": "ab" * 32,
        "scan": scan.content, "source": scan.source, "place": scan.place,
    }  # fmt: skip
    return Attribution(**(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def write_slice() -> Callable[..., Path]:
    return made_series.write_slice


@pytest.fixture
def attribution_of() -> Callable[..., Attribution]:
    return _attribution_of


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Three slices whose file names run against their order in the patient."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(3):
        made_series.write_slice(folder / f"{9 - number}.dcm", number)
    return folder


@pytest.fixture
def attributions(series: Path) -> list[Attribution]:
    scans = [read_dicom(path) for path in sorted(series.glob("*.dcm"))]
    return [_attribution_of(scan, seed=number) for number, scan in enumerate(scans)]
