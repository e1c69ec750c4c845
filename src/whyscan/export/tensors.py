"""Safetensors: the arrays of attributions for other programs, with everything else in a JSON file beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.records.attribution import _pack as pack
from whyscan.records.attribution import _unpack as unpack

_FORMAT = "whyscan attributions 1"


def save_tensors(attributions: Sequence[Attribution], path: Path) -> list[Path]:
    """Write `path` (*.safetensors) and the JSON of the same name: raw arrays, and what they are.

    Raises:
        BadRun: the folder cannot be written to.
    """
    from safetensors.numpy import save

    header, arrays = pack(attributions)
    beside = path.with_suffix(".json")
    content = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    files.write_bytes(path, save(content, metadata={"format": _FORMAT}))
    files.write_json(beside, {"format": _FORMAT, "arrays": path.name, "attributions": [_plain(e) for e in header]})
    return [path, beside]


def load_tensors(path: Path) -> list[Attribution]:
    """What `save_tensors` wrote. Raises BadRun where either file is missing, damaged or of another make."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    document = files.read_json(path.with_suffix(".json"))
    try:
        arrays = load(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}")
        return [unpack(entry, arrays) for entry in _entries(document)]
    except FileNotFoundError:
        raise BadRun(f"{path} is missing", "a saved attribution", "explain the scan again") from None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BadRun(f"{path} is damaged ({error})", "a saved attribution", "explain the scan again") from error


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Numbers that were not measured (NaN) as null: JSON has no other word for them."""
    return {name: _known(value) for name, value in entry.items()}


def _known(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items()}
    return [_known(each) for each in value] if isinstance(value, list | tuple) else value


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries, with null among the measured numbers read as NaN again."""
    entries = []
    for entry in document["attributions"]:
        measured = {
            name: [float("nan") if each is None else each for each in values]
            for name, values in entry.get("measured", {}).items()
        }
        entries.append({**entry, "measured": measured})
    return entries
