"""Settings of methods as people type them: text to values, and named errors for what cannot be read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from whyscan.data.read import read_labels, read_scans
from whyscan.errors import BadInput
from whyscan.explain.games.segments import Algorithm, Superpixels


def parse(given: Mapping[str, str], settings: Sequence[str] = ()) -> dict[str, Any]:
    """Options by name, fit for `explain.configure`.

    Args:
        given: text by the option's name; `superpixels` is ALGORITHM, ALGORITHM:COUNT or the file of a label map, and
            `references` a folder of scans.
        settings: NAME=VALUE each, for whatever else a method or its superpixels have.

    Raises:
        BadInput: not NAME=VALUE, a name twice, or superpixels that are not known.
        BadScan: a file that cannot be read.
    """
    texts = dict(given)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip() or name.strip() in texts:
            raise BadInput(f"--set {setting}", "NAME=VALUE, each name once", "write for instance --set steps=64")
        texts[name.strip()] = text.strip()
    found = {name: _READ.get(name, _value)(text) for name, text in texts.items()}
    cut = {item.name: found.pop(item.name) for item in fields(Superpixels) if item.name in found}
    if cut:
        found["superpixels"] = _with(found.get("superpixels", Superpixels()), cut)
    return found


def _with(superpixels: Any, settings: Mapping[str, Any]) -> Superpixels:
    if not isinstance(superpixels, Superpixels):
        came = f"{', '.join(settings)} beside a label map"
        raise BadInput(came, "settings of superpixels that are still to be made", "leave it out, or the label map")
    return replace(superpixels, **settings)


def _value(text: str) -> Any:
    """A number, True, False, None or a list of those; anything else is a word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _superpixels(text: str) -> Any:
    if Path(text).is_file():
        return read_labels(text)
    algorithm, colon, count = text.partition(":")
    if algorithm not in get_args(Algorithm) or (colon and not count.isdigit()):
        known = ", ".join(get_args(Algorithm))
        raise BadInput(
            f"superpixels {text!r}",
            f"one of {known}, with :COUNT if wanted; or a label map's file",
            "write for instance slic:80",
        )
    return Superpixels(algorithm, int(count)) if colon else Superpixels(algorithm)  # type: ignore[arg-type]


_READ: dict[str, Callable[[str], Any]] = {"superpixels": _superpixels, "references": read_scans}
