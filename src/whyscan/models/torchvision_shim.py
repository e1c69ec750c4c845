"""Let torchvision be imported beside a torch build that its own compiled part was not made for.

torchvision's registry builds expect a CUDA torch. Beside a CPU torch their compiled extension does not load, and
`import torchvision` then fails with "operator torchvision::nms does not exist", because it describes the shapes of
an operator that was never declared. Transforms and models need none of those operators: declaring their schemas is
enough. A matching pair imports at the first try and never meets any of this.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # a torch.library.Library takes its schemas along when it is collected


def ensure() -> None:
    """Make `import torchvision` (and so `import timm`) work; call it before either. Idempotent.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: torchvision fails for another reason than the missing schemas.
    """
    if "torchvision" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _declared or "torchvision::" not in str(error):
            raise
        _forget_half_import()
        _declare()
        importlib.import_module("torchvision")


def _declare() -> None:
    import torch

    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for schema in _SCHEMAS:
        library.define(schema)


def _forget_half_import() -> None:
    # Python drops the package that failed but keeps its finished submodules, which belong to that failed package.
    for name in [name for name in sys.modules if name.startswith("torchvision.")]:
        del sys.modules[name]
