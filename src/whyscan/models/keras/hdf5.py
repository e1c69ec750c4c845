"""What Keras keeps in HDF5: weights, and names as attributes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import IO, Any

import numpy as np
from jaxtyping import Float32

from whyscan.data import hdf5
from whyscan.errors import BadModel


def opened(source: str | IO[bytes], name: str) -> AbstractContextManager[Any]:
    """See `data.hdf5.opened`. Raises BadModel."""
    return hdf5.opened(source, name, BadModel)


def array(dataset: Any, name: str) -> Float32[np.ndarray, ...]:
    """A dataset's numbers. Raises BadModel as `data.hdf5.array` does."""
    return np.asarray(hdf5.array(dataset, name, BadModel), np.float32)


def text(value: Any) -> str:
    """An attribute's text, which is bytes in older files."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise ValueError(f"an attribute is {type(value).__name__}, not text")


def names(attributes: Any, key: str) -> list[str]:
    """A list of names, which Keras cuts into key0, key1... where it is longer than 64 kB."""
    if key in attributes:
        return [text(each) for each in np.asarray(attributes[key]).tolist()]
    found: list[str] = []
    place = 0
    while f"{key}{place}" in attributes:
        found += [text(each) for each in np.asarray(attributes[f"{key}{place}"]).tolist()]
        place += 1
    return found
