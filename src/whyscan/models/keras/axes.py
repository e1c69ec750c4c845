"""Between Keras's order of axes (n, h, w, c) and torch's (n, c, h, w). Tensors of other ranks are the same in both."""

from __future__ import annotations

from torch import Tensor

from whyscan.errors import BadModel


def outwards(x: Tensor) -> Tensor:
    """As Keras would see it."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def inwards(x: Tensor) -> Tensor:
    """As torch keeps it."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def axis(number: int, rank: int, layer: str) -> int:
    """Keras's axis as torch counts it.

    Raises:
        BadModel: there is no such axis.
    """
    if not -rank <= number < rank:
        raise BadModel(f"layer {layer!r} works on axis {number} of {rank}", "an axis that exists", "repair the file")
    return {0: 0, 1: 2, 2: 3, 3: 1}[number % 4] if rank == 4 else number % rank


def aligned(tensors: list[Tensor]) -> list[Tensor]:
    """Of one rank, as Keras's merging layers do it: (n, c) beside an image is (n, 1, 1, c)."""
    rank = max((x.ndim for x in tensors), default=0)
    return [x[:, :, None, None] if rank == 4 and x.ndim == 2 else x for x in tensors]
