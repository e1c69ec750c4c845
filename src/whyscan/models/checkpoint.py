"""A classifier on disk: model.safetensors (its weights) and model.json (everything else). Never a pickle.

A model that was not built on a backbone lies there as a copy of its own file: see `stored`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch

from whyscan.errors import BadInput, BadModel
from whyscan.models import stored, weights
from whyscan.models.backbones import HUBS, assemble, find_backbone, make_network
from whyscan.models.classifier import Classifier
from whyscan.records import files
from whyscan.records.geometry import Fit

_WEIGHTS, _RECORD, _NEXT = "model.safetensors", "model.json", ".model.json.next"
BACKBONE = "backbone"
BUILT = ("backbone", "architecture", "arguments", "head", "mean", "std", "origin")
"""What a classifier on a backbone says of itself in `about`."""
_TYPES: Mapping[str, type] = {
    "name": str, "classes": list, "input_size": list, "fit": str, "backbone": str, "architecture": str,
    "arguments": dict, "head": str, "mean": list, "std": list, "weights_sha256": str,
}  # fmt: skip


def save(classifier: Classifier, folder: Path, *, name: str | None = None) -> Classifier:
    """Write a classifier that `backbones.build` made or that was opened from a file; returns it with its new hash and
    record.

    The two files cannot be replaced in one step. So the new record is laid beside the old one first, and takes its
    place after the weights have: whenever the process is killed, one of the two records fits the weights, and
    `load` takes the one that does.

    Args:
        name: what it is called from now on; by default as before.

    Raises:
        BadModel: the classifier was made from a module of one's own, which no record can describe, or from a file that
            is not there any more.
        BadRun: the folder cannot be written to.
    """
    if (source := stored.source_of(classifier)) is not None:
        renamed = dataclasses.replace(classifier, name=name or classifier.name)
        record, learned = stored.write(renamed, source, folder)
        _put_down(folder, learned, record)
        return dataclasses.replace(renamed, hash=record["hash"], about={**record, "source": source})
    if lacking := [key for key in BUILT if key not in classifier.about]:
        raise BadModel(
            f"{classifier.name} does not say its {', '.join(lacking)}",
            "a classifier that was built on a backbone, or loaded from a model folder or a file",
            "keep your own module in your own format",
        )
    content = weights.serialise(classifier.network)
    saved = dataclasses.replace(classifier, name=name or classifier.name, hash=hashlib.sha256(content).hexdigest())
    record = _record(saved)
    _put_down(folder, content, record)
    return dataclasses.replace(saved, about=record)


def _put_down(folder: Path, content: bytes | None, record: Mapping[str, Any]) -> None:
    """Weights and record, or the record alone; see `save`."""
    if content is None:
        files.write_json(folder / _RECORD, record)
        return
    with files.atomic(folder / _WEIGHTS) as file:
        file.write(content)
        files.write_json(folder / _NEXT, record)
    files.rename(folder / _NEXT, folder / _RECORD)


def can_save(classifier: Classifier) -> bool:
    """Whether a model folder can hold the classifier: not a module or a function that is only in memory."""
    return stored.source_of(classifier) is not None or all(key in classifier.about for key in BUILT)


def load(path: Path) -> Classifier:
    """Read a classifier back, on the CPU and in eval mode.

    Args:
        path: the folder, or either of its two files.

    Raises:
        BadModel: a file is missing or damaged, the weights are not those of the record, timm has no such model, or the
            model was lent to its run in memory and is nowhere on disk.
    """
    folder = path if path.is_dir() else path.parent
    if (kind := _kind(folder)) != BACKBONE:
        return _load_other(folder, kind)
    for name in (_RECORD, _WEIGHTS):
        if not (folder / name).is_file():
            raise BadModel(
                f"{path} has no {name}", f"a model folder with {_WEIGHTS} and {_RECORD}", "train the model again"
            )
    record = _matching_record(folder)
    tensors, _ = weights.read_tensors(folder / _WEIGHTS)
    if not str(record["backbone"]).startswith(HUBS):  # its architecture is in the record: no hub is asked again
        find_backbone(record["backbone"])
    height, width = record["input_size"]
    try:
        with torch.random.fork_rng(devices=[]):
            network = make_network(record, (height, width), record["classes"])
    except BadInput as error:
        raise _damaged(folder, str(error)) from error
    weights.put(network, tensors, str(folder / _WEIGHTS), ignore=())
    stated, stored = ([*record["mean"], *record["std"]], [*network.mean.flatten(), *network.std.flatten()])
    if not all(math.isclose(a, float(b), rel_tol=1e-5, abs_tol=1e-6) for a, b in zip(stated, stored, strict=True)):
        raise _damaged(folder, "it states another normalisation than the weights hold")
    return assemble(
        network, record["name"], record["classes"], (height, width), record["fit"], record, record["weights_sha256"]
    )


def _kind(folder: Path) -> str:
    """What a model folder holds; a record that does not say is of a backbone. Damage is `_read_record`'s to tell."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return BACKBONE
    return str(record.get("kind", BACKBONE)) if isinstance(record, dict) else BACKBONE


