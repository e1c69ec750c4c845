"""Models that somebody already has: how they are opened for a study, and under which class names."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whyscan.errors import BadInput, BadModel, printable
from whyscan.models import stored
from whyscan.models.classifier import Classifier
from whyscan.models.classnames import class_names
from whyscan.models.hub import find_hub, is_hub, short
from whyscan.models.load import is_elsewhere, is_service, load
from whyscan.records import files
from whyscan.study.naming import in_the_datas_names

ASSUMED = "the data's folders, in alphabetical order"
"""What Keras (flow_from_directory) and torchvision (ImageFolder) make of folders; the file names no classes."""

_NAMELESS = re.compile(r"(class[ _]?\d+ ?)+")
"""What adapters call the classes of a head that nobody named."""


@dataclass(frozen=True, slots=True)
class Given:
    """A model's file or folder, a hub's name or a service's address, and what `load` shall be told of it.

    Attributes:
        path: a text stays one only where it is a hub's name or an address, which a Path would spoil.
        options: arguments of `load`; what is left out is the file's own, or guessed by its adapter.
    """

    path: Path | str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_elsewhere(self.path):
            object.__setattr__(self, "path", Path(self.path))

    @property
    def name(self) -> str:
        """What it is called where nobody says: as its file, its folder, what a hub's name ends in, its host."""
        if isinstance(self.path, Path):
            return self.path.stem if self.path.is_file() else self.path.name
        if is_service(self.path):
            return urllib.parse.urlsplit(self.path).hostname or "service"
        return re.sub(r"[^\w.-]", "-", short(self.path))

    def describe(self) -> dict[str, Any]:
        """For run.json: by name and content, not by where it lies; a missing one is refused when it is opened."""
        kept = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options.items()}
        called = self.path.name if isinstance(self.path, Path) else self.name if is_service(self.path) else self.path
        return {"from": printable(called), "from_sha256": self._digest(), "options": kept}

    def _digest(self) -> str | None:
        if is_service(self.path):
            return None
        if is_hub(self.path):
            try:
                return files.sha256(find_hub(self.path).weights)
            except BadModel:
                return None
        file = Path(self.path)
        file = file / "model.json" if file.is_dir() else file
        return files.sha256(file) if file.is_file() else None


def read_given(
    models: Sequence[str],
    option: str,
    *,
    classes: Sequence[str] = (),
    preprocess: Sequence[str] = (),
    input_size: Sequence[str] = (),
    fit: Sequence[str] = (),
    model_backbone: Sequence[str] = (),
    scores: Sequence[str] = (),
    protocol: Sequence[str] = (),
    headers_from_env: Sequence[str] = (),
    named: bool = True,
) -> dict[str, Given]:
    """Models as people type them: NAME=PATH, and options that are for all, or for one as NAME=VALUE.

    Args:
        option: what the models were given with, for the errors: "--model".
        classes: each a file of names, or names with commas between them.
        model_backbone: which network a state dict is for; `load` calls it backbone.
        protocol: for all models that are services, or for one.
        headers_from_env: each HEADER=VARIABLE where one model is a service, or NAME=HEADER=VARIABLE: no service is sent
            another one's key.
        named: every model must have a name; otherwise PATH alone is called as its file is.

    Raises:
        BadInput: no name, one twice, an option twice, or of a model that is not there.
        BadModel: class names that cannot be read.
    """
    found: dict[str, Given] = {}
    for text in models:
        bare = "=" not in text or is_elsewhere(text)  # an address may have a = of its own
        name, _, path = ("", "", text) if bare else text.partition("=")
        if bare and not named:
            name = Given(path).name
        if not name or not path or name in found:
            example = f"write {option} best=best.h5"
            raise BadInput(f"{option} {text}", "NAME=FILE or NAME=FOLDER, each name once", example)
        found[name] = Given(path)
    services = tuple(name for name, each in found.items() if is_service(each.path))
    given = {"classes": classes, "preprocess": preprocess, "input_size": input_size, "fit": fit, "scores": scores,
             "model_backbone": model_backbone, "protocol": protocol}  # fmt: skip
    options: dict[str, dict[str, Any]] = {name: {} for name in found}
    for key, texts in given.items():
        for name, value in _values(texts, option_of(key), services if key == "protocol" else tuple(found)).items():
            options[name][key.removeprefix("model_")] = _read(key, value)
    for name, headers in _headers(headers_from_env, services).items():
        options[name]["headers_from_env"] = read_headers(headers)
    return {name: Given(each.path, options[name]) for name, each in found.items()}


def option_of(key: str) -> str:
    """How an argument is called on the command line."""
    return "--header-from-env" if key == "headers_from_env" else f"--{key.replace('_', '-')}"


