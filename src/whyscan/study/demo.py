"""The demo: a study on phantoms, whose lesions are known exactly, and a model that was led astray on purpose."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from whyscan.data.catalogue import open_catalogue
from whyscan.data.phantom import KINDS, Shortcut, phantom, shortcut_area, write_phantoms
from whyscan.models import checkpoint
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study import run as stages
from whyscan.study.settings import Plan, StudySettings
from whyscan.study.shortcut import Pair, check
from whyscan.study.workspace import ledger, workspace
from whyscan.training.settings import TrainSettings

SIZE = 128
"""Side of a phantom in pixels."""

CUE = Shortcut("corner mark", kinds=("meningioma",), rate=1.0)


def demo(out: Path, *, seed: int = 0, resume: bool = False, progress: Progress = quiet) -> Run:
    """Phantoms, a study on them, and the planted shortcut; what is finished is not made again."""
    data = out / "phantoms"
    asked = {"demo": {"seed": seed, "phantoms a side": SIZE}}
    with workspace(out, data, asked, resume=resume) as run:
        _phantoms(run, data, per_class=230, test_per_class=50, seed=seed, shortcut=None)
    settings = StudySettings(seed=seed, evaluations=300)
    run = stages.study(data, out, settings, plans=clean_plans(seed), resume=True, progress=progress)
    mislead(run, seed=seed, resume=resume, progress=progress)
    return run


def clean_plans(seed: int) -> tuple[Plan, ...]:
    """Two small backbones from random weights."""
    base = TrainSettings(epochs=14, batch=16, trunk_learning_rate=4e-3, seed=seed, input_size=SIZE)
    return (
        Plan("resnet10t", "resnet10t", "none", replace(base, epochs=8)),
        Plan("small_resnet", "small_resnet", "none", base),
    )


def mislead(run: Run, *, seed: int, resume: bool, progress: Progress = quiet) -> None:
    """Train a small model on phantoms with a planted cue, and check whether it uses it: RUN/shortcut."""
    folder = run.folder / "shortcut"
    data = folder / "marked-phantoms"
    with workspace(folder, data, {"cue": CUE.describe()}, resume=resume or folder.is_dir()) as own:
        _phantoms(own, data, per_class=100, test_per_class=25, seed=seed + 1, shortcut=CUE)
        catalogue = open_catalogue(data)
        rows = stages.audit_stage(own, catalogue, seed=seed, progress=progress)
        plan = Plan("misled", "small_resnet", "none", replace(clean_plans(seed)[1].settings, epochs=12))
        stages.train_stage(own, catalogue, rows, (plan,), resume=True, progress=progress)
        classifier = checkpoint.load(own.model_folder("misled"))
        seeds = range(1_000_000 * (seed + 1), 1_000_000 * (seed + 1) + 25)  # never those of the training set
        pairs = [_pair(kind, each) for kind in KINDS for each in seeds]
        found = check(classifier, pairs, CUE.kinds, folder / "explain", cue=CUE.kind, seed=seed, progress=progress)
        files.write_json(run.shortcut_path, found)


def _pair(kind: str, seed: int) -> Pair:
    everywhere = replace(CUE, kinds=KINDS, rate=1.0)
    return Pair(
        phantom(kind, size=SIZE, seed=seed, shortcut=everywhere),
        phantom(kind, size=SIZE, seed=seed),
        shortcut_area(everywhere, kind, size=SIZE, seed=seed),
    )


def _phantoms(
    run: Run, data: Path, *, per_class: int, test_per_class: int, seed: int, shortcut: Shortcut | None
) -> None:
    made_from = {
        "per_class": per_class,
        "test": test_per_class,
        "size": SIZE,
        "seed": seed,
        "shortcut": shortcut.describe() if shortcut else None,
    }
    book = ledger(run)
    if not (book.done("phantoms", made_from) and data.is_dir()):
        with book.piece("phantoms", made_from):
            shutil.rmtree(data, ignore_errors=True)  # our own, of another seed or of a try that was killed
            write_phantoms(
                data, per_class=per_class, test_per_class=test_per_class, size=SIZE, seed=seed, shortcut=shortcut
            )
