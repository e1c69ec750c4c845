"""The explain stage: the gallery's scans by the best and the weak model, and where Grad-CAM's energy lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import whyscan
from whyscan.data.catalogue import Catalogue, Entry
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow
from whyscan.errors import BadModel, BadScan
from whyscan.explain.explain import explain, explain_layers, explain_many
from whyscan.models import checkpoint
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import save_all
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run
from whyscan.study import gallery
from whyscan.study.ledger import Ledger
from whyscan.study.locating import HELD_OUT, OUTSIDE, energy_of, locate, looked_into
from whyscan.study.settings import StudySettings
from whyscan.training import compare_text

MEASURED = ("gradcam", "lime", "shap")
ASKED = ("lime", "shap")
"""Those that need the model's answers only."""
LAYERED = "gradcam-layers"


def explain_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    comparison: Mapping[str, Any],
    settings: StudySettings,
    ledger: Ledger,
    *,
    lent: Mapping[str, Classifier] | None = None,
    progress: Progress = quiet,
) -> None:
    """Explain the gallery and write explain/index.json and the stage's rows of results.csv.

    Args:
        lent: models that the run folder does not hold, because they are only in memory.
    """
    roles = chosen_models(comparison)
    predictions = {name: run.predictions(name) for name in roles["all"]}
    best = predictions[roles["best"]]
    weak = predictions.get(roles["weak"] or "")
    picks = gallery.pick(best, weak, per_case=settings.per_case, seed=settings.seed)
    entries = {entry.name: entry for entry in catalogue.entries}
    elsewhere = [name for name in compare_text.not_from_here(comparison) if name in roles["all"]]
    documents: dict[str, dict[str, Any]] = {name: {} for name in roles["all"]}
    failed: dict[str, str] = {}
    unlocated: dict[str, str] = {}
    energies: list[dict[str, Any]] = []
    for name in roles["all"]:  # model by model: one network in memory at a time
        classifier = (lent or {}).get(name) or checkpoint.load(run.model_folder(name))
        for number, picked in enumerate(picks):
            progress(f"explaining with {name}", number, len(picks))
            entry = entries[best.paths[picked.row]]
            try:
                documents[name][entry.name] = _explain_scan(run, classifier, entry, settings, ledger)
            except (BadScan, BadModel) as error:  # the file changed since the audit, or the model answers NaN
                failed[entry.name] = str(error)
        progress(f"explaining with {name}", len(picks), len(picks))
        subset = OUTSIDE if name in elsewhere else HELD_OUT
        energies += locate(classifier, catalogue, rows, settings, unlocated, progress, subset=subset)
    scans = [_entry(documents, best, picked) for picked in picks if best.paths[picked.row] not in failed]
    files.write_json(
        run.gallery_path,
        {
            "seed": settings.seed,
            "evaluations": settings.evaluations,
            "sampling": gallery.sentence(settings.per_case, settings.seed, alone=weak is None, elsewhere=elsewhere),
            "models": {"best": roles["best"], "weak": roles["weak"], "others": roles["others"]},
            "scans": scans,
            "failed": [{"source": path, "reason": reason} for path, reason in (unlocated | failed).items()],
            "energy": energies,
        },
    )
    run.replace_results("explain", energies + [_result(row) for scan in scans for row in scan["evidence"]])


def _entry(
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]], best: Predictions, picked: gallery.Pick
) -> dict[str, Any]:
    """One scan of the gallery; `documents` holds what each model made of it, by name and path."""
    path = best.paths[picked.row]
    return {
        "scan": documents[best.model][path]["scan"],
        "source": path,
        "label": best.classes[best.labels[picked.row]],
        "split": best.splits[picked.row],
        "case": picked.case,
        "region": documents[best.model][path]["region"],
        "models": {name: made[path]["model"] for name, made in documents.items()},
        "evidence": [row for made in documents.values() for row in made[path]["evidence"]],
    }


