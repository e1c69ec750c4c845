"""Scale: the colour bar beside pictures, as pixels, with its numbers and its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from whyscan.render import lettering, numerals, overlay

_WIDTH, _TICK = 10, 4  # pixels of the bar, of the strokes beside it
_NUMBERS, _UNIT = 11, 12  # sizes of letters


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours of some pictures stand for.

    Attributes:
        signed: whether it has a negative half.
        limit: the end that the pictures were painted with.
        unit: what the values are.
        share: of a map's values that the scale spans; those beyond are painted like its ends.
        alpha: the opacity at the end.
    """

    signed: bool
    limit: float
    unit: str
    share: float = 1.0
    alpha: float = 0.7

    @property
    def ends(self) -> tuple[float, float]:
        """A blank map's scale goes to 1, for want of a number."""
        end = self.limit if self.limit > 0 else 1.0
        return (-end if self.signed else 0.0), end

    @property
    def label(self) -> str:
        """The unit, and what else is to be known of the scale."""
        beyond = "" if self.share == 1 else f" (up to {1 - self.share:.0%} of the pixels lie beyond)"
        return f"{self.unit}{beyond}{' (blank)' if self.limit == 0 else ''}"


def bar(scale: Scale, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """The bar, its numbers and its unit; half a line more than so many pixels high at either end."""
    (low, high), half = scale.ends, lettering.pitch(_NUMBERS) // 2
    at = ticks(low, high)
    numbers = labels(at)
    unit = lettering.upwards(lettering.wrapped(scale.label, _UNIT, height), _UNIT)
    left = _WIDTH + _TICK + 4
    right = left + lettering.widest(numbers, _NUMBERS) + 6
    page = Image.new("RGB", (right + unit.width, height + 2 * half), "white")
    page.paste(_ramp(scale, height), (0, half))
    for value, number in zip(at, numbers, strict=True):
        y = half + round((high - value) / (high - low) * (height - 1))
        page.paste(lettering.INK, (_WIDTH, y, _WIDTH + _TICK, y + 1))
        lettering.write(page, [number], (left, y - round(0.62 * _NUMBERS)), _NUMBERS, anchor="l")
    page.paste(unit, (right, (page.height - unit.height) // 2))
    return np.asarray(page)


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers between the ends: multiples of 1, 2 or 5."""
    tenth = 10.0 ** math.floor(math.log10((high - low) / 10))
    step = next(n * tenth for n in (1, 2, 5, 10, 20, 50, 100) if (high - low) / (n * tenth) <= 6)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def labels(values: list[float]) -> list[str]:
    """Numbers of one step, each with the same digits; powers of ten where they are very small or large."""
    end, step = max(map(abs, values)), values[1] - values[0]
    if not 1e-4 <= step <= end < 1e5:
        return [numerals.minus(f"{value:.2g}") if value else "0" for value in values]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [numerals.fixed(value, digits) for value in values]


def _ramp(scale: Scale, height: int) -> Image.Image:
    colours = overlay.bar(signed=scale.signed, alpha=scale.alpha, steps=height)[::-1]
    ramp = np.repeat(colours[:, None], _WIDTH, axis=1)
    ramp[[0, -1]] = ramp[:, [0, -1]] = lettering.INK
    return Image.fromarray(ramp)
