"""train: data, a backbone and settings in; a model folder out."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.errors import BadRun, Diverged
from whyscan.models import backbones, checkpoint, stored
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.predictions import Predictions
from whyscan.training import curves
from whyscan.training import state as states
from whyscan.training.anatomy import anatomy
from whyscan.training.evaluate import JUDGED, evaluate
from whyscan.training.features import trunk_features
from whyscan.training.fit import head_phase, trunk_phase
from whyscan.training.job import WEAK, Job, check_same, check_split, check_trainable, earlier, job_of, resolved
from whyscan.training.loop import run_phase
from whyscan.training.pixels import PixelCache, open_pixels
from whyscan.training.settings import TrainSettings
from whyscan.training.state import Snapshot, State
from whyscan.training.weak import CLEARLY, choose

_HEAD_EPOCHS = 4


def train(
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    backbone: str,
    weights: str | Path,
    settings: TrainSettings,
    folder: Path,
    *,
    name: str,
    cache: Path,
    weak: Path | None = None,
    judged: tuple[str, ...] = JUDGED,
    resume: bool = False,
    progress: Progress = quiet,
) -> Classifier:
    """Train a classifier on the "train" rows, selecting by the "validation" rows.

    Writes model.safetensors, model.json, curves.csv, curves.png, predictions.csv and, where tensorboard is installed,
    tensorboard/ into `folder`. Into `weak` goes a state of the same backbone: of those whose validation accuracy is
    clearly (0.05) below the best, the one nearest to `settings.weak_target`.

    Args:
        weights: "imagenet", "none" or a safetensors file.
        name: the model's name; the weak one is called `<name>-weak`.
        cache: where pixels and features are kept for other trainings on the same scans.
        weak: the weak model's folder; `<folder>-weak` by default.
        judged: the splits whose scans predictions.csv speaks of.
        resume: go on after the last finished epoch; the result is that of an uninterrupted training. A finished
            training is loaded. Without it, whatever the folder holds is replaced.

    Raises:
        BadData: a class without training scans, no validation scans, an unknown label or scan.
        BadModel: weights that do not fit the backbone.
        BadRun: the folder cannot be written to, another process trains there, or its training had other settings.
        Diverged: the loss was not a number in the first epoch; where it was later, the best weights so far are
            returned and `training.note` in model.json says so.
    """
    check_split(catalogue, rows)
    start = backbones.build(
        backbone, weights, catalogue.classes, name=name, input_size=settings.input_size, fit=settings.fit,
        head=settings.head, seed=settings.seed,
    )  # fmt: skip
    epochs = 0 if weights == "none" else _HEAD_EPOCHS
    job = job_of(
        catalogue, rows, start, resolved(settings, epochs), folder, cache, progress, weak=weak, judged=judged
    )  # fmt: skip
    return _run(job, resume)


def train_further(
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    model: Classifier,
    settings: TrainSettings,
    folder: Path,
    *,
    name: str,
    cache: Path,
    resume: bool = False,
    progress: Progress = quiet,
) -> Classifier:
    """Train a model that exists already on the "train" rows, from the weights that it has; files and errors as `train`.

    With "finetune" the network learns, or its last blocks and its head; with "frozen" only its head: of a model that
    was not made here, its last linear layer. The head keeps what it knows, so `head_epochs` is 0 where it is left open.

    Args:
        model: a white box, with its classes in the data's names. It is not changed.
        settings: `input_size` and `fit` are the model's own, whatever they say.

    Raises:
        BadData: the model's classes are not the data's.
        BadModel: it only answers, has no weights, or ("frozen") does not end in a linear layer.
    """
    check_trainable(model, catalogue.classes)
    check_split(catalogue, rows)
    settings = dataclasses.replace(resolved(settings, 0), fit=model.fit, input_size=None)
    start = dataclasses.replace(model, name=name)
    return _run(job_of(catalogue, rows, start, settings, folder, cache, progress, earlier=earlier(model)), resume)


def _run(job: Job, resume: bool) -> Classifier:
    """Learn what is left to learn, in a locked folder."""
    folder = job.folder
    with files.locked(folder):
        if resume and (folder / "model.json").is_file():
            return _finished(job)
        state = states.load(folder / "state") if resume else None
        if state is None:
            _wipe(job)
            state = State(job.about)
        check_same(folder, state.about, job.about)
        _learn(job, state)
        return _finish(job, state)


def _wipe(job: Job) -> None:
    """Remove what an earlier training of this name wrote, model.json first: it says that the rest is whole."""
    for each in (job.folder, job.weak):
        for file in ("model.json", "predictions.csv", "curves.csv", "curves.png", "model.safetensors"):
            files.remove(each / file)
    states.clear(job.folder / "state")


def _learn(job: Job, state: State) -> None:
    settings, title = job.settings, job.start.name
    network = copy.deepcopy(job.start.network)  # job's own stays as it came
    parts = anatomy(network, job.start.input_size)
    kept = [row for row in job.rows if row.split != "excluded"]
    size, fit = job.start.input_size, job.start.fit
    pixels = open_pixels(job.catalogue, kept, size, fit, job.cache, progress=job.progress)
    with curves.board(job.folder / "tensorboard", state.rows) as tell:

        def finished(row: curves.EpochRow) -> None:
            states.save(state, job.folder / "state")
            curves.write_csv(job.folder / "curves.csv", state.rows)
            tell(row)

        alone = settings.epochs if settings.recipe == "frozen" else settings.head_epochs
        begun = any(row.phase == "finetune" for row in state.rows)
        if alone and not begun:
            name = "frozen" if settings.recipe == "frozen" else "head"
            phase = head_phase(name, alone, parts, settings, *_features(job, pixels), taught="from" in job.about)
            run_phase(phase, state, settings, title=title, finished=finished, progress=job.progress)
            network.load_state_dict(phase.export(), strict=False)
        if settings.recipe == "finetune" and not state.note:
            trunk = trunk_phase(parts, settings, pixels, job.train, job.held)
            run_phase(trunk, state, settings, title=title, finished=finished, progress=job.progress)


def _features(job: Job, pixels: PixelCache) -> list[tuple[Any, torch.Tensor]]:
    both = (*job.train.contents, *job.held.contents)
    features = trunk_features(
        anatomy(job.start.network, job.start.input_size),
        pixels,
        both,
        job.cache,
        bfloat16=job.settings.bfloat16,
        progress=job.progress,
    )
    cut = len(job.train.contents)
    return [(features[:cut], job.train.labels), (features[cut:], job.held.labels)]


def _finish(job: Job, state: State) -> Classifier:
    best = state.best
    if best is None:
        states.clear(job.folder / "state")
        raise Diverged(
            f"{job.start.name}: training {state.note}",
            "a loss that is a number for at least one epoch",
            "lower the learning rates, or use precision float32",
        )
    target = job.settings.weak_target
    weak = None if target is None else choose(state.weak, best.accuracy, target)
    if weak is not None:
        moment = f"epoch {weak.epoch}" + (f" after {weak.part:.0%} of it" if weak.part < 1 else "")
        note = (
            f"the same backbone at {moment} (phase {weak.phase}), kept because its validation accuracy, "
            f"{weak.accuracy:.3f}, is the nearest to {target} of those at least {CLEARLY} below the best"
        )
        _write(job, state, weak, job.weak, job.start.name + WEAK, note)
    made = _write(job, state, best, job.folder, job.start.name, state.note)
    states.clear(job.folder / "state")
    return made


def _write(job: Job, state: State, snapshot: Snapshot, folder: Path, name: str, note: str) -> Classifier:
    """Judge a snapshot and save it as a model; model.json comes last."""
    network = copy.deepcopy(job.start.network)
    network.load_state_dict({**network.state_dict(), **snapshot.tensors})
    training = {
        **job.about,
        "best_epoch": snapshot.epoch,
        "best_phase": snapshot.phase,
        "epochs_run": len(state.rows),
        "note": note,
    }
    about = {**job.start.about, "training": training}
    if (source := stored.source_of(job.start)) is not None:
        about["source"] = dataclasses.replace(source, trained=True)
    rows = state.rows[: snapshot.epoch] if folder != job.folder else state.rows
    curves.write_csv(folder / "curves.csv", rows)
    curves.write_picture(folder / "curves.png", rows, name, snapshot.epoch)
    made = dataclasses.replace(job.start, name=name, network=network.eval(), about=about)
    _judge(job, made).save(folder / "predictions.csv")
    return checkpoint.save(made, folder)


def _finished(job: Job) -> Classifier:
    """A training that ended before. Its model.json was written last, so nothing is missing."""
    made = checkpoint.load(job.folder)
    check_same(job.folder, made.about.get("training") or {}, job.about)
    _judge_again(job, made, job.folder)
    if (job.weak / "model.json").is_file():
        _judge_again(job, checkpoint.load(job.weak), job.weak)
    states.clear(job.folder / "state")
    return made


def _judge_again(job: Job, made: Classifier, folder: Path) -> None:
    """Renew a table of predictions that speaks of other scans than the split: a test set may change after training."""
    try:
        current = _speaks_of(Predictions.load(folder / "predictions.csv", made.name), job)
    except BadRun:
        current = False
    if not current:
        _judge(job, made).save(folder / "predictions.csv")


def _judge(job: Job, made: Classifier) -> Predictions:
    return evaluate(made, job.catalogue, job.rows, splits=job.judged, cache=job.cache, progress=job.progress)


def _speaks_of(found: Predictions, job: Job) -> bool:
    """Whether a table holds exactly the judged rows of a split, as they are filed now."""
    labels = [found.classes[label] for label in found.labels]
    theirs = list(zip(found.paths, labels, found.groups, found.splits, found.leaked.tolist(), strict=True))
    return theirs == [
        (row.path, row.label, row.group, row.split, row.leaked) for row in job.rows if row.split in job.judged
    ]
