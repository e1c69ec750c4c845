"""The adopt stage: models that exist already are taken into a run, and judged on its scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.models import checkpoint, stored
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study.ledger import Ledger
from whyscan.study.naming import in_the_datas_names
from whyscan.training.evaluate import evaluate


def check_models(run: Run, models: Mapping[str, Classifier], classes: Sequence[str]) -> None:
    """Look for mistakes in what shall be taken in, before anything is judged.

    Raises:
        BadData: a model's classes are not the data's.
        BadInput: a name that cannot be a model's folder.
    """
    for name, classifier in models.items():
        run.model_folder(name)
        in_the_datas_names(classifier.classes, classes, name)


def adopt_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    models: Mapping[str, Classifier],
    splits: str,
    ledger: Ledger,
    *,
    progress: Progress = quiet,
) -> dict[str, Classifier]:
    """Take models that exist already into the run, and judge them on its scans.

    A model that was opened from a file is copied; one that is only in memory leaves its record and its answers.

    Args:
        splits: a digest of `rows`.

    Returns:
        Those that are only in memory, by name: later stages cannot read them from the run.

    Raises:
        BadData: a model's classes are not the data's.
        BadInput: a name that cannot be a model's folder.
        BadModel: a file is not there any more.
    """
    check_models(run, models, catalogue.classes)
    lent = {}
    for name, given in models.items():
        classes = in_the_datas_names(given.classes, catalogue.classes, name)
        classifier = dataclasses.replace(given, name=name, classes=classes)
        folder = run.model_folder(name)
        if not checkpoint.can_save(classifier):
            lent[name] = classifier
        made_from = {"hash": classifier.hash, "classes": list(classes), "splits": splits}
        whole = (folder / "model.json").is_file() and (folder / "predictions.csv").is_file()
        # two functions without a hash cannot be told apart
        if classifier.hash and whole and ledger.done(f"adopt {name}", made_from):
            continue
        with ledger.piece(f"adopt {name}", made_from):
            files.remove(folder / "model.json")
            found = evaluate(classifier, catalogue, rows, cache=run.folder / "cache", progress=progress)
            found.save(folder / "predictions.csv")
            _keep(classifier, folder)
    return lent


def _keep(classifier: Classifier, folder: Path) -> None:
    """The record comes last: it says that the rest is whole."""
    if checkpoint.can_save(classifier):
        checkpoint.save(classifier, folder)
    else:
        files.write_json(folder / "model.json", stored.lent(classifier))
