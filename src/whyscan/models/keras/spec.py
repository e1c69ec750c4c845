"""What a Keras file says, in one form for every dialect: between those who read files and those who build networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

LayerPath = tuple[str, ...]
"""A layer's name after those of the models that it is nested in, outermost first; the outermost model has no name."""

Variables = Mapping[str, Float32[np.ndarray, "..."]]
"""A layer's arrays by their Keras names: kernel, bias, gamma, beta, moving_mean, depthwise_kernel..."""


@dataclass(frozen=True, eq=False)
class KerasFile:
    """A model file, parsed and not yet built.

    Attributes:
        config: the outermost model as its file says: {"class_name": "Functional" | "Model" | "Sequential", "config"}.
        weights: every layer that has variables, by its path; in Keras's own axes (convolutions h, w, in, out).
        format: the kind of file.
        version: the Keras that wrote it, such as "2.2.4-tf" or "3.4.1"; "" where the file does not say.
        sha256: of the whole file.
        classes: class names where the file holds them.
    """

    config: Mapping[str, Any]
    weights: Mapping[LayerPath, Variables]
    format: Literal["h5", "keras"]
    version: str
    sha256: str
    classes: tuple[str, ...] = ()
