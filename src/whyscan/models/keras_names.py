"""The names that keras.applications gives to the layers of an architecture that timm has too."""

from __future__ import annotations

from collections.abc import Sequence


def keras_names(architecture: str, names: Sequence[str]) -> dict[str, str]:
    return {}