def chosen_models(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """The best model, its weaker twin of the same backbone (or those that were given as best and weak), and the
    weakest of the other backbones."""
    best = comparison["pair"]["strong"]
    twin = comparison["pair"]["weak"]
    ranked = dict.fromkeys((comparison["best"], comparison["weak"]))
    others = [name for name in ranked if name and name not in (best, twin)]
    weak = twin or (others[0] if others else None)
    names = [best, *([twin] if twin else []), *others]
    return {"best": best, "weak": weak, "others": [name for name in names if name not in (best, weak)], "all": names}


def _explain_scan(
    run: Run, classifier: Classifier, entry: Entry, settings: StudySettings, ledger: Ledger
) -> dict[str, Any]:
    """All pictures of one scan by one model: made, or found whole from an earlier try."""
    scan = read_entry(entry)
    made_from = {
        "model": classifier.hash, "seed": settings.seed, "evaluations": settings.evaluations,
        "label": scan.label, "region": _region_hash(scan), "whyscan": whyscan.__version__,
    }  # fmt: skip
    methods = (*MEASURED, LAYERED) if looked_into(classifier) else ASKED
    paths = {method: run.attribution_path(scan.content, classifier.name, method) for method in methods}
    piece = f"explain {classifier.name} {scan.content[:16]}"
    known = bool(classifier.hash) and ledger.done(piece, made_from)  # two functions without a hash look the same
    if not (known and all(path.is_file() for path in paths.values())):
        with ledger.piece(piece, made_from):
            explain_to_files(classifier, scan, paths, settings)
    found = {method: run.attributions(_relative(run, paths[method]))[0] for method in MEASURED if method in paths}
    last = next(iter(found.values()))
    return {
        "scan": scan.content,
        "region": scan.region is not None and bool(scan.region.any()),
        "model": {
            "predicted": last.predicted,
            "probabilities": {name: float(p) for name, p in zip(last.classes, last.probabilities, strict=True)},
            "right": last.predicted == scan.label,
            "files": {method: _relative(run, path) for method, path in paths.items()},
        },
        "evidence": [
            {**energy_of(attribution, scan), "model": classifier.name, "method": method, "source": entry.name}
            for method, attribution in found.items()
            if scan.region is not None and scan.region.any()
        ],
    }


def _region_hash(scan: Scan) -> str | None:
    """The lesion is stored in the attributions, and is not part of a scan's content hash."""
    if scan.region is None:
        return None
    return hashlib.sha256(str(scan.region.shape).encode() + np.packbits(scan.region).tobytes()).hexdigest()


def explain_to_files(classifier: Classifier, scan: Scan, paths: Mapping[str, Path], settings: StudySettings) -> None:
    """Grad-CAM of the last layer for all classes; of every layer for the predicted and the true one; LIME and SHAP.

    Of a model that only answers, LIME and SHAP alone.
    """
    if "gradcam" in paths:
        _grad_cams(classifier, scan, paths, settings)
    both = explain_many(classifier, scan, list(ASKED), "all", seed=settings.seed, samples=settings.evaluations)
    for method in ASKED:
        save_all(paths[method], [both[method]])


def _grad_cams(classifier: Classifier, scan: Scan, paths: Mapping[str, Path], settings: StudySettings) -> None:
    last = explain(classifier, scan, "gradcam", "all", seed=settings.seed)
    save_all(paths["gradcam"], [last])
    targets = list(dict.fromkeys([last.predicted, *([scan.label] if scan.label in classifier.classes else [])]))
    layers = explain_layers(classifier, scan, [name for name in targets if name is not None])
    save_all(paths[LAYERED], list(layers.values()))


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    """A gallery figure as a row of results.csv."""
    kept = {name: row[name] for name in ("model", "method", "metric", "value", "low", "high", "n", "status", "reason")}
    return {**kept, "subset": row["source"], "class": row["target"]}


def _relative(run: Run, path: Path) -> str:
    return path.relative_to(run.folder).as_posix()
