"""Lending: models that a run knows but does not hold, functions and services, given to it once more.

They leave their answers in the run and nothing to open. Whoever wants more said about them has to bring them again;
that it is the same model is seen by its answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.errors import BadInput, BadModel
from whyscan.models import stored
from whyscan.models.classifier import Classifier
from whyscan.models.load import is_service
from whyscan.records.attribution import find
from whyscan.records.run import Run
from whyscan.study.given import Given, open_models
from whyscan.training.evaluate import evaluate

ASKED = 4
"""So many of the run's scans it is asked about again."""
AGREES = 1e-3
"""A probability may have moved by this much: the run's pixels had 16 bits a value, and services round."""


def read_lent(texts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Models of a run as people type them, NAME, or NAME=ADDRESS of a service: their names, and the addresses.

    Raises:
        BadInput: what follows a = is no address: files are in the run's folder already.
    """
    names: list[str] = []
    addresses: dict[str, str] = {}
    for text in texts:
        name, equals, address = text.partition("=")
        if equals and not (name and is_service(address)):
            example = "a function is lent in Python: whyscan.trust(RUN, lent={name: model})"
            raise BadInput(
                f"--model {text}", "the name of a model of the run, or NAME=http://... of a service", example
            )
        names.append(name)
        addresses |= {name: address} if equals else {}
    return names, addresses


def lend(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    models: Mapping[str, Classifier | Given | str | Path],
) -> dict[str, Classifier]:
    """Open them by the run's names, with the data's class names and, of a service, what it was opened with before.

    Args:
        models: classifiers, or addresses of services, by the names that the run has for them.

    Raises:
        BadInput: no such model in the run, or one that it holds itself.
        BadModel: it answers otherwise than it did, or cannot be opened.
        BadData: its classes are not the data's.
    """
    found = {}
    for called, each in models.items():
        name = find(called, run.models(), "model")
        record = run.model(name)
        if record.get("kind") != stored.LENT:
            raise BadInput(
                f"{name} is in the run's folder", "a function or a service", "leave it out: it is read there"
            )
        if not isinstance(each, Classifier):
            given = each if isinstance(each, Given) else Given(each)
            each = Given(given.path, {**_options(record), **given.options})
        (classifier,) = open_models({name: each}, catalogue.classes).values()
        found[name] = dataclasses.replace(classifier, name=name)
        _check(run, catalogue, rows, found[name])
    return found


def _options(record: Mapping[str, object]) -> dict[str, object]:
    kept = record.get("options")
    options = dict(kept) if isinstance(kept, Mapping) else {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _check(run: Run, catalogue: Catalogue, rows: Sequence[SplitRow], classifier: Classifier) -> None:
    said = run.predictions(classifier.name)
    by_path = {row.path: row for row in rows}
    known = [i for i, path in enumerate(said.paths) if path in by_path]
    asked = known[:: max(1, len(known) // ASKED)][:ASKED]
    if not asked:
        return
    again = [by_path[said.paths[i]] for i in asked]
    now = evaluate(classifier, catalogue, again, splits=tuple({row.split for row in again}))
    columns = [now.classes.index(name) for name in said.classes]
    apart = float(np.abs(now.probabilities[:, columns] - said.probabilities[asked]).max())
    if apart > AGREES:
        raise BadModel(
            f"{classifier.name} answers otherwise than when the run was made: a probability has moved by {apart:.2g}",
            f"the same model, within {AGREES}",
            "give the one that the run was made with, or make the run again with `whyscan study --resume`",
        )
