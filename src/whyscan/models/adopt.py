"""What every model that was not made here needs before it is a Classifier: names, size, scaling, a cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.preprocess import NORMALISATIONS, Normalisation, find_normalisation, name_of

FROM_OUTSIDE = (
    "explain it from outside: in Python whyscan.black_box of a function that runs it, from the shell the URL of a "
    "service that does"
)
"""How to mend it, where a file's network cannot be rebuilt here: its own library answers."""

LIMIT = 8 * 2**30
"""The largest model file that is read, in bytes."""

CHECK = "check with `whyscan doctor MODEL --data DIR`"


@dataclass(frozen=True, slots=True)
class Scaling:
    """How pixels are scaled for a model, and the sentence that says where that comes from."""

    normal: Normalisation
    said: str

    def facts(self) -> dict[str, Any]:
        """For `Classifier.about`. The name is that with which the model can be opened in this way again."""
        normal, name = self.normal, name_of(self.normal)
        again = {"preprocess_name": name} if name in NORMALISATIONS else {}
        return {
            "preprocess": self.said, **again, "mean": list(normal.mean), "std": list(normal.std), "bgr": normal.flip,
        }  # fmt: skip


def scaling(preprocess: str | Normalisation, auto: Scaling) -> Scaling:
    """What was asked for, or for "auto" what the adapter found.

    Raises:
        BadModel: no such name.
    """
    if preprocess == "auto":
        return auto
    asked = preprocess if isinstance(preprocess, Normalisation) else find_normalisation(preprocess)
    return Scaling(asked, f"{name_of(asked)}: as asked for")


def guess(normal: Normalisation, because: str) -> Scaling:
    """A scaling of which the file says nothing."""
    return Scaling(normal, f"{name_of(normal)}, a guess: the file does not say, and {because}; {CHECK}")


class Grey(nn.Module):
    """Three channels -> their mean, for networks of one."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean(1, keepdim=True)


def names(classes: Sequence[str] | None, width: int, model: str) -> tuple[str, ...]:
    """The class names of a head, "class 0", "class 1" and so on where none were given; two for a width of 1.

    Raises:
        BadModel: another number of names than the head is wide, or a name twice.
    """
    k = 2 if width == 1 else width
    if classes is None:
        return tuple(f"class {i}" for i in range(k))
    if len(classes) != k or len(set(classes)) != k:
        raise BadModel(
            f"{len(classes)} class names ({', '.join(classes)}) for {model}",
            f"{k} different ones: its head has {width} output{'' if width == 1 else 's'}",
            "name every class once, in the order of the outputs",
        )
    return tuple(classes)


def square(input_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size that may be one number."""
    return (input_size, input_size) if isinstance(input_size, int) else input_size


def readable(path: Path, limit: int = LIMIT) -> Path:
    """The path of a file that can be read and is not larger than the cap.

    Raises:
        BadModel: neither.
    """
    if not path.is_file():
        raise BadModel(f"{path} is not a file", "a model file", "check the path")
    if not 0 < (size := path.stat().st_size) <= limit:
        raise BadModel(f"{path} is {size} bytes long", f"1 to {limit} bytes", "copy the file again")
    return path


def probe(size: tuple[int, int], rows: int = 2) -> Tensor:
    """Images to try a model on, (rows, 3, h, w) in [0, 1]: smooth, coloured, each another one, always the same."""
    height, width = (torch.linspace(0, 1, side) for side in size)
    waves = [torch.sin(3.0 * (row + 1) * height[:, None] + (2.0 + channel) * width[None] + row + channel)
             for row in range(rows) for channel in range(3)]  # fmt: skip
    return (torch.stack(waves).view(rows, 3, *size) + 1) / 2
