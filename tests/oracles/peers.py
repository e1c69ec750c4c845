"""quantus as the tests want it: imported without its dependencies' warnings, and asked about one scan at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that quantus imports: not ours to mend
    quantus = pytest.importorskip("quantus", reason="`make test` installs quantus; `pip install --no-deps quantus`")


class Grey(nn.Module):
    """A network of ours for scans of one channel, as which quantus is given them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey):
        return self.network(grey.expand(-1, 3, -1, -1))


def ask(metric: str, network: nn.Module, pixels: np.ndarray, target: int, values: np.ndarray, **settings: Any) -> Any:
    """What a metric of quantus says of one map (h, w) of one grey scan (h, w), raw and without a sign taken off."""
    softmax = settings.pop("softmax", True)
    call = settings.pop("call", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = {"disable_warnings": True, "display_progressbar": False, "normalise": False, "abs": False}
        made = getattr(quantus, metric)(**{**plain, **settings})
        found = made(
            model=Grey(network).eval(), x_batch=pixels[None, None].copy(), y_batch=np.array([target]),
            a_batch=values[None, None].astype(np.float64), channel_first=True, softmax=softmax, device="cpu", **call,
        )  # fmt: skip
    return found[0] if isinstance(found, list) and len(found) == 1 else found
