"""One function per verb: what `whyscan.<verb>` and the command line call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whyscan.data.catalogue import open_catalogue
from whyscan.data.dicom_window import Asked
from whyscan.data.fetch import fetch
from whyscan.data.figshare import import_figshare
from whyscan.data.folds import fold_numbers
from whyscan.data.read import read_scan, read_scans
from whyscan.data.scan import Scan
from whyscan.data.split import read_splits
from whyscan.errors import BadInput
from whyscan.explain.cams.ablationcam import AblationCAM
from whyscan.explain.cams.blankness import blank_table
from whyscan.explain.cams.contribution import layer_contributions
from whyscan.explain.cams.family import EigenCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.cams.guided_gradcam import GuidedGradCAM
from whyscan.explain.cams.scorecam import ScoreCAM
from whyscan.explain.consensus import Consensus, consensus
from whyscan.explain.explain import explain, explain_layers, explain_many
from whyscan.explain.games.anchors import Anchors
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.occlusion import Occlusion
from whyscan.explain.games.owen import Owen
from whyscan.explain.games.rise import RISE
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.shap import SHAP
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.gradients.gradient_shap import GradientSHAP
from whyscan.explain.gradients.guided import GuidedBackprop
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.explain.gradients.rollout import AttentionRollout
from whyscan.explain.gradients.saliency import InputXGradient, Saliency
from whyscan.explain.gradients.smoothgrad import SmoothGrad
from whyscan.explain.methods import describe as methods
from whyscan.export.formats import export
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier
from whyscan.models.load import load
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import Attribution, find
from whyscan.records.evidence import Evidence
from whyscan.records.run import Run
from whyscan.records.volume import VolumeSummary, montage, summarise_volume
from whyscan.study import attesting, doctor_words, layers_words, trusting
from whyscan.study import demo as demonstration
from whyscan.study import doctor as doctoring
from whyscan.study import layers as layering
from whyscan.study import run as stages
from whyscan.study.checkup import SCANS
from whyscan.study.folds import check_folds, folds_stage
from whyscan.study.given import Given, names_of_files, open_models
from whyscan.study.lending import lend
from whyscan.study.settings import Plan, StudySettings, check_seed, plans
from whyscan.study.trust_settings import TrustSettings
from whyscan.study.workspace import data_of, ledger, split_seed, workspace
from whyscan.training.settings import TrainSettings
from whyscan.trust import checklist

__all__ = [
    "LIME",
    "RISE",
    "SHAP",
    "AblationCAM",
    "Anchors",
    "AttentionRollout",
    "Attribution",
    "Classifier",
    "Consensus",
    "EigenCAM",
    "Evidence",
    "Given",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "Occlusion",
    "Owen",
    "Perturbation",
    "Plan",
    "Run",
    "Saliency",
    "Scan",
    "ScoreCAM",
    "SmoothGrad",
    "StudySettings",
    "Superpixels",
    "TrainSettings",
    "TrustSettings",
    "VolumeSummary",
    "XGradCAM",
    "audit",
    "black_box",
    "blank_table",
    "compare",
    "consensus",
    "demo",
    "doctor",
    "explain",
    "explain_layers",
    "explain_many",
    "export",
    "fetch_data",
    "import_data",
    "layer_contributions",
    "layers",
    "load",
    "methods",
    "montage",
    "plans",
    "read_scan",
    "read_scans",
    "report",
    "study",
    "summarise_volume",
    "train",
    "trust",
]


def audit(
    data: str | Path, out: str | Path, *, seed: int = 0, resume: bool = False, progress: Progress = quiet
) -> Mapping[str, Any]:
    """Look for leaks, duplicates, label conflicts and shortcut cues, and write a clean split.

    Args:
        data: a folder per class (with or without train and test folders), or a CSV.
        out: a run folder; gets audit/audit.json, splits.csv and results.csv.
        seed: of the split.
        resume: go on in a run folder that exists.

    Returns:
        The audit's document, as in audit.json.

    Raises:
        BadData: no images, one class only, or folders that do not fit each other.
        BadInput: the seed cannot be used.
        BadRun: the run folder cannot be used.
    """
    check_seed(seed)
    catalogue = open_catalogue(Path(data))
    with workspace(Path(out), Path(data), {"audit": {"seed": seed}}, resume=resume) as run:
        stages.audit_stage(run, catalogue, seed=seed, progress=progress)
    found = run.audit()
    assert found is not None
    return found


def train(
    data: str | Path,
    out: str | Path,
    chosen: Sequence[Plan],
    *,
    folds: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    progress: Progress = quiet,
) -> Run:
    """Train models on the audit's split (audited first if need be).

    Args:
        data: as for `audit`.
        out: the run folder; gets models/<name>/ for every plan.
        chosen: what to train; `whyscan.plans` makes them from names, and from models that exist already.
        folds: train each backbone so many times more, each time without one fold of the training part, so that every
            scan of it is judged by a model that never saw it: models/<name>/fold<k>/ and models/<name>/folds.csv.
        seed: of the split and the folds; None is the audit's where there is one, else 0.
        resume: go on where an earlier try stopped.

    Raises:
        BadData, BadInput, BadModel, BadRun: see their texts.
        Diverged: the loss was not a number before there was a good epoch.
    """
    catalogue = open_catalogue(Path(data))
    asked: dict[str, Any] = {"models": {plan.name: plan.describe() for plan in chosen}}
    if folds is not None:
        check_folds(chosen, folds)
        asked["folds"] = folds
    begun = any((Path(out) / "models").glob("*"))  # a training that was killed leaves a folder and no model in it
    audited = Run(Path(out)).splits_path.is_file() and not begun
    stages.check_plans(Run(Path(out)), chosen, catalogue.classes)
    seed = split_seed(Run(Path(out)), seed)
    with workspace(Path(out), Path(data), asked, resume=resume or audited) as run:
        rows = stages.audit_stage(run, catalogue, seed=seed, progress=progress)
        if folds is not None:
            fold_numbers(rows, folds, seed=seed)  # what cannot be cut is refused before hours are spent
        stages.train_stage(run, catalogue, rows, chosen, resume=resume, progress=progress)
        if folds is not None:
            folds_stage(run, catalogue, rows, chosen, folds, seed=seed, resume=resume, progress=progress)
    return run


def compare(run: str | Path, *, seed: int = 0, progress: Progress = quiet) -> Mapping[str, Any]:
    """Scores with intervals, paired tests, the best and the weak model of a run.

    Raises:
        BadInput: the seed cannot be used.
        BadRun: not a run, or a run without a trained model.
    """
    check_seed(seed)
    opened = Run.open(run)
    with workspace(opened.folder, None, {}, resume=True) as found:
        return stages.compare_stage(found, seed=seed, progress=progress)


def study(
    data: str | Path,
    out: str | Path,
    *,
    chosen: Sequence[Plan] = (),
    models: Mapping[str, Classifier | Given | str | Path] | None = None,
    settings: StudySettings | None = None,
    resume: bool = False,
    progress: Progress = quiet,
) -> Run:
    """Audit, train or adopt, compare, explain, report.

    Args:
        data: as for `audit`.
        out: the run folder.
        chosen: models to train.
        models: or models that exist already, by the names they shall have in the run: classifiers, or files and
            folders; `Given` says with which class names, preprocessing and input size a file shall be opened.
        settings: how much is explained, and the seed; by default the seed of the run's audit, where there is one.
        resume: go on where an earlier try stopped.

    Raises:
        BadData, BadInput, BadModel, BadRun: see their texts.
    """
    if settings is None or resume:
        seed = split_seed(Run(Path(out)), None if settings is None else settings.seed)
        settings = settings or StudySettings(seed=seed)
    run = stages.study(Path(data), Path(out), settings, plans=chosen, models=models, resume=resume, progress=progress)
    _write_report(run)
    return run


def fetch_data(
    name: str, out: str | Path, *, given: str | Path | None = None, progress: Progress = quiet
) -> Mapping[str, Any]:
    """Bring a published data set here. See `whyscan.data.fetch.fetch`.

    Args:
        name: "brain-tumor-mri".
        out: the folder to make.
        given: a folder or zip archive that was downloaded already; no network is used.

    Raises:
        BadInput, BadData, BadRun: see their texts.
    """
    return fetch(name, Path(out), given=None if given is None else Path(given), progress=progress)


def import_data(
    kind: str, folder: str | Path, out: str | Path, *, window: Asked = None, progress: Progress = quiet
) -> Mapping[str, Any]:
    """Make a data set with masks and patients of files that are not images. See `import_figshare`.

    Args:
        kind: "figshare": the brain-tumour set of Cheng et al., MATLAB 7.3 files or the zips that they come in.
        folder: where these are.
        out: the folder to make; its scans.csv is what the other verbs take.

    Raises:
        BadInput, BadData, BadRun: see their texts.
    """
    if kind != "figshare":
        raise BadInput(f"files of {kind!r}", "figshare", "name the data set that the files are of")
    return import_figshare(Path(folder), Path(out), window=window, progress=progress)


def doctor(
    model: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    scans: int = SCANS,
    seed: int = 0,
    progress: Progress = quiet,
    **opening: Any,
) -> Mapping[str, Any]:
    """What a model is, what can be explained of it; with data, which scaling and class order its answers fit.

    Args:
        model: a file, a model folder, a hub's name, the address of a service, or a classifier.
        data: labelled scans: a folder per class, or a CSV.
        out: a folder; gets doctor.json, doctor.txt and, with data, doctor.png.
        scans: how many of them are tried.
        seed: of their choice and of the bootstrap.
        opening: how a file is opened: arguments of `load`.

    Returns:
        The document of doctor.json: "model", "methods", "checkup" (None without data), "unchecked" (why there is no
        checkup although there are data) and "text", its lines for a person.

    Raises:
        BadModel, BadData, BadInput: see their texts.
        BadRun: the folder cannot be written to.
    """
    catalogue = None if data is None else open_catalogue(Path(data))
    given = model if isinstance(model, Classifier) else Given(model, opening)
    facts, methods, found, unchecked = doctoring.diagnose(given, catalogue, scans=scans, seed=seed, progress=progress)
    lines = doctor_words.model_lines(facts, methods)
    if found is not None:
        lines += ["", *doctor_words.checkup_lines(found)]
    document = {
        "model": facts.row(), "methods": methods, "checkup": None if found is None else found.row(),
        "unchecked": unchecked, "text": lines,
    }  # fmt: skip
    if out is not None:
        folder = Path(out)
        files.write_json(folder / "doctor.json", document)
        files.write_text(folder / "doctor.txt", "\n".join(lines) + "\n")
        if found is not None:
            from whyscan.study import dotted  # it draws: see `_write_report`

            picture = dotted.of_scalings(found, facts.name, len(facts.classes))
            files.write_bytes(folder / "doctor.png", picture)
    return document


def layers(
    models: Mapping[str, Classifier | Given | str | Path],
    data: str | Path,
    out: str | Path,
    *,
    scans: int = layering.SCANS,
    seed: int = 0,
    progress: Progress = quiet,
) -> Mapping[str, Any]:
    """Why only some layers' maps light up: how often a layer's map is blank and why, and what the layer contributes.

    Args:
        models: by the names that they shall have; letters, digits, "_", "-" and ".", since pictures are called so.
        data: labelled scans: a folder per class, or a CSV. They need not be new to the models.
        out: a folder; gets layers.json, layers.txt, blank.csv, blank-by-confidence.csv, contribution.csv and a picture
            of each model.
        scans: how many are explained; 48 others are what a layer's mean is taken over, or as many as there are.
        seed: of their choice and of the bootstrap.

    Returns:
        The document of layers.json: "models" (see `study.layers.summaries`), "references" and "unread", counts of
        scans, "files" and "text", its lines for a person.

    Raises:
        BadModel: a model cannot be opened, or is a black box.
        BadData: a model's classes are not the data's.
        BadTarget: a model has no layer to look at.
        BadInput: no model, a name that is no file's, too few scans, or a seed that is none.
        BadRun: the folder cannot be written to.
    """
    from whyscan.study import dotted  # it draws: see `_write_report`

    check_seed(seed)
    names_of_files(models)
    catalogue, folder = open_catalogue(Path(data)), Path(out)
    with files.locked(folder):  # before minutes of work, whether it can be written to
        opened = open_models(models, catalogue.classes)
        found = layering.look(opened, catalogue, scans=scans, seed=seed, progress=progress)
        summaries = layering.summaries(found, seed=seed)
        text = layers_words.lines(summaries, references=found.references, unread=found.unread)
        written = layering.write_tables(found, folder)
        for name in opened:
            files.write_bytes(folder / f"{name}.png", dotted.of_layers(found, name))
            written.append(str(folder / f"{name}.png"))
        written += [str(folder / name) for name in ("layers.txt", "layers.json")]
        document = {
            "models": summaries, "references": found.references, "unread": found.unread, "files": written, "text": text,
        }  # fmt: skip
        files.write_text(folder / "layers.txt", "\n".join(text) + "\n")
        files.write_json(folder / "layers.json", document)
    return document


def trust(
    run: str | Path,
    data: str | Path | None = None,
    settings: TrustSettings | None = None,
    *,
    models: Sequence[str] = (),
    lent: Mapping[str, Classifier | Given | str | Path] | None = None,
    checklists: Sequence[str] = (),
    attest: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress = quiet,
) -> Mapping[str, Any]:
    """Judge the explanations of a run's best and weak model: metrics, verdicts, and the answers to seven questions.

    Writes trust/table.csv and trust/summary.json, and the report again. What an earlier call judged is not done again.

    Args:
        run: a run folder that was compared.
        data: its data set; by default where it lay on this machine.
        settings: which methods, and how many scans.
        models: names of models of the run instead of the two that the comparison chose, the best first.
        lent: functions and services, by the run's names for them: it has their answers, and cannot open them itself.
            They are asked again about some scans, and have to answer as they did.
        checklists: "claim", "tripod-ai", "future-ai": each gets trust/checklist-NAME.md, and all of them together
            trust/attest.template.json, a form for what only people can say.
        attest: that form, filled in by a person: kept in trust/attested.json, and shown with name and date, now and by
            later calls.
        say: is told what it will cost before the first scan is judged, and later what is left.

    Returns:
        The document of trust/summary.json.

    Raises:
        BadRun: not a run, not compared, nothing held back, or its data are not found.
        BadModel: a lent model answers otherwise than when the run was made.
        BadInput: an unknown method, model or checklist, or a statement without an item, a name, a day or a sentence.
    """
    opened = Run.open(run)
    for name in checklists:
        checklist.find_checklist(name)
    said = [] if attest is None else attesting.given(Path(attest))
    catalogue = open_catalogue(data_of(opened, None if data is None else Path(data)))
    rows = read_splits(opened.splits_path)
    models = list(dict.fromkeys(find(name, opened.models(), "model") for name in models))
    brought = lend(opened, catalogue, rows, lent or {})
    with files.locked(opened.folder):
        if said:
            attesting.keep(opened, said)
        found = trusting.trust_stage(
            opened, catalogue, rows, settings or TrustSettings(), ledger(opened), models=models, lent=brought, say=say,
            progress=progress,
        )  # fmt: skip
        attesting.write_checklists(opened, checklists)
        _write_report(opened)
    return found


def report(run: str | Path) -> Path:
    """Write a run's report.html, from its saved records alone.

    Raises:
        BadRun: not a run, or damaged records.
    """
    return _write_report(Run.open(run))


def demo(out: str | Path, *, seed: int = 0, resume: bool = False, progress: Progress = quiet) -> Run:
    """A whole study on head phantoms made on the spot, with known truth and a planted shortcut.

    Args:
        out: the run folder; the phantoms are kept in its phantoms/ folder.
        seed: of the phantoms, the split and the training.
        resume: go on where an earlier try stopped.
    """
    check_seed(seed)
    run = demonstration.demo(Path(out), seed=seed, resume=resume, progress=progress)
    _write_report(run)
    return run


def _write_report(run: Run) -> Path:
    from whyscan.report import page  # it draws with matplotlib, which takes half a second to import

    return page.write(run)
