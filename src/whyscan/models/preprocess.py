"""How a model wants its pixels scaled: (pixels in [0, 1] - mean) / std, per channel."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from whyscan.errors import BadModel


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Channels are red, green, blue."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

NORMALISATIONS: Mapping[str, Normalisation] = MappingProxyType(
    {"imagenet": IMAGENET, "x/127.5-1": SYMMETRIC, "x/255": UNIT}
)
"""By what people call them; x is a pixel in 0..255."""


def stated(metadata: Mapping[str, str], path: Path) -> Normalisation | None:
    """The normalisation that a weights file states in its metadata, or None where it states none.

    It may state `mean` and `std` (JSON lists of three, for pixels in [0, 1]) or `input`, a sentence that ends with
    a name of `NORMALISATIONS`: "224 RGB x/127.5-1".

    Raises:
        BadModel: it states one that is not known. Guessing would load silently and be wrong.
    """
    if "mean" in metadata or "std" in metadata:
        try:
            mean, std = _triple(metadata.get("mean", "")), _triple(metadata.get("std", ""))
            if not all(math.isfinite(value) for value in mean) or not all(0 < value < math.inf for value in std):
                raise ValueError("not finite, or a standard deviation of 0")
            return Normalisation(mean, std)
        except (ValueError, TypeError) as error:
            raise _unknown(path, f"mean {metadata.get('mean')}, std {metadata.get('std')}") from error
    words = re.sub(r"\s*([-/*+])\s*", r"\1", metadata.get("input", "")).split()
    rest = [word for word in words if not re.fullmatch(r"\d+(x\d+)*|RGB", word)]
    if not rest:
        return None
    if len(rest) == 1 and rest[0] in NORMALISATIONS:
        return NORMALISATIONS[rest[0]]
    raise _unknown(path, f"input {metadata['input']!r}")


def _triple(text: str) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in json.loads(text))
    return red, green, blue


def _unknown(path: Path, came: str) -> BadModel:
    return BadModel(
        f"{path} states a normalisation that is not known ({came})",
        f"one of {', '.join(NORMALISATIONS)}, or mean and std as JSON lists of three",
        "correct the file's metadata",
    )
