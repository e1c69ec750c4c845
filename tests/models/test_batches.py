from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.errors import BadModel
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import _bfloat16


def refusing(room: int, error: Exception, asked: list[slice]):
    def run(part: slice) -> list[int]:
        asked.append(part)
        if part.stop - part.start > room:
            raise error
        return list(range(part.start, part.stop))

    return run


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (allocated 3 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("count", "batch", "room"), [(11, 8, 2), (3, 100, 1), (5, 5, 5), (7, 3, 2), (0, 4, 1), (4, 0, 1)]
)
def test_every_item_comes_once_and_in_order_however_little_memory_there_is(error, count, batch, room) -> None:
    asked: list[slice] = []
    parts = list(halving(refusing(room, error, asked), count, batch))
    assert [item for part in parts for item in part] == list(range(count))
    # a size that was too large is not tried again
    sizes = [part.stop - part.start for part in asked]
    assert sizes == sorted(sizes, reverse=True)


def test_an_error_of_another_kind_comes_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(halving(refusing(1, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), []), 4, 4))


def test_too_little_memory_for_a_single_scan_is_named() -> None:
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand a long table")
    with pytest.raises(BadModel, match=r"single scan \(CUDA out of memory. Tried to allocate 2 GiB\)\."):
        list(halving(refusing(0, error, []), 4, 4))


class Cramped(nn.Module):
    """Has room for two scans at a time."""

    def __init__(self, room: int = 2) -> None:
        super().__init__()
        self.room, self.linear = room, nn.Linear(3, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.linear(pixels.mean((2, 3)))


def test_a_classifier_answers_the_same_in_smaller_batches() -> None:
    network = Cramped().eval()
    cramped = Classifier("cramped", ("a", "b"), (4, 4), network, ())
    pixels = np.random.default_rng(0).random((9, 3, 4, 4), np.float32)
    with torch.inference_mode():
        one_by_one = torch.cat([network(torch.from_numpy(pixels[i : i + 1])) for i in range(9)]).numpy()
    np.testing.assert_allclose(cramped.logits(pixels, batch=8), one_by_one, atol=1e-6)
    np.testing.assert_allclose(_bfloat16(cramped)(pixels, 8), one_by_one, atol=0.02)
    network.room = 0
    with pytest.raises(BadModel, match="single scan"):
        cramped.logits(pixels, batch=8)
