"""Batches that shrink where memory is short: the answer is the same, it only takes longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from whyscan.errors import BadModel

R = TypeVar("R")

# What devices without an error of their own say; CUDA has `torch.cuda.OutOfMemoryError`.
_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


def halving(run: Callable[[slice], R], count: int, batch: int) -> Iterator[R]:
    """`run` on one slice after another of `count` items; where memory is short, on half as many from there on.

    Args:
        run: called with the slice of the items to work on. It may be called again for a part of the same slice.
        batch: how many items a slice has at first.

    Raises:
        BadModel: memory is short for a single item.
    """
    start, size = 0, max(1, batch)
    while start < count:
        result = _attempt(run, slice(start, min(start + size, count)))
        if result is None:
            size = (min(size, count - start) + 1) // 2
            continue
        yield result[0]
        start += size


def _attempt(run: Callable[[slice], R], part: slice) -> tuple[R] | None:
    """The result, or None where memory was short; by then the traceback, which holds on to tensors, is gone."""
    said = ""
    try:
        return (run(part),)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        said = str(error).partition("\n")[0][:200]
    if part.stop - part.start <= 1:
        raise BadModel(
            f"memory is short for a single scan ({said})", "room for one scan", "use a smaller input or the CPU"
        )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is short, in the words of whichever library."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in _WORDS)
