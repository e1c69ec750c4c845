"""Ask an image classifier why it said that about this scan, and whether to believe the answer.

The public names live in `whyscan.api` and are fetched when they are first used: `import whyscan` alone is quick,
changes nothing and does not load torch.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from whyscan.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'whyscan' has no attribute {name!r}")
    api = importlib.import_module("whyscan.api")
    if name not in api.__all__:
        raise AttributeError(f"module 'whyscan' has no attribute {name!r}")
    return getattr(api, name)


def __dir__() -> list[str]:
    api = importlib.import_module("whyscan.api")
    return ["__version__", *api.__all__]


class _Whyscan(ModuleType):
    """`explain`, `export`, `report`, `study`, `trust` are functions here and packages below: the functions win.

    The import system hangs every package that it loads onto its parent, where it would hide the function. To reach
    the packages, write `from whyscan.explain.cams import gradcam`; `import whyscan.explain.cams.gradcam as g`
    finds the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in ("explain", "export", "report", "study", "trust") and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Whyscan
