"""Windows: from a DICOM file's stored values to [0, 1], by the equations of the standard. Numpy only.

DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (VOI LUT).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from whyscan.errors import BadInput

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
PERCENTILES = (0.5, 99.5)
# What may be asked for: the number of one of the file's windows, its name in the file, (centre, width), or a word.
Asked = int | str | tuple[float, float] | None


@dataclass(frozen=True)
class Window:
    """Which values are shown between black and white.

    Attributes:
        centre, width: in the units that the rescaling leads to (for CT, Hounsfield units).
        function: LINEAR, LINEAR_EXACT or SIGMOID.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    def __str__(self) -> str:
        return f"centre {self.centre:g}, width {self.width:g}, {self.function}"


@dataclass(frozen=True, eq=False)
class Table:
    """A lookup table.

    Attributes:
        values: what the inputs first, first + 1, ... become; inputs outside get the first or last of them.
        first: the input that the first value is for.
        bits: how many bits a value has.
    """

    values: Shaped[np.ndarray, " n"]
    first: int
    bits: int

    def look_up(self, inputs: Shaped[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
        """The table's values at the inputs (rounded), clamped at its ends."""
        places = np.clip(np.rint(inputs) - self.first, 0, len(self.values) - 1).astype(np.intp)
        return np.asarray(self.values[places], np.float64)


def windowed(values: Shaped[np.ndarray, "h w"], window: Window) -> Float64[np.ndarray, "h w"]:
    """Values through a window to [0, 1]: PS3.3 C.11.2.1.2.1 (LINEAR), .3.1 (SIGMOID), .3.2 (LINEAR_EXACT)."""
    x = np.asarray(values, np.float64)
    if window.function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (x - window.centre) / window.width, -700, 700))))
    # LINEAR counts whole values: its width is the number of them, so that 8 bit is centre 128 and width 256.
    less = 1 if window.function == "LINEAR" else 0
    centre, width = window.centre - less / 2, window.width - less
    if width == 0:
        return (x > centre).astype(np.float64)
    return np.clip((x - centre) / width + 0.5, 0, 1)


def usable(centre: float, width: float, function: str) -> Window | None:
    """A window that the equations hold for, or None. LINEAR needs a width of 1; narrower ones are read as exact."""
    if not (math.isfinite(centre) and math.isfinite(width) and width > 0 and function in FUNCTIONS):
        return None
    if function == "LINEAR" and width < 1:
        function = "LINEAR_EXACT"
    return Window(centre, width, function)


def spanning(low: float, high: float) -> Window:
    """The window from `low` (black) to `high` (white)."""
    return Window((low + high) / 2, (high - low) or 1.0, "LINEAR_EXACT")


def full_range(values: Shaped[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> Window:
    """From the smallest to the largest valid value."""
    kept = values[valid]
    return spanning(float(kept.min()), float(kept.max())) if kept.size else Window(0.5, 1.0, "LINEAR_EXACT")


def percentile_range(values: Shaped[np.ndarray, " n"]) -> Window:
    """From the 0.5th to the 99.5th percentile; from minimum to maximum where these two are equal."""
    if not values.size:
        return Window(0.5, 1.0, "LINEAR_EXACT")
    low, high = (float(v) for v in np.percentile(values, PERCENTILES))
    return spanning(low, high) if high > low else spanning(float(values.min()), float(values.max()))


def parse_window(text: str | None) -> Asked:
    """The command line's window: "40,80" is (centre, width), "1" a number, everything else a word or a name.

    Raises:
        BadInput: two numbers that are no window.
    """
    if text is None or not text.strip():
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return text.strip()
    if len(numbers) == 1 and text.strip().isdecimal():
        return int(text)
    if len(numbers) != 2 or usable(numbers[0], numbers[1], "LINEAR") is None:
        raise BadInput(
            f"the window {text}", "CENTRE,WIDTH with a width above 0; the number of a window; a name; full; percentile",
            "write --window 40,80 for centre 40 and width 80",
        )  # fmt: skip
    return numbers[0], numbers[1]
