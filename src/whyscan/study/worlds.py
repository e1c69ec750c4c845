"""Worlds in which the truth is known: a model trained on phantoms, and scans on which its reason was proved.

The proof is a pair of phantoms that differ in one thing only. Where the answer goes away with the lesion, the lesion
was the reason; where a scan of another class is called meningioma with the planted cue and not without, the cue was.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from whyscan.data.catalogue import open_catalogue
from whyscan.data.phantom import KINDS, Shortcut, phantom, shortcut_area, write_phantoms
from whyscan.data.scan import Scan
from whyscan.models import checkpoint
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.run import Run
from whyscan.study.run import audit_stage, train_stage
from whyscan.study.settings import Plan
from whyscan.study.workspace import ledger, workspace
from whyscan.training.settings import TrainSettings

SIZE = 128
"""Side of a phantom in pixels."""

MARKED = "meningioma"
"""The class that every planted cue stands for."""


@dataclass(frozen=True)
class World:
    """What tells the classes apart.

    Attributes:
        name: what the world is called in tables.
        shortcut: planted on every training scan of its class; None where only the lesion tells.
        local: whether the reason has a place, which a map could show.
        augment: whether training scans are flipped, turned, moved and brightened at random.
    """

    name: str
    shortcut: Shortcut | None
    local: bool
    augment: bool = True


WORLDS = (
    World("lesion", None, local=True),
    World("corner mark", Shortcut("corner mark", (MARKED,)), local=True),
    World("border", Shortcut("border", (MARKED,)), local=True),
    World("intensity", Shortcut("intensity", (MARKED,)), local=False),
    # scans that are mirrored and moved at random say nothing by where the head lies: with augmentation there is no cue
    World("side", Shortcut("side", (MARKED,)), local=False, augment=False),
)


@dataclass(frozen=True, eq=False)
class Proof:
    """A scan, and what was proved to be the reason for the answer.

    Attributes:
        scan: its region is the reason's area; the whole scan where the reason has no place.
        lesion: (h, w) the lesion, which is the same area only where it is the reason.
        target: the class that the reason argues for.
    """

    scan: Scan
    lesion: Bool[np.ndarray, "h w"]
    target: str


def world_model(
    folder: Path,
    world: World,
    *,
    seed: int,
    per_class: int = 100,
    epochs: int = 12,
    resume: bool = False,
    progress: Progress = quiet,
) -> Classifier:
    """A small network trained in this world; what is finished in `folder` is not made again.

    Raises:
        BadRun: the folder cannot be used.
    """
    data = folder / "phantoms"
    planted = world.shortcut.describe() if world.shortcut else None
    with workspace(folder, data, {"world": world.name, "planted": planted}, resume=resume or folder.is_dir()) as run:
        _phantoms(run, data, world, per_class=per_class, seed=seed)
        catalogue = open_catalogue(data)
        rows = audit_stage(run, catalogue, seed=seed, progress=progress)
        settings = TrainSettings(
            epochs=epochs, batch=16, trunk_learning_rate=4e-3, seed=seed, input_size=SIZE, augment=world.augment
        )
        name = world.name.replace(" ", "-")
        train_stage(
            run, catalogue, rows, (Plan(name, "small_resnet", "none", settings),), resume=True, progress=progress
        )
        return replace(checkpoint.load(run.model_folder(name)), name=world.name)


def _phantoms(run: Run, data: Path, world: World, *, per_class: int, seed: int) -> None:
    made_from = {"world": world.name, "per_class": per_class, "size": SIZE, "seed": seed}
    book = ledger(run)
    if not (book.done("phantoms", made_from) and data.is_dir()):
        with book.piece("phantoms", made_from):
            shutil.rmtree(data, ignore_errors=True)  # our own, of another seed or of a try that was killed
            write_phantoms(data, per_class=per_class, test_per_class=0, size=SIZE, seed=seed, shortcut=world.shortcut)


def proofs(classifier: Classifier, world: World, seeds: Sequence[int]) -> tuple[list[Proof], int]:
    """The scans on which the reason could be proved, and how many were tried."""
    pairs = [pair for seed in seeds for pair in _pairs(world, seed)]
    with_reason = classifier.predict([pair.scan for pair, _ in pairs]).argmax(1)
    without = classifier.predict([plain for _, plain in pairs]).argmax(1)
    wanted = np.array([classifier.classes.index(pair.target) for pair, _ in pairs])
    proved = (with_reason == wanted) & (without != wanted)
    return [pair for (pair, _), yes in zip(pairs, proved, strict=True) if yes], len(pairs)


def _pairs(world: World, seed: int) -> list[tuple[Proof, Scan]]:
    """Each scan with its reason, beside the same scan without."""
    if world.shortcut is None:
        healthy = phantom("no_tumor", size=SIZE, seed=seed)
        sick = [phantom(kind, size=SIZE, seed=seed) for kind in KINDS if kind != "no_tumor"]
        return [(Proof(scan, _region(scan), str(scan.label)), healthy) for scan in sick]
    everywhere = replace(world.shortcut, kinds=KINDS)
    found = []
    for kind in KINDS:
        if kind == MARKED:
            continue  # there the lesion argues for the class as well
        plain, marked = (phantom(kind, size=SIZE, seed=seed, shortcut=each) for each in (None, everywhere))
        area = shortcut_area(everywhere, kind, size=SIZE, seed=seed)
        found.append((Proof(replace(marked, region=area), _region(marked), MARKED), plain))
    return found


def _region(scan: Scan) -> Bool[np.ndarray, "h w"]:
    assert scan.region is not None  # every phantom knows its own
    return scan.region