def _load_other(folder: Path, kind: str) -> Classifier:
    if kind == stored.LENT:
        raise BadModel(
            f"the model of {folder} was lent to its run in memory",
            "a model that lies on disk",
            "open it as before; `whyscan trust` takes a service as --model NAME=ADDRESS, whyscan.trust any with lent=",
        )
    if kind != stored.KIND:
        known = ", ".join((BACKBONE, stored.KIND, stored.LENT))
        raise _damaged(folder, f"kind is {kind!r}, not one of {known}")
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    if "weights_sha256" in record:
        record = _matching_record(folder)
    return stored.read(folder, record)


def _record(classifier: Classifier) -> dict[str, Any]:
    about = classifier.about
    return {
        "whyscan": importlib.metadata.version("whyscan"),
        "name": classifier.name,
        "classes": list(classifier.classes),
        "input_size": list(classifier.input_size),
        "fit": classifier.fit,
        **{key: about[key] for key in ("backbone", "architecture", "arguments", "head")},
        "mean": list(about["mean"]),
        "std": list(about["std"]),
        "weights_sha256": classifier.hash,
        "layers": [layer.name for layer in classifier.layers],
        "origin": about["origin"],
        "training": about.get("training"),
        "versions": {package: importlib.metadata.version(package) for package in ("torch", "timm", "whyscan")},
    }


def _matching_record(folder: Path) -> dict[str, Any]:
    """The record whose hash is that of the weights: model.json, or the one that a killed `save` left beside it."""
    if not (folder / _WEIGHTS).is_file():
        raise BadModel(f"{folder} has no {_WEIGHTS}", f"a model folder with {_WEIGHTS}", "train the model again")
    actual = files.sha256(folder / _WEIGHTS)
    record = _read_record(folder, _RECORD)
    if record["weights_sha256"] == actual:
        return record
    if (folder / _NEXT).is_file():
        record = _read_record(folder, _NEXT)
        if record["weights_sha256"] == actual:
            return record
    raise BadModel(
        f"{folder / _WEIGHTS} is not the file that {_RECORD} describes (SHA-256 {actual[:12]}..., "
        f"recorded {record['weights_sha256'][:12]}...)",
        "the pair as it was saved",
        "copy both files again, or train the model again",
    )


def _read_record(folder: Path, name: str) -> dict[str, Any]:
    try:
        record = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from error
    if not isinstance(record, dict):
        raise _damaged(folder, "not an object")
    if record.get("kind", BACKBONE) == stored.KIND:
        if not isinstance(record.get("weights_sha256"), str):
            raise _damaged(folder, f"weights_sha256 is {record.get('weights_sha256')!r}")
        stored.check(folder, record)
        return record
    for key, kind in _TYPES.items():
        if not isinstance(record.get(key), kind):
            raise _damaged(folder, f"{key} is {record.get(key)!r}")
    sizes = record["input_size"]
    if len(sizes) != 2 or not all(isinstance(side, int) and 0 < side <= 4096 for side in sizes):
        raise _damaged(folder, f"input_size is {sizes}")
    numbers = [*record["mean"], *record["std"]]
    if len(record["mean"]) != 3 or len(record["std"]) != 3 or not all(isinstance(n, int | float) for n in numbers):
        raise _damaged(folder, f"mean is {record['mean']}, std is {record['std']}")
    if record["fit"] not in get_args(Fit):
        raise _damaged(folder, f"fit is {record['fit']!r}")
    return record


def _damaged(folder: Path, reason: str) -> BadModel:
    return BadModel(
        f"{folder / _RECORD} is damaged ({reason})", "the record as it was saved", "copy it again, or train again"
    )
