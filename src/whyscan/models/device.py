"""Where a network computes, by name."""

from __future__ import annotations

import torch

from whyscan.errors import BadInput


def find_device(name: str) -> torch.device:
    """The device of a name such as "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        BadInput: it is no device, or none of this machine.
    """
    here = devices()
    if name not in here:
        raise BadInput(f"device {name!r}", f"one that is here: {', '.join(here)}", "leave it out for the CPU")
    return torch.device(name)


def devices() -> list[str]:
    """The names of those that this machine has and torch can use."""
    cards = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu", *(["cuda", *cards] if cards else []), *(["mps"] if torch.backends.mps.is_available() else [])]
