"""Baselines: what a path of gradients starts from."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float32

from whyscan.checks import is_number
from whyscan.errors import BadInput, BadScan
from whyscan.explain.games.fills import hidden

Baseline = Literal["black", "mean", "blur"] | float
"""No light; the scan's mean colour everywhere; the scan blurred; or one value in [0, 1]."""


def check_baseline(kind: Baseline) -> None:
    """Raises BadInput for an unknown one."""
    known = kind in ("black", "mean", "blur") if isinstance(kind, str) else is_number(kind) and 0 <= kind <= 1
    if not known:
        raise BadInput(f"baseline {kind!r}", '"black", "mean", "blur" or a number from 0 to 1', "choose one of them")


def baseline(pixels: Float32[np.ndarray, "c h w"], kind: Baseline) -> Float32[np.ndarray, "c h w"]:
    """The baseline of one scan.

    Raises:
        BadInput: an unknown kind.
        BadScan: the scan is its own baseline, so that there is no path between them.
    """
    check_baseline(kind)
    found = hidden(pixels, np.zeros(pixels.shape[1:], np.int32), 0.0 if kind == "black" else kind)
    if np.abs(found - pixels).max() < 1e-6:
        raise BadScan(
            f"the scan equals its baseline ({kind})", "a scan that differs from it", "choose another baseline"
        )
    return found
