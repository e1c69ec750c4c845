"""How a model wants its pixels: (pixels in [0, 1] - mean) / std, per channel, and which colour comes first.

The one table of what people call these; every adapter, `whyscan.load` and `whyscan doctor` read it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from torch import Tensor

from whyscan.errors import BadModel

_Array = TypeVar("_Array", Tensor, np.ndarray)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """(pixels - mean) / std, then blue, green, red where `flip` says so.

    Attributes:
        mean, std: for red, green, blue, whatever `flip` says.
        flip: whether the network wants blue first.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flip: bool = False

    def apply(self, pixels: _Array) -> _Array:
        """Pixels (n, 3, h, w) in [0, 1], red first -> what the network is given."""
        scaled: _Array = (pixels - _spread(self.mean, pixels)) / _spread(self.std, pixels)
        return self._turned(scaled)

    def undo(self, given: _Array) -> _Array:
        """What the network is given -> pixels: the inverse of `apply`."""
        pixels: _Array = self._turned(given) * _spread(self.std, given) + _spread(self.mean, given)
        return pixels

    def _turned(self, array: _Array) -> _Array:
        if not self.flip:
            return array
        return array.flip(1) if isinstance(array, Tensor) else np.asarray(array[:, ::-1])


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
RAW = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
CAFFE = Normalisation((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255), flip=True)

NORMALISATIONS: Mapping[str, Normalisation] = MappingProxyType(
    {"/255": UNIT, "x/127.5-1": SYMMETRIC, "imagenet": IMAGENET, "caffe": CAFFE, "0..255": RAW}
)
"""By what people call them; x is a pixel in 0..255. "0..255" leaves pixels alone: the network scales them itself."""
_ALIASES = {"x/255": "/255"}


def find_normalisation(name: str) -> Normalisation:
    """Raises BadModel for a name that is not in the table."""
    found = NORMALISATIONS.get(_ALIASES.get(name, name))
    if found is None:
        raise BadModel(f"preprocess {name!r}", f"auto or one of {', '.join(NORMALISATIONS)}", "name one of these")
    return found


def name_of(normalisation: Normalisation) -> str:
    """What people call it, or its numbers.

    >>> name_of(SYMMETRIC)
    'x/127.5-1'
    """
    for name, known in NORMALISATIONS.items():
        close = np.allclose([*known.mean, *known.std], [*normalisation.mean, *normalisation.std], atol=1e-6)
        if close and known.flip == normalisation.flip:
            return name
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (normalisation.mean, normalisation.std))
    return f"(x/255 - ({mean})) / ({std})" + (", blue first" if normalisation.flip else "")


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
    name = _ALIASES.get(rest[0], rest[0])
    if len(rest) == 1 and name in NORMALISATIONS:
        return NORMALISATIONS[name]
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


def _spread(values: tuple[float, float, float], like: _Array) -> _Array:
    if isinstance(like, Tensor):
        return like.new_tensor(values).view(1, 3, 1, 1)
    return np.asarray(values, like.dtype).reshape(1, 3, 1, 1)
