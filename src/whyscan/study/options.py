"""Settings of methods as people type them: text to values, and named errors for what cannot be read."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from whyscan.errors import BadInput
from whyscan.explain.games.segments import Algorithm, Superpixels


def parse(given: Mapping[str, str], settings: Sequence[str] = ()) -> dict[str, Any]:
    """Options by name, fit for `explain.configure`.

    Args:
        given: text by the option's name; `superpixels` is ALGORITHM or ALGORITHM:COUNT.
        settings: NAME=VALUE each, for whatever else a method has.

    Raises:
        BadInput: not NAME=VALUE, a name twice, or superpixels that are not known.
    """
    texts = dict(given)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip() or name.strip() in texts:
            raise BadInput(f"--set {setting}", "NAME=VALUE, each name once", "write for instance --set steps=64")
        texts[name.strip()] = text.strip()
    return {name: _superpixels(text) if name == "superpixels" else _value(text) for name, text in texts.items()}


def _value(text: str) -> Any:
    """A number, True, False, None or a list of those; anything else is a word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _superpixels(text: str) -> Superpixels:
    algorithm, colon, count = text.partition(":")
    if algorithm not in get_args(Algorithm) or (colon and not count.isdigit()):
        known = ", ".join(get_args(Algorithm))
        raise BadInput(f"superpixels {text!r}", f"one of {known}, with :COUNT if wanted", "write for instance slic:80")
    return Superpixels(algorithm, int(count)) if colon else Superpixels(algorithm)  # type: ignore[arg-type]
