"""A model that was not made here, in a model folder: a copy of its file, and how it was opened.

The copy says what the network is; model.safetensors lies beside it only where the network was trained further, and
holds the weights that it has now. Nothing is converted, so whatever can be opened can be kept. A hub's model is two
files, and both are copied.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyscan.errors import BadModel, WhyscanError, printable
from whyscan.models import weights
from whyscan.models.classifier import Classifier
from whyscan.models.hub import CONFIG, FILES, WEIGHTS
from whyscan.records import files

KIND, LENT = "file", "memory"
"""What model.json calls a model that lies there as its own file, and one of which nothing lies there but the record."""
_COPY = "source/original"  # in a folder of its own, where no model.json of ours lies beside it
_TYPES: Mapping[str, type] = {
    "name": str, "classes": list, "input_size": list, "fit": str, "file": str, "sha256": str, "options": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model came from; in memory it is `Classifier.about["source"]`.

    Attributes:
        path: the file; a model folder writes only its name.
        sha256: of the file.
        options: what `load` was given with it.
        trained: whether the network's weights are no longer those of the file.
        config: the config.json that a hub's weights are opened with; None for all other files.
        config_sha256: of it.
        called: what it was asked for by, where that is not the file's name.
    """

    path: Path
    sha256: str
    options: Mapping[str, Any]
    trained: bool = False
    config: Path | None = None
    config_sha256: str = ""
    called: str = ""


def noted(classifier: Classifier, path: Path, options: Mapping[str, Any]) -> Classifier:
    """The same classifier, which now knows the file that it was opened from, so that a run can keep a copy."""
    kept = {name: value for name, value in options.items() if value is not None}
    if (found := classifier.about.get("preprocess_name")) and kept.get("preprocess", "auto") == "auto":
        kept["preprocess"] = found  # what was guessed today stays, whatever a later version would guess
    file, config = classifier.about.get(FILES, (path, None))
    source = Source(
        file, files.sha256(file), kept, config=config, config_sha256=files.sha256(config) if config else "",
        called=str(classifier.about.get("hub", "")),
    )  # fmt: skip
    return dataclasses.replace(classifier, about={**classifier.about, "source": source})


def source_of(classifier: Classifier) -> Source | None:
    found = classifier.about.get("source")
    return found if isinstance(found, Source) else None


def write(classifier: Classifier, source: Source, folder: Path) -> tuple[dict[str, Any], bytes | None]:
    """Copy the file into a model folder; returns the record that shall go with it, and the weights where they differ.

    Raises:
        BadModel: the file is not there any more, or not the one that was opened.
        BadRun: the folder cannot be written to.
    """
    copy = f"{_COPY}/{WEIGHTS}" if source.config else _COPY + _suffix(source.path)
    _copy(source.path, source.sha256, folder / copy)
    if source.config:
        _copy(source.config, source.config_sha256, folder / _COPY / CONFIG)
    content = weights.serialise(classifier.network) if source.trained else None
    about = {key: value for key, value in classifier.about.items() if key != "source" and _plain(value)}
    record = {
        **about,
        "whyscan": importlib.metadata.version("whyscan"),
        "kind": KIND,
        "name": classifier.name,
        "classes": list(classifier.classes),
        "input_size": list(classifier.input_size),
        "fit": classifier.fit,
        "file": copy,
        "sha256": source.sha256,
        "options": _options(source.options),
        "hash": hashlib.sha256(content).hexdigest() if content is not None else classifier.hash or source.sha256,
        "white_box": classifier.white_box,
        "layers": [layer.name for layer in classifier.layers],
        "origin": source.called or about.get("origin") or printable(source.path.name),
        "training": about.get("training"),
        "versions": {package: importlib.metadata.version(package) for package in ("torch", "timm", "whyscan")},
    }
    record.pop("weights_sha256", None)
    if source.config:
        record["config_sha256"] = source.config_sha256
    if content is not None:
        record["weights_sha256"] = record["hash"]
    return record, content


def lent(classifier: Classifier) -> dict[str, Any]:
    """The record of what no file can describe: a module or a function that a run was given in memory, or a service."""
    assumed = classifier.about.get("classes_from")
    return {
        **({"classes_from": assumed} if assumed else {}),
        "whyscan": importlib.metadata.version("whyscan"),
        "kind": LENT,
        "name": classifier.name,
        "classes": list(classifier.classes),
        "input_size": list(classifier.input_size),
        "fit": classifier.fit,
        "hash": classifier.hash,
        "white_box": classifier.white_box,
        "layers": [layer.name for layer in classifier.layers],
        "origin": classifier.about.get("origin") or "given in memory",
        "options": _options(classifier.about.get("opened_with") or {}),
        "training": None,
    }


