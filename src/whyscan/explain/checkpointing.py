"""Networks that save memory by computing a part again during the backward pass (torch.utils.checkpoint).

The second run passes the hooks by, and the older way (`use_reentrant=True`) runs without gradients the first time.
Then torch refuses, or a layer inside seems to have no gradient, which would be told as a finding.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from whyscan.errors import BadModel

_MODULE = "torch.utils.checkpoint"


@contextmanager
def checkpoints_refused() -> Iterator[None]:
    """Around a backward pass: torch's own refusal, in words that say how to mend it.

    Raises:
        BadModel: a checkpoint was in the way.
    """
    try:
        yield
    except RuntimeError as error:
        if _MODULE not in str(error):
            raise
        raise _refusal() from error


def refuse_without_gradient() -> None:
    """Called from within a forward pass that is to be differentiated.

    Raises:
        BadModel: this part of the network runs without gradients because of a checkpoint around it.
    """
    if not torch.is_grad_enabled() and any(
        frame.f_globals.get("__name__") == _MODULE for frame, _ in traceback.walk_stack(None)
    ):
        raise _refusal()


def _refusal() -> BadModel:
    return BadModel(
        f"the network computes a part of itself again ({_MODULE}), which gradients or layers inside do not survive",
        "a network that runs once",
        "checkpoint in training only (if self.training; in timm set_grad_checkpointing(False)); "
        "use_reentrant=False is enough for layers outside that part",
    )
