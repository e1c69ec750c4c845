"""Models that somebody already has: how they are opened for a study, and under which class names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whyscan.errors import BadModel
from whyscan.models import stored
from whyscan.models.classifier import Classifier
from whyscan.models.load import load
from whyscan.study.naming import in_the_datas_names

ASSUMED = "the data's folders, in alphabetical order"
"""What Keras (flow_from_directory) and torchvision (ImageFolder) make of folders; the file names no classes."""


@dataclass(frozen=True, slots=True)
class Given:
    """A model's file or folder, and what `load` shall be told of it.

    Attributes:
        options: arguments of `load`; what is left out is the file's own, or guessed by its adapter.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)


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
    given = each if isinstance(each, Given) else Given(Path(each))
    if given.path.is_dir() or (given.path.parent / "model.json").is_file():
        return load(given.path, **given.options)
    options: dict[str, Any] = {"name": name, **given.options}
    if "classes" in options:
        return _noted(load(given.path, **options), given.path, options)
    try:
        return _noted(load(given.path, **options), given.path, options)
    except BadModel:  # it may be for want of class names; if it is not, the second try says so
        options["classes"] = tuple(sorted(classes))
        found = _noted(load(given.path, **options), given.path, options)
        return dataclasses.replace(found, about={**found.about, "classes_from": ASSUMED})


def _noted(classifier: Classifier, path: Path, options: Mapping[str, Any]) -> Classifier:
    kept = {name: value for name, value in options.items() if name != "name"}
    return stored.noted(classifier, path, kept)


def _renamed(classifier: Classifier, name: str, classes: Sequence[str]) -> Classifier:
    return dataclasses.replace(classifier, classes=in_the_datas_names(classifier.classes, classes, name))
