"""Out-of-fold models: every scan of the training part judged, and explained, by a model that never saw it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.data.catalogue import Catalogue
from whyscan.data.folds import fold_count, fold_numbers, fold_rows
from whyscan.data.split import SplitRow
from whyscan.errors import BadInput, BadRun
from whyscan.models import checkpoint
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.evidence import Evidence
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run
from whyscan.study.ledger import digest
from whyscan.study.settings import Plan
from whyscan.study.workspace import ledger
from whyscan.training import compare_scores
from whyscan.training.job import WEAK
from whyscan.training.train import train

STAGE = "folds"
SUBSET = "out of fold"
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold's model; calling it loads it.

    Attributes:
        model: the model's name in the run.
        number: of the fold, from 1.
        folder: where its model lies.
    """

    model: str
    number: int
    folder: Path

    def __call__(self) -> Classifier:
        """The classifier under the model's own name. Raises BadModel where the folder is missing or damaged."""
        return replace(checkpoint.load(self.folder), name=self.model)


def check_folds(plans: Sequence[Plan], folds: int) -> None:
    """Raises BadInput where there are fewer than two folds, or a plan trains a model further.

    A model that exists may know the scans that it would be judged on.
    """
    fold_count(folds)
    for plan in plans:
        if plan.model is not None:
            raise BadInput(
                f"folds of {plan.name}, which is trained further",
                "a backbone: a model that has learned before may have seen the scans that a fold holds back",
                "leave --folds out, or train a --backbone",
            )


def folds_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    plans: Sequence[Plan],
    folds: int,
    *,
    seed: int,
    resume: bool,
    progress: Progress = quiet,
) -> None:
    """Train every plan once a fold, and write what the models say about the scans that they did not see.

    Writes models/<name>/fold<k>/ and models/<name>/folds.csv, the same for the weak model (where every fold has one),
    and the scores as rows of results.csv.

    Args:
        folds: how many; the training part is cut by duplicate group or patient, stratified by class.
        seed: of the cut.

    Raises:
        BadInput: fewer than two folds, or a plan that trains a model further.
        BadData: data that cannot be cut so, or not be trained on.
        BadRun: the run has other folds of this model.
    """
    check_folds(plans, folds)
    fold = fold_numbers(rows, folds, seed=seed)
    book = ledger(run)
    for plan in plans:
        _check_same(run, plan.name, fold)
        made_from = {"plan": plan.describe(), "folds": digest(fold), "contents": digest(_contents(rows, fold))}
        piece = f"{STAGE} {plan.name}"
        if book.done(piece, made_from) and _table(run, plan.name).is_file():
            continue
        with book.piece(piece, made_from):
            for number in range(1, folds + 1):
                _train(run, catalogue, fold_rows(rows, fold, number, seed=seed), plan, number, resume, progress)
            _collect(run, plan.name, rows, fold, folds)
            _collect(run, plan.name + WEAK, rows, fold, folds)
    run.replace_results(STAGE, _scores(run, seed))


def out_of_fold(run: Run, name: str) -> dict[str, Fold]:
    """Who may speak about each scan of the training part: its path -> the fold whose model did not see it.

    Args:
        run: where `whyscan train --folds` was run.
        name: a model of the run.

    Raises:
        BadInput: the name cannot be a model's.
        BadRun: the model has no folds in this run, or they are damaged.
    """
    found = predictions(run, name)
    numbers = _numbers(found)
    folds = {number: Fold(name, number, _folder(run, name, number)) for number in set(numbers)}
    return {path: folds[number] for path, number in zip(found.paths, numbers, strict=True)}


def known(run: Run, name: str) -> bool:
    """Whether a model has folds."""
    return _table(run, name).is_file()


def predictions(run: Run, name: str) -> Predictions:
    """What a model's folds say about the scans that they did not see; `splits` holds "fold1", "fold2", ...

    Raises:
        BadRun: the model has no folds in this run, or the table is damaged.
    """
    if not known(run, name):
        raise BadRun(f"{name} has no folds in {run.folder}", "models/<name>/folds.csv", "run `whyscan train --folds 5`")
    return Predictions.load(_table(run, name), name)


