"""A Keras graph's JSON: parsed with a limit, and refused where it carries code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE

MOST_BYTES = 64 * 2**20
_ROOTS = frozenset({"keras", "tf_keras", "keras_core", "tensorflow", "builtins", ""})
_CODE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})


def parse(content: str | bytes, name: str) -> Mapping[str, Any]:
    """The outermost model, {"class_name", "config"}.

    Raises:
        BadModel: too long, not JSON, nested too deep, no model, or a layer that carries code.
    """
    if len(content) > MOST_BYTES:
        raise BadModel(f"the graph of {name} has {len(content)} bytes", f"at most {MOST_BYTES}", "save the model again")
    try:
        config = json.loads(content)
        if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
            raise ValueError("no class_name and config")
    except (ValueError, RecursionError) as error:
        raise BadModel(f"the graph of {name} cannot be read ({error})", "JSON of a Keras model",
                       "save the model again") from error  # fmt: skip
    _refuse_code(config)
    return config


def _refuse_code(config: Any) -> None:
    waiting: list[tuple[Any, str]] = [(config, "")]
    while waiting:
        value, owner = waiting.pop()
        if isinstance(value, list):
            waiting += [(each, owner) for each in value]
        elif isinstance(value, dict):
            own = value.get("config")
            if isinstance(own, dict) and isinstance(own.get("name"), str):
                owner = own["name"]
            _check(value, owner)
            waiting += [(each, owner) for each in value.values()]


def _check(value: Mapping[str, Any], owner: str) -> None:
    kind, module, registered = (value.get(key) for key in ("class_name", "module", "registered_name"))
    if kind in _CODE:
        raise BadModel(
            f"layer {owner!r} holds code ({kind}), which is never run",
            "layers that Keras itself has",
            f"replace the layer by built-in ones and save again, or {FROM_OUTSIDE}",
        )
    foreign = isinstance(module, str) and isinstance(kind, str) and module.split(".")[0] not in _ROOTS
    custom = (
        isinstance(kind, str)
        and isinstance(registered, str)
        and ">" in registered
        and not registered.startswith("keras")
    )
    if foreign or custom:
        raise BadModel(
            f"layer {owner!r} is {kind} of {module}, code that is not in the file and is never imported",
            "layers that Keras itself has",
            f"replace the layer by built-in ones and save again, or {FROM_OUTSIDE}",
        )
