"""Which values of a NIfTI volume lie between black and white: one stated window for all its slices."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Shaped

from whyscan.data.dicom_window import Asked, Window, full_range, percentile_range, spanning, usable
from whyscan.data.nifti_header import Header
from whyscan.errors import BadInput, BadScan

_SAMPLED = 1 << 22
"""Voxels that percentiles are taken of at most, spread evenly over the volume."""


def scaled_values(stored: Shaped[np.ndarray, "*shape"], header: Header) -> Float64[np.ndarray, "*shape"]:
    """Stored values after the file's rescaling."""
    with np.errstate(all="ignore"):
        return np.asarray(stored.astype(np.float64) * header.slope + header.inter)


def check_window(asked: Asked, header: Header) -> None:
    """Raises BadInput for a window that the file does not have, before its values are read."""
    if asked is None or asked in ("full", "percentile") or (asked == 0 and header.window is not None):
        return
    if isinstance(asked, tuple):
        if usable(asked[0], asked[1], "LINEAR_EXACT") is None:
            raise BadInput(f"the window {asked}", "(centre, width), the width above 0", "pass window=(500, 1000)")
        return
    own = "0 (cal_min to cal_max), " if header.window is not None else ""
    raise BadInput(
        f"the window {asked!r} of {header.name}", f"{own}(centre, width), 'full' or 'percentile'", "pass one of these"
    )


def choose(stored: Shaped[np.ndarray, "a b c"], header: Header, asked: Asked) -> tuple[Window, str]:
    """(the window of all slices of a volume, where it comes from). Raises BadScan for values beyond all bounds."""
    if isinstance(asked, tuple):
        return Window(asked[0], asked[1], "LINEAR_EXACT"), "as asked for"
    if asked == 0 and header.window is not None:
        return spanning(*header.window), "the file's cal_min to cal_max"
    if asked == "full":
        ends = [_ends(stored[..., k]) for k in range(stored.shape[2])]
        found = scaled_values(np.array([end for pair in ends for end in pair]), header)
        window, why = full_range(found, np.isfinite(found)), "minimum to maximum of the volume"
    else:
        values = np.ravel(stored, order="K")
        step = -(-values.size // _SAMPLED)
        sample = scaled_values(values[::step], header)
        which = "" if step == 1 else f", of every {step}th voxel"
        window = percentile_range(sample[np.isfinite(sample)])
        why = f"0.5th to 99.5th percentile of the volume{which}"
    if not (math.isfinite(window.centre) and math.isfinite(window.width)):
        raise BadScan(f"{header.name} holds values that are too large", "values below 1e300", "export it again")
    return window, why


def _ends(values: np.ndarray) -> tuple[float, ...]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else ()