def accuracies(run: Run) -> dict[str, Evidence]:
    """The share of scans that each model's folds got right, by the model's name.

    Raises:
        BadRun: results.csv is damaged.
    """
    found: dict[str, Evidence] = {}
    for row in run.results():
        if row["stage"] == STAGE and row["metric"] == "accuracy":
            value, low, high = (float(row[key]) if row[key] else None for key in ("value", "low", "high"))
            found[row["model"]] = Evidence(value, low, high, int(row["n"]))
    return found


def _table(run: Run, name: str) -> Path:
    return run.model_folder(name) / "folds.csv"


def _folder(run: Run, name: str, number: int) -> Path:
    return run.model_folder(name) / f"fold{number}"


def _numbers(found: Predictions) -> list[int]:
    """Each row's fold. Raises BadRun where the table names none."""
    texts = [split.removeprefix("fold") for split in found.splits]
    if not all(text.isdigit() for text in texts):
        raise BadRun(f"the folds of {found.model} are damaged", "a table of folds", "train with --folds again")
    return [int(text) for text in texts]


def _check_same(run: Run, name: str, fold: Mapping[str, int]) -> None:
    """Raises BadRun where the run holds other folds of this model: mixed, a scan's own model could have seen it."""
    if not _table(run, name).is_file():
        return
    found = predictions(run, name)
    if dict(zip(found.paths, _numbers(found), strict=True)) != dict(fold):
        raise BadRun(
            f"{name} has {len(set(found.splits))} folds of another cut in {run.folder}",
            "the same number of folds, data and seed as before",
            "ask for those, or choose another --out",
        )


def _contents(rows: Sequence[SplitRow], fold: Mapping[str, int]) -> dict[str, Any]:
    return {row.path: [row.label, row.group, row.content] for row in rows if row.path in fold}


def _train(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    plan: Plan,
    number: int,
    resume: bool,
    progress: Progress,
) -> None:
    train(
        catalogue, rows, plan.backbone, plan.weights, plan.settings, _folder(run, plan.name, number),
        name=f"{plan.name} fold {number}", cache=run.folder / "cache",
        weak=_folder(run, plan.name + WEAK, number), judged=("holdout",), resume=resume, progress=progress,
    )  # fmt: skip


def _collect(run: Run, name: str, rows: Sequence[SplitRow], fold: Mapping[str, int], folds: int) -> None:
    """Put the folds' tables together in the order of the split. Not where a fold has no model: a weak one, say."""
    folders = [_folder(run, name, number) for number in range(1, folds + 1)]
    if not all((folder / "model.json").is_file() for folder in folders):
        return
    tables = [Predictions.load(folder / "predictions.csv", name) for folder in folders]
    at = {path: (number, row) for number, table in enumerate(tables) for row, path in enumerate(table.paths)}
    own = [row for row in rows if row.path in fold]
    classes = tables[0].classes
    Predictions(
        name,
        classes,
        tuple(row.path for row in own),
        np.array([classes.index(row.label) for row in own], np.int64),
        tuple(row.group for row in own),
        tuple(f"fold{at[row.path][0] + 1}" for row in own),
        np.zeros(len(own), bool),
        np.stack([tables[at[row.path][0]].probabilities[at[row.path][1]] for row in own]),
    ).save(_table(run, name))


def _scores(run: Run, seed: int) -> list[dict[str, Any]]:
    """The figures of every model that has folds, beside each other's on the same scans."""
    rows: list[dict[str, Any]] = []
    for path in sorted((run.folder / "models").glob("*/folds.csv")):
        found = predictions(run, path.parent.name)
        document: dict[str, Any] = {
            "scores": [], "pairs": [], "confusion": defaultdict(dict), "reliability": defaultdict(dict)
        }  # fmt: skip
        whole = replace(found, splits=(SUBSET,) * len(found.paths))
        compare_scores.add_subset(document, [whole], SUBSET, _DRAWS, np.random.default_rng(seed))
        rows += document["scores"]
    return rows
