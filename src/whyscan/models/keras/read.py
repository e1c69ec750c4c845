"""Keras files, `.h5` and `.keras`, of Keras 2.2 to 3, as data: the graph and its weights, and nothing runs."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.errors import BadModel
from whyscan.models.keras import archive, config, hdf5
from whyscan.models.keras.spec import KerasFile, LayerPath
from whyscan.models.keras.variables import MODELS, Leaf, leaves, members, name_of, variables
from whyscan.records import files

_Weights = dict[LayerPath, dict[str, np.ndarray]]


def read(path: str | Path) -> KerasFile:
    """Parse a file. Which format it is, its content says and not its ending.

    Raises:
        BadModel: missing, damaged, not a Keras model, code in it, links out of it, or weights that do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise BadModel(f"{path.name} is no file", "a .keras or .h5 file", "check the path")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise BadModel(f"{path.name} cannot be read ({error.strerror})", "a file that this user may read",
                       "change its permissions") from error  # fmt: skip
    if start[:4] == b"PK\x03\x04" or zipfile.is_zipfile(path):
        return _read_archive(path)
    return _read_h5(path)


def _read_h5(path: Path) -> KerasFile:
    with hdf5.opened(str(path), path.name) as file:
        if "model_config" not in file.attrs:
            raise BadModel(
                f"{path.name} holds no model_config: weights without the graph",
                "a whole model, as model.save(...) writes it",
                "save the whole model (model.save), not its weights alone (model.save_weights)",
            )
        graph = config.parse(hdf5.text(file.attrs["model_config"]), path.name)
        stored = file.get("model_weights", {})
        versions = [each.attrs.get("keras_version") for each in (file, stored) if hasattr(each, "attrs")]
        version = next((hdf5.text(each) for each in versions if each is not None), "")
        weights = _legacy(graph, stored)
    return KerasFile(graph, weights, "h5", version, files.sha256(path))


def _read_archive(path: Path) -> KerasFile:
    held = archive.read_members(path)
    graph = config.parse(held["config.json"], path.name)
    try:
        metadata = json.loads(held.get("metadata.json", b"{}"))
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
    except (ValueError, RecursionError):
        version = ""
    with hdf5.opened(io.BytesIO(held["model.weights.h5"]), path.name) as file:
        weights: _Weights = {}
        _walk(graph, file, (), weights, path.name)
    return KerasFile(graph, weights, "keras", version, files.sha256(path))


# .keras: a group per layer, named after its class and counted within its model


def _walk(model: Mapping[str, Any], group: Any, before: LayerPath, weights: _Weights, name: str) -> None:
    inner = next((group[key] for key in ("layers", "_layer_checkpoint_dependencies") if key in group), None)
    counted: Counter[str] = Counter()
    for layer in members(model):
        kind, path = layer["class_name"], (*before, name_of(layer))
        stem = snake_case("Functional" if kind == "Model" else kind)
        key = f"{stem}_{counted[stem]}" if counted[stem] else stem
        counted[stem] += 1
        own = _group(inner, key, path[-1])
        if kind in MODELS:
            if own is not None:
                _walk(layer, own, path, weights, name)
            continue
        expected = sum(variables(kind, layer["config"]), ())
        stored = None if own is None or "vars" not in own else own["vars"]
        if not expected or stored is None:
            continue
        arrays = [hdf5.array(stored[str(place)], "/".join(path)) for place in range(len(stored))]
        weights[path] = dict(zip(expected, arrays, strict=False))
        if len(arrays) > len(expected):
            raise _mismatch(path, f"{len(arrays)} arrays", f"{len(expected)}: {', '.join(expected)}")


def _group(inner: Any, key: str, name: str) -> Any:
    """A layer's group. Where groups say whose they are, that counts and not the counting."""
    if inner is None:
        return None
    found = inner.get(key)
    if found is not None and "vars" in found and found["vars"].attrs.get("name", name) == name:
        return found
    said = (inner[each] for each in inner if "vars" in inner[each])
    return next((each for each in said if each["vars"].attrs.get("name") == name), found)


