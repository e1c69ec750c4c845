"""What `explain` and its kin are given: a classifier and a scan, and what to do with what often comes instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.models.classifier import Classifier


def admit(classifier: object, scan: object) -> None:
    """Raises BadInput for a network, a file or an array that is not yet a classifier or a scan, and for many scans."""
    if not isinstance(classifier, Classifier):
        raise BadInput(f"{_kind(classifier)} as the classifier", "what whyscan.load gives", _loaded(classifier))
    if not isinstance(scan, Scan):
        raise BadInput(f"{_kind(scan)} as the scan", "one scan, as whyscan.read_scan gives", _read(scan))


def _kind(given: Any) -> str:
    """What it is, without all that is in it."""
    if isinstance(given, str | Path):
        return f"{str(given)!r}, a text or path,"
    if isinstance(given, np.ndarray | Tensor):
        return f"an array of shape {tuple(given.shape)}"
    return f"{'a network, ' if isinstance(given, nn.Module) else ''}{type(given).__name__},"


def _loaded(given: object) -> str:
    if isinstance(given, str | Path):
        return f"pass whyscan.load({str(given)!r})"
    if isinstance(given, Scan):
        return "the classifier comes first, the scan second"
    return "pass whyscan.load(network, classes=[...], input_size=224), which also takes a function"


def _read(given: object) -> str:
    if isinstance(given, str | Path):
        return f"pass whyscan.read_scan({str(given)!r})"
    if isinstance(given, np.ndarray | Tensor):
        return "save it as a PNG or TIFF and pass whyscan.read_scan(path)"
    if isinstance(given, list | tuple):
        return "ask for one after the other, or call a method itself: whyscan.GradCAM()(classifier, scans)"
    return "pass whyscan.read_scan(path)"
