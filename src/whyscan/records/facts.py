"""What an attribution knows of itself, in sentences: how much it rests on, and how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:
    from whyscan.records.attribution import Attribution


def told_from_zero(attribution: Attribution) -> Bool[np.ndarray, "t s"] | None:
    """Which superpixels' 95 % intervals leave out 0; None where there are no intervals."""
    intervals = attribution.intervals
    return None if intervals is None else np.asarray((intervals[..., 0] > 0) | (intervals[..., 1] < 0))


def note(attribution: Attribution, target: str) -> str:
    """Why a target's map is not there, or is not to be trusted; "" where it is there."""
    row = attribution.index(target)
    why = attribution.diagnosis[row] if row < len(attribution.diagnosis) else ""
    return why.removeprefix("there").removeprefix(", ")


def facts(attribution: Attribution) -> list[str]:
    """How sure the map is of itself, as far as its method knows."""
    found = []
    if attribution.evaluations:
        plural = "s" if attribution.evaluations > 1 else ""
        found.append(f"From {attribution.evaluations:,} evaluation{plural} of the model.")
    apart = told_from_zero(attribution)
    if apart is not None:
        told = ", ".join(f"{target} {n}" for target, n in zip(attribution.targets, apart.sum(1), strict=True))
        found.append(f"Superpixels whose 95 % interval leaves out 0, of {apart.shape[1]}: {told}.")
    if attribution.converged is not None:
        found.append(
            "The ranking had settled." if attribution.converged else "The ranking had not settled: read it with care."
        )
    for name, values in attribution.measured.items():
        numbers = ", ".join(f"{target} {_number(v)}" for target, v in zip(attribution.targets, values, strict=True))
        found.append(f"{name[:1].upper()}{name[1:]}: {numbers}.")
    if attribution.deviation:
        deviation = _number(attribution.deviation)
        found.append(f"Computed by {attribution.engine}, at most {deviation} from the float32 model.")
    return found


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
