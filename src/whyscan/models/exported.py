"""An exported program (.pt2) run node by node: its graph is JSON, its weights are bytes, and nothing is unpickled."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whyscan.errors import BadModel
from whyscan.models.script_ops import ATEN

_AGAIN = "export it again for a fixed size: torch.export.save(torch.export.export(model.eval(), (example,)), path)"
_KINDS = {2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
          8: torch.float64, 12: torch.bool, 1: torch.uint8}  # fmt: skip
_VALUES = ("as_ints", "as_int", "as_float", "as_floats", "as_bool", "as_bools", "as_string")


def read_exported(entries: Mapping[str, bytes], path: Path) -> Callable[[Tensor], Any]:
    """The program as a function of one image batch.

    Args:
        entries: the archive's, by name.
        path: for errors.

    Raises:
        BadModel: damaged, pickled constants, operators that are not on the list, more than one input.
    """
    files = {key.partition("/")[2]: value for key, value in entries.items()}
    try:
        program = json.loads(files["models/model.json"])["graph_module"]
        graph, signature = program["graph"], program["signature"]
        known = _tensors(files, "weights", path) | _tensors(files, "constants", path)
        taken, values = _inputs(signature, known)
        calls = [_call(node, path) for node in graph["nodes"]]
        given = signature["output_specs"][-1]["user_output"]["arg"]["as_tensor"]["name"]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, RecursionError) as error:
        raise BadModel(f"{path} is damaged or of a kind unknown here ({type(error).__name__}: {error})",
                       "an exported program with one image and one answer", _AGAIN) from error  # fmt: skip

    def run(x: Tensor) -> Any:
        now = {**values, taken: x}
        for function, arguments, named, outputs in calls:
            out = function(*(_value(each, now) for each in arguments), **{k: _value(v, now) for k, v in named.items()})
            now.update(zip(outputs, out if len(outputs) > 1 else (out,), strict=False))
        return now[given]

    return run


def _tensors(files: Mapping[str, bytes], kind: str, path: Path) -> dict[str, Tensor]:
    config = json.loads(files.get(f"data/{kind}/model_{kind}_config.json", b'{"config": {}}'))["config"]
    found = {}
    for name, entry in config.items():
        if entry["use_pickle"] or entry["tensor_meta"] is None:
            raise BadModel(f"{path} holds a pickled object ({name!r})", "tensors as plain bytes", _AGAIN)
        meta, content = entry["tensor_meta"], files[f"data/{kind}/{entry['path_name']}"]
        kind_of = _KINDS[meta["dtype"]]
        flat = torch.frombuffer(bytearray(content), dtype=kind_of) if content else torch.empty(0, dtype=kind_of)
        sizes, strides = ([int(side["as_int"]) for side in meta[key]] for key in ("sizes", "strides"))
        if math.prod(sizes) > flat.numel() or min((*sizes, *strides), default=0) < 0:
            raise BadModel(f"{path}: {name} is larger than its bytes", "whole tensors", "copy the file again")
        found[name] = flat.as_strided(sizes, strides, int(meta["storage_offset"]["as_int"])).clone()
    return found


def _inputs(signature: Mapping[str, Any], known: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The name of the image, and the values of all other inputs."""
    values, taken = {}, []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            taken.append(entry["arg"]["as_tensor"]["name"])
        else:
            values[entry["arg"]["name"]] = known[entry.get(f"{kind}_name", entry.get("tensor_constant_name"))]
    (image,) = taken
    return image, values


def _call(node: Mapping[str, Any], path: Path) -> tuple[Callable[..., Any], list[Any], dict[str, Any], list[str]]:
    """The operator, its arguments by place and by name, and the names of what it gives."""
    words = node["target"].split(".")
    if len(words) != 5 or words[:3] != ["torch", "ops", "aten"] or words[3] not in ATEN:
        raise BadModel(f"{path} uses {node['target']}", "operators of aten that compute on tensors", _AGAIN)
    function = getattr(getattr(torch.ops.aten, words[3]), words[4])
    arguments = [each["arg"] for each in node["inputs"] if each.get("kind", 1) != 2]
    named = {each["name"]: each["arg"] for each in node["inputs"] if each.get("kind", 1) == 2}
    outputs = []
    for out in node["outputs"]:
        ((kind, value),) = out.items()
        outputs += [each["name"] for each in value] if kind == "as_tensors" else [value["name"]]
    return function, arguments, named, outputs


def _value(argument: Mapping[str, Any], now: Mapping[str, Any]) -> Any:
    ((kind, value),) = argument.items()
    if kind in _VALUES:
        return value
    if kind == "as_tensor":
        return now[value["name"]]
    if kind == "as_tensors":
        return [now[each["name"]] for each in value]
    if kind == "as_none":
        return None
    if kind == "as_sym_int":
        return value["as_int"] if "as_int" in value else now[value["as_name"]]
    if kind == "as_sym_ints":
        return [each["as_int"] if "as_int" in each else now[each["as_name"]] for each in value]
    if kind == "as_optional_tensors":
        return [now[each["as_tensor"]["name"]] if "as_tensor" in each else None for each in value]
    if kind == "as_scalar_type":
        return _KINDS[value]
    if kind in ("as_device", "as_layout", "as_memory_format"):
        return {"as_device": torch.device("cpu"), "as_layout": torch.strided}.get(kind)
    raise KeyError(kind)
