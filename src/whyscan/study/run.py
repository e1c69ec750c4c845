"""The stages of a study, each of which reads and writes one run folder and can be resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import whyscan
from whyscan.data.audit import audit, write_audit
from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.data.split import SplitRow, read_splits, write_splits
from whyscan.errors import BadRun
from whyscan.models import backbones
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.run import Run
from whyscan.study import explaining
from whyscan.study.adopting import adopt_stage, check_models
from whyscan.study.given import Given, open_models
from whyscan.study.ledger import digest
from whyscan.study.settings import Plan, StudySettings
from whyscan.study.workspace import ledger, workspace
from whyscan.training import compare, parts
from whyscan.training.job import check_trainable
from whyscan.training.train import train, train_further


def audit_stage(run: Run, catalogue: Catalogue, *, seed: int, progress: Progress = quiet) -> tuple[SplitRow, ...]:
    """Audit and split, or read back the splits of the same files."""
    made_from = {"files": fingerprint(catalogue), "seed": seed, "whyscan": whyscan.__version__}
    book = ledger(run)
    if book.done("audit", made_from) and run.audit_path.is_file() and run.splits_path.is_file():
        return read_splits(run.splits_path)
    with book.piece("audit", made_from):
        found = audit(catalogue, seed=seed, progress=progress)
        write_audit(found, run.audit_path.parent)
        write_splits(run.splits_path, found.rows)
        run.replace_results("audit", audit_rows(found.document))
    return found.rows


def audit_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The audit's figures as rows of results.csv."""
    leaks = document.get("leaks") or {}
    rows: list[dict[str, Any]] = [
        {
            "metric": f"test images: {kind}",
            "subset": "test",
            "value": leaks[kind],
            "n": leaks["test"],
            "status": "measured",
        }
        for kind in ("exact", "near", "clean")
        if kind in leaks
    ]
    for cue in document["cues"]:
        rows.append(
            {
                "metric": f"accuracy of a trivial rule: {cue['name']}",
                "subset": cue["subset"],
                "class": cue["question"],
                "method": cue["rule"],
                **{key: cue.get(key) for key in ("low", "high", "n")},
                "value": cue["accuracy"],
                "status": "measured",
            }
        )
    return rows


def fingerprint(catalogue: Catalogue) -> str:
    """A digest of the files' names, sizes and times: enough to know that an audit still holds."""
    return digest(
        {entry.name: [entry.label, entry.patient, entry.official, *_stat(entry.path)] for entry in catalogue.entries}
    )


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return found.st_size, found.st_mtime_ns


def check_plans(run: Run, plans: Sequence[Plan], classes: Sequence[str]) -> None:
    """Look for mistakes in what shall be trained, before hours are spent on the first of it.

    Raises:
        BadData: a model that shall be trained further has other classes than the data.
        BadModel: an unknown backbone, weights that are missing, damaged or of another architecture, or a model that
            cannot be opened or cannot learn.
        BadInput: a name that cannot be a model's folder.
    """
    for plan in plans:
        run.model_folder(plan.name)
        if plan.model is None:
            backbones.choose(plan.backbone, plan.weights)
        else:
            check_trainable(open_models({plan.name: plan.model}, classes)[plan.name], classes)


def train_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    plans: Sequence[Plan],
    *,
    resume: bool,
    progress: Progress = quiet,
) -> None:
    """Train every plan that is not finished yet. Raises what `check_plans` and `training.train` raise."""
    check_plans(run, plans, catalogue.classes)
    book = ledger(run)
    for plan in plans:
        made_from = {"plan": plan.describe(), "splits": splits_digest(rows)}
        piece = f"train {plan.name}"
        if book.done(piece, made_from) and (run.model_folder(plan.name) / "model.json").is_file():
            continue
        with book.piece(piece, made_from):
            _train(run, catalogue, rows, plan, resume, progress)


def _train(
    run: Run, catalogue: Catalogue, rows: Sequence[SplitRow], plan: Plan, resume: bool, progress: Progress
) -> None:
    shared: dict[str, Any] = {
        "name": plan.name, "cache": run.folder / "cache", "resume": resume, "progress": progress
    }  # fmt: skip
    folder = run.model_folder(plan.name)
    if plan.model is None:
        train(catalogue, rows, plan.backbone, plan.weights, plan.settings, folder, **shared)
    else:
        model = open_models({plan.name: plan.model}, catalogue.classes)[plan.name]
        train_further(catalogue, rows, model, plan.settings, folder, **shared)


def splits_digest(rows: Sequence[SplitRow]) -> str:
    return digest({row.path: [row.label, row.group, row.split, row.content] for row in rows})


def compare_stage(run: Run, *, seed: int, progress: Progress = quiet) -> Mapping[str, Any]:
    """Judge all models of the run on the same scans.

    Raises:
        BadRun: the run has no model.
    """
    names = run.models()
    if not names:
        raise BadRun(f"{run.folder} has no trained model", "models/<name>/model.json", "run `whyscan train` first")
    about = {name: run.model(name) for name in names}
    rows = read_splits(run.splits_path) if run.splits_path.is_file() else ()
    comparison = compare.compare(
        [run.predictions(name) for name in names],
        {name: run.curves(name) for name in names},
        about,
        seed=seed,
        trained_here={name: parts.trained_here(about[name], rows) for name in names},
        patients_known=(run.audit() or {}).get("patients_known"),
        progress=progress,
    )
    compare.write(comparison, run)
    return comparison


def study(
    data: Path,
    out: Path,
    settings: StudySettings,
    *,
    plans: Sequence[Plan] = (),
    models: Mapping[str, Classifier | Given | str | Path] | None = None,
    resume: bool = False,
    progress: Progress = quiet,
) -> Run:
    """Audit, train (or adopt), compare and explain into one run folder.

    Args:
        models: classifiers, or files and folders of such, by the names they shall have.

    Raises:
        BadData: the data cannot be trained on, or do not fit the models.
        BadModel: a plan's backbone or weights cannot be had.
        BadRun: the folder cannot be used.
    """
    catalogue = open_catalogue(data)
    check_plans(Run(out), plans, catalogue.classes)
    opened = open_models(models or {}, catalogue.classes)
    check_models(Run(out), opened, catalogue.classes)
    asked = {
        "models": {plan.name: plan.describe() for plan in plans} or sorted(models or {}),
        "study": {name: getattr(settings, name) for name in settings.__dataclass_fields__},
    }
    with workspace(out, data, asked, resume=resume) as run:
        rows = audit_stage(run, catalogue, seed=settings.seed, progress=progress)
        train_stage(run, catalogue, rows, plans, resume=resume, progress=progress)
        lent = adopt_stage(run, catalogue, rows, opened, splits_digest(rows), ledger(run), progress=progress)
        comparison = compare_stage(run, seed=settings.seed, progress=progress)
        explaining.explain_stage(run, catalogue, rows, comparison, settings, ledger(run), lent=lent, progress=progress)
    return run
