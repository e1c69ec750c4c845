"""Models by their name on a hub: "hf-hub:owner/name" of Hugging Face, "timm:resnet50.a1_in1k", or a folder.

Two files are fetched, config.json and model.safetensors, and both are read as data. A repository that has its weights
only as a pickle is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.adopt import Scaling, names, scaling, square
from whyscan.models.backbones import ARGUMENTS, HUBS, Backbone, timm_library
from whyscan.models.classifier import Classifier
from whyscan.models.preprocess import IMAGENET, Normalisation, name_of
from whyscan.models.skeleton import assembled, fitting, skeleton_of
from whyscan.records.geometry import Fit

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FILES = "hub_files"
"""Under what `Classifier.about` keeps the two files, as long as it is in memory: first the weights."""
LIMIT = 2**20
"""The largest config.json that is read."""


@dataclass(frozen=True, eq=False)
class HubModel:
    """A config and the weights that it is for.

    Attributes:
        entry: the trunk: architecture, arguments, input size, normalisation.
        config, weights: config.json and the .safetensors file, on this machine.
        classes: the names of its outputs, or None where it does not say them.
    """

    name: str
    entry: Backbone
    config: Path
    weights: Path
    classes: tuple[str, ...] | None


def is_hub(model: str | Path) -> bool:
    """Whether this is a hub's name, or a folder of its files."""
    path = Path(model)
    return str(model).startswith(HUBS) or ((path / CONFIG).is_file() and not (path / "model.json").is_file())


def open_hub(
    model: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
) -> Classifier:
    """A classifier from a hub, with its own head. It is a white box.

    Args:
        model: "hf-hub:owner/name" or "hf-hub:owner/name@revision", a model of timm; "timm:NAME"; or a folder that holds
            the repository's config.json and model.safetensors.
        classes: names in the order of the head; by default those in config.json, of ImageNet's heads ImageNet's.
        input_size, preprocess: config.json's own by default.

    Raises:
        BadModel: a name that no hub has, no network, no safetensors, another library's model, or weights that do not
            fit the architecture.
    """
    found = find_hub(model)
    tensors, _ = weights.read_tensors(found.weights)
    fitted = fitting(skeleton_of(found.entry), tensors)
    width = fitted.width(found.weights)
    own = found.classes if found.classes is not None and len(found.classes) == width else imagenet_names(width)
    own_scaling = found.entry.normalisation
    scaled = scaling(preprocess, Scaling(own_scaling, f"{name_of(own_scaling)}: its config.json says so"))
    side = found.entry.input_size
    made = assembled(
        fitted, names(classes or own, width, found.name), square(input_size or side), scaled,
        fit=fit, name=name or short(found.name),
        origin=found.weights, backbone=found.entry.architecture,
    )  # fmt: skip
    from_ = (
        {} if classes or own is None else {"classes_from": "its config.json" if own is found.classes else "ImageNet"}
    )
    files = {FILES: (found.weights, found.config)}
    return replace(made, about={**made.about, "hub": found.name, **from_, **files})


def short(model: str) -> str:
    """What a hub's name ends in: "thing" for "hf-hub:owner/thing"."""
    return model.rpartition("/")[2].rpartition(":")[2]


def find_hub(model: str | Path) -> HubModel:
    """The config and the weights' file, fetched where they are not here yet. Raises BadModel as `open_hub` does."""
    text = str(model)
    if text.startswith(HUBS):
        repository, revision = _repository(text)
        config, file = (_fetched(text, repository, revision, each) for each in (CONFIG, WEIGHTS))
    else:
        text, config, file = Path(model).name, Path(model) / CONFIG, Path(model) / WEIGHTS
        if not file.is_file():
            raise BadModel(f"{model} has a {CONFIG} and no {WEIGHTS}", "both", "fetch the whole repository")
    found = _read(config, text)
    return HubModel(text, _entry(found, text), config, file, _labels(found))


def _repository(text: str) -> tuple[str, str | None]:
    """The repository and the revision that a name means."""
    prefix, _, rest = text.partition(":")
    if prefix == "timm":
        timm = timm_library()
        known = rest.partition(".")[0] in timm.list_models()
        config = timm.get_pretrained_cfg(rest) if known else None
        if config is None or not config.hf_hub_id:
            raise BadModel(f"timm has no published weights {rest!r}", "a name of timm.list_pretrained()", "correct it")
        return str(config.hf_hub_id), None
    repository, _, revision = rest.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or ".." in repository:
        raise BadModel(f"model {text!r}", "hf-hub:owner/name, or hf-hub:owner/name@revision", "correct the name")
    return repository, revision or None


