"""Where a network is, and the state that it answers in: eval mode, plain float32; what was changed is put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain

import torch
from torch import nn


def device_of(network: nn.Module) -> torch.device:
    """That of its first parameter or buffer; the CPU where it has none."""
    return next((each.device for each in chain(network.parameters(), network.buffers())), torch.device("cpu"))


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module in eval mode, then each back in the mode it was in (some may be frozen on purpose)."""
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def plain_float32(device: torch.device | str) -> Iterator[None]:
    """Float32 as it is on a CPU: no autocast, and no convolution in TensorFloat-32, which has 10 bits of mantissa and
    is what a graphics card uses by default.
    """
    kind = torch.device(device).type
    with contextlib.ExitStack() as stack:
        if torch.amp.is_autocast_available(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if kind == "cuda":
            cudnn = torch.backends.cudnn
            stack.enter_context(
                cudnn.flags(cudnn.enabled, cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic, False)
            )
        yield