def snake_case(kind: str) -> str:
    """Conv2D -> conv2d, BatchNormalization -> batch_normalization: as Keras names groups."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


# .h5: a group per layer of the outermost model, a nested model's weights all in one


def _legacy(graph: Mapping[str, Any], stored: Any) -> _Weights:
    weights: _Weights = {}
    for layer in members(graph):
        name = name_of(layer)
        if name not in stored:
            continue
        arrays = [(each, hdf5.array(stored[name][each], f"{name}/{each}")) for each in _names(stored[name])]
        if layer["class_name"] in MODELS:
            frozen = isinstance(layer["config"], dict) and layer["config"].get("trainable") is False
            weights.update(_nested(layer, name, frozen, arrays))
        elif arrays:
            weights[(name,)] = _own(layer, name, arrays)
    return weights


def _names(group: Any) -> list[str]:
    return hdf5.names(group.attrs, "weight_names")


def _own(layer: Mapping[str, Any], name: str, arrays: Sequence[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A layer's variables by the names in the file; by their order where those say nothing ("Variable:0")."""
    expected = sum(variables(layer["class_name"], layer["config"]), ())
    by_name = {_variable(each): value for each, value in arrays}
    if len(by_name) == len(arrays) and (not expected or {*by_name} - {"kernel", "count"} <= {*expected}):
        return by_name
    if len(arrays) != len(expected):
        raise _mismatch((name,), f"{len(arrays)} arrays", f"{len(expected)}: {', '.join(expected)}")
    return dict(zip(expected, (value for _, value in arrays), strict=True))


def _nested(model: Mapping[str, Any], name: str, frozen: bool, arrays: Sequence[tuple[str, np.ndarray]]) -> _Weights:
    """A nested model's weights, by the names of layers where each is there once; else by Keras's order.

    Keras writes `trainable_weights + non_trainable_weights`; of a frozen layer all are in the second list.
    """
    inside = [leaf for leaf in leaves(model, (name,), frozen) if leaf.variables]
    known = Counter(leaf.path[-1] for leaf in inside)
    places = {leaf.path[-1]: leaf for leaf in inside}
    found: _Weights = {}
    for each, value in arrays:
        owner = next((part for part in reversed(each.split("/")[:-1]) if known[part] == 1), None)
        if owner is None or _variable(each) in found.get(places[owner].path, {}):
            return _ordered(name, inside, arrays)
        found.setdefault(places[owner].path, {})[_variable(each)] = value
    if all(_alike(leaf, found.get(leaf.path, {})) for leaf in inside):
        return found
    return _ordered(name, inside, arrays)


def _alike(leaf: Leaf, found: Mapping[str, Any]) -> bool:
    return {each.removeprefix("depthwise_") for each in found} - {"count"} == {
        each.removeprefix("depthwise_") for each in leaf.variables
    } - {"count"}


def _ordered(name: str, inside: Sequence[Leaf], arrays: Sequence[tuple[str, np.ndarray]]) -> _Weights:
    slots = list(_order(inside))
    if len(slots) != len(arrays):
        raise _mismatch((name,), f"{len(arrays)} arrays", f"{len(slots)}, one for each variable of its layers")
    found: _Weights = {}
    for (path, variable), (_, value) in zip(slots, arrays, strict=True):
        found.setdefault(path, {})[variable] = value
    return found


def _order(inside: Sequence[Leaf]) -> Iterator[tuple[LayerPath, str]]:
    for leaf in inside:
        yield from ((leaf.path, each) for each in (() if leaf.frozen else leaf.trainable))
    for leaf in inside:
        yield from ((leaf.path, each) for each in (leaf.variables if leaf.frozen else leaf.fixed))


def _variable(name: str) -> str:
    """block1_conv1/kernel:0 -> kernel; a second layer of one name has kernel_1."""
    return re.sub(r"_\d+$", "", name.split("/")[-1].split(":")[0])


def _mismatch(path: LayerPath, came: str, expected: str) -> BadModel:
    return BadModel(f"layer {'/'.join(path)!r} has {came} in the file", expected, "save the model again")