def _fetched(text: str, repository: str, revision: str | None, file: str) -> Path:
    """The file in the hub's cache on this machine."""
    import huggingface_hub
    from huggingface_hub import errors

    if repository.count("/") == 0:
        repository = f"timm/{repository}"
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision))
    except errors.LocalEntryNotFoundError as error:  # before EntryNotFoundError, of which it is one
        raise _unreachable(text, repository, file, error) from error
    except errors.EntryNotFoundError as error:
        pickled = " (weights that are only there as a pickle are refused: it can run code)" if file == WEIGHTS else ""
        raise BadModel(f"{repository} has no {file}{pickled}", f"a model of timm with {CONFIG} and {WEIGHTS}",
                       "choose another repository, or convert its weights to safetensors") from error  # fmt: skip
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise BadModel(f"{text} is not on Hugging Face, or not open to you", "a repository that is there",
                       "correct the name") from error  # fmt: skip
    except Exception as error:  # the client's own, and those of the two libraries that it connects with
        raise _unreachable(text, repository, file, error) from error


def _unreachable(text: str, repository: str, file: str, error: Exception) -> BadModel:
    return BadModel(
        f"{file} of {text} could not be fetched ({type(error).__name__})",
        "a connection to huggingface.co, or the files in its cache",
        f"where there is a network run `hf download {repository} {CONFIG} {WEIGHTS} --local-dir DIR`, and open DIR",
    )


def _read(path: Path, text: str) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LIMIT:
            raise ValueError(f"{path.stat().st_size} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(f"{CONFIG} of {text} cannot be read ({error})", "a JSON object", "fetch it again") from error
    if not isinstance(found.get("architecture"), str):
        other = found.get("architectures") or found.get("model_type") or "nothing that timm knows"
        raise BadModel(
            f"{text} is no model of timm: its {CONFIG} names {other}",
            "an architecture of timm",
            "load it with its own library and pass the module: whyscan.load(module, classes=..., input_size=...)",
        )
    return found


def _entry(config: Mapping[str, Any], text: str) -> Backbone:
    """What config.json says of the trunk; older ones say it without a pretrained_cfg."""
    architecture = str(config["architecture"])
    timm = timm_library()
    if not timm.is_model(architecture):
        raise BadModel(f"{text} is a {architecture[:80]!r}", "an architecture of this timm", "update timm")
    inner = config.get("pretrained_cfg")
    told: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config
    arguments = config.get("model_args") or {}
    if not isinstance(arguments, Mapping) or (odd := sorted(map(str, set(arguments) - {*ARGUMENTS, *_WIDTHS}))):
        odd = odd if isinstance(arguments, Mapping) else ["no object"]
        raise BadModel(
            f"{text} sets {', '.join(odd)[:200]}", f"some of {', '.join(ARGUMENTS)}", "build the model and pass it"
        )
    try:
        size = told.get("input_size") or [3, 224, 224]
        side = int(size[-1])
        mean, std = ([float(each) for each in told.get(key) or ()] for key in ("mean", "std"))
        normal = Normalisation((mean[0], mean[1], mean[2]), (std[0], std[1], std[2])) if mean or std else IMAGENET
        if not 0 < side <= 2**14 or not all(0 < each < 1e6 for each in normal.std):
            raise ValueError("out of range")
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise BadModel(
            f"{CONFIG} of {text}: input_size, mean or std is damaged ({error})", "numbers", "mend it"
        ) from error
    kept = {key: value for key, value in arguments.items() if key in ARGUMENTS}
    return Backbone(architecture, side, normal, arguments=kept)


_WIDTHS = ("num_classes", "in_chans")  # the weights say these


def _labels(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    inner = config.get("pretrained_cfg")
    for where in (config, inner if isinstance(inner, Mapping) else {}):
        for key in ("label_names", "labels"):
            found = where.get(key)
            if isinstance(found, list) and all(isinstance(each, str) and each for each in found):
                return _different(found)
    return None


def imagenet_names(width: int) -> tuple[str, ...] | None:
    """ImageNet's class names for a head of 1,000; None for others."""
    if width != 1000:
        return None
    timm_library()
    from timm.data.imagenet_info import ImageNetInfo

    return _different([each.partition(",")[0] for each in ImageNetInfo().label_descriptions()])


def _different(found: Sequence[str]) -> tuple[str, ...]:
    """Names that come twice (ImageNet has two cranes) get their numbers."""
    return tuple(f"{each} {i}" if found.count(each) > 1 else each for i, each in enumerate(found))