def read(folder: Path, record: Mapping[str, Any]) -> Classifier:
    """Open a model folder's copy as it was opened before, with the weights that lie beside it where it has learned.

    Args:
        record: of the folder's model.json; where it has `weights_sha256`, that has been checked.

    Raises:
        BadModel: the copy is missing or not the recorded one, the record is damaged, or the file cannot be opened.
    """
    check(folder, record)
    path = folder / record["file"]
    _check_copy(path, record["sha256"], folder)
    config = path.parent / CONFIG if _is_pair(record) else None
    if config:
        _check_copy(config, record["config_sha256"], folder)
        if (path.parent / "model.json").exists():
            raise _damaged(folder, "another model.json lies in its copy")
    classifier = _open(path.parent if config else path, record["options"], folder)
    if len(record["classes"]) != len(classifier.classes) or tuple(record["input_size"]) != classifier.input_size:
        raise _damaged(folder, f"the file has {len(classifier.classes)} classes at {classifier.input_size} pixels")
    trained = "weights_sha256" in record
    if trained:
        tensors, _ = weights.read_tensors(folder / "model.safetensors")
        weights.put(classifier.network, tensors, str(folder / "model.safetensors"), ignore=())
    source = Source(
        path, record["sha256"], record["options"], trained, config, str(record.get("config_sha256", "")),
        str(record.get("hub", "")),
    )  # fmt: skip
    return dataclasses.replace(
        classifier,
        name=record["name"],
        classes=tuple(record["classes"]),
        hash=str(record.get("hash", "")),
        about={**classifier.about, **record, "source": source},
    )


def check(folder: Path, record: Mapping[str, Any]) -> None:
    """Raises BadModel where a record of this kind does not say what it must, or names a file outside of its folder."""
    for key, kind in _TYPES.items():
        if not isinstance(record.get(key), kind):
            raise _damaged(folder, f"{key} is {record.get(key)!r}")
    if not (_is_pair(record) or re.fullmatch(rf"{_COPY}(\.\w{{1,16}})?", record["file"])):
        raise _damaged(folder, f"file is {record['file']!r}")
    if _is_pair(record) and not isinstance(record.get("config_sha256"), str):
        raise _damaged(folder, f"config_sha256 is {record.get('config_sha256')!r}")
    names = record["classes"]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise _damaged(folder, f"classes are {names}")


def _is_pair(record: Mapping[str, Any]) -> bool:
    """Whether the copy is a hub's: weights with a config.json beside them."""
    return bool(record["file"] == f"{_COPY}/{WEIGHTS}")


def _check_copy(path: Path, recorded: str, folder: Path) -> None:
    if not path.is_file():
        came = f"{folder} has no {path.relative_to(folder).as_posix()}"
        raise BadModel(came, "the copy of the model's file", "take the model in again")
    actual = files.sha256(path)
    if actual != recorded:
        raise BadModel(
            f"{path} is not the file that model.json describes (SHA-256 {actual[:12]}..., recorded {recorded[:12]}...)",
            "the file as it was copied",
            "take the model in again",
        )


def _open(path: Path, options: Mapping[str, Any], folder: Path) -> Classifier:
    from whyscan.models.load import load  # the one door opens model folders, too, and so it imports this module

    given: dict[str, Any] = {name: tuple(value) if name == "input_size" and isinstance(value, list) else value
             for name, value in options.items()}  # fmt: skip
    try:
        return load(path, **given)
    except WhyscanError:
        raise
    except (TypeError, ValueError) as error:
        raise _damaged(folder, f"options {dict(options)}: {error}") from error


def _copy(path: Path, sha256: str, to: Path) -> None:
    if to.is_file() and files.sha256(to) == sha256:
        return
    if not path.is_file():
        raise BadModel(f"{path} is not there any more", "the file that was opened", "check the path")
    with files.atomic(to) as file, path.open("rb") as original:
        shutil.copyfileobj(original, file)
    if files.sha256(to) != sha256:
        files.remove(to)
        raise BadModel(f"{path} has changed since it was opened", "the same file", "open it again")


def _suffix(path: Path) -> str:
    return path.suffix if re.fullmatch(r"\.\w{1,16}", path.suffix) else ""


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def _plain(value: object) -> bool:
    """Whether JSON can hold it; an adapter may keep other things in memory."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(_plain(each) for each in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and value == value)


def _damaged(folder: Path, reason: str) -> BadModel:
    return BadModel(
        f"{folder / 'model.json'} is damaged ({reason})", "the record as it was saved", "take the model in again"
    )