def read_headers(texts: Sequence[str]) -> dict[str, str]:
    """Each HEADER=VARIABLE. What follows the first = is in no error: it may be the key itself, typed by mistake."""
    found: dict[str, str] = {}
    for text in texts:
        header, equals, variable = text.partition("=")
        if not header or not variable or header in found:
            raise BadInput(f"--header-from-env {header if equals else '...'}", "HEADER=VARIABLE, each header once",
                           "name the environment variable that holds it: Authorization=MODEL_KEY")  # fmt: skip
        found[header] = variable
    return found


def _headers(texts: Sequence[str], services: Sequence[str]) -> dict[str, list[str]]:
    """What is for each service: NAME=HEADER=VARIABLE, or without a name where there is one service only."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, _, rest = text.partition("=")
        if name not in services:
            name, rest = (services[0] if len(services) == 1 and text.count("=") == 1 else ""), text
        if not name:
            known = ", ".join(f"{each}=HEADER=VARIABLE" for each in services) or "no header: no model is a service"
            raise BadInput(
                f"--header-from-env {text.partition('=')[0] if '=' in text else '...'}",
                known,
                "say which model the header is for",
            )
        found.setdefault(name, []).append(rest)
    return found


def _values(texts: Sequence[str], option: str, names: Sequence[str]) -> dict[str, str]:
    """An option's value for each model that it is for."""
    own: dict[str, str] = {}
    common: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if (name in own) if equals else common:
            raise BadInput(f"{option} {text} comes twice", "one value for all and one per model", "drop one")
        if equals and name not in names:
            known = f"one of {', '.join(names)}=VALUE" if names else "no model that it is for"
            raise BadInput(f"{option} {text}", f"a value, or {known}", "name a model of this run")
        if not names:
            raise BadInput(f"{option} {text}", "the address of a service among the models", f"leave {option} out")
        if equals:
            own[name] = value
        else:
            common.append(text)
    return {**dict.fromkeys(names if common else (), "".join(common)), **own}


def _read(key: str, text: str) -> Any:
    if key == "classes":
        return class_names(text)
    if key != "input_size":
        return text
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise BadInput(f"--input-size {text}", "a whole number of pixels", "correct it")
    return int(text)


def names_of_files(models: object) -> None:
    """Raises BadInput unless models come by names that files can have, and are opened or can be."""
    if not isinstance(models, Mapping):
        raise BadInput(f"{type(models).__name__} as the models", "models by name", 'write {"best": "best.h5"}')
    for name, each in models.items():
        files.check_name(name)
        if not isinstance(each, Classifier | Given | str | Path):
            came = f"{type(each).__name__} as the model {name}"
            raise BadInput(came, "a file, or what whyscan.load gives", "pass whyscan.load(network, classes=[...])")


def open_models(models: Mapping[str, Classifier | Given | str | Path], classes: Sequence[str]) -> dict[str, Classifier]:
    """Classifiers by the names that they shall have, with their classes in the data's names.

    A model whose file does not name its classes, and for which none are given, is taken to have been trained on folders
    of these names in alphabetical order, where its head is as wide; `about["classes_from"]` says so.

    Args:
        classes: the data's.

    Raises:
        BadData: a model's classes are not the data's.
        BadModel: a file cannot be opened.
    """
    return {name: _renamed(_opened(name, each, classes), name, classes) for name, each in models.items()}


def _opened(name: str, each: Classifier | Given | str | Path, classes: Sequence[str]) -> Classifier:
    if isinstance(each, Classifier):
        return each
    given = each if isinstance(each, Given) else Given(each)
    if _is_own(given.path):
        return load(given.path, **given.options)
    options: dict[str, Any] = {"name": name, **given.options}
    if "classes" in options:
        return _noted(load(given.path, **options), given, options)
    try:
        found = load(given.path, **options)
    except BadModel:  # it may be for want of class names; if it is not, the second try says so
        found = None
    if found is None or _NAMELESS.fullmatch(" ".join(found.classes)):
        options["classes"] = tuple(sorted(classes))
        found = load(given.path, **options)
        found = dataclasses.replace(found, about={**found.about, "classes_from": ASSUMED})
    return _noted(found, given, options)


def _is_own(path: Path | str) -> bool:
    """A model folder of ours or one of its two files: its record says what the classes are, and where it came from."""
    if isinstance(path, str) or is_hub(path):
        return False
    beside = path.parent / "model.json"
    return path.is_dir() or (path.name in ("model.json", "model.safetensors") and beside.is_file())


def _noted(classifier: Classifier, given: Given, options: Mapping[str, Any]) -> Classifier:
    """With what a run needs for its copy; of a service there is nothing to copy, but it may be opened again."""
    kept = {name: value for name, value in options.items() if name != "name"}
    if is_service(given.path):
        return dataclasses.replace(classifier, about={**classifier.about, "opened_with": kept})
    return stored.noted(classifier, Path(given.path), kept)


def _renamed(classifier: Classifier, name: str, classes: Sequence[str]) -> Classifier:
    return dataclasses.replace(classifier, classes=in_the_datas_names(classifier.classes, classes, name))
