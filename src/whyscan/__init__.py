"""Ask an image classifier why it said that about this scan, and whether to believe the answer.

The public names live in `whyscan.api` and are fetched when they are first used: `import whyscan` alone is quick,
changes nothing and does not load torch.
"""

from __future__ import annotations

import importlib
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
