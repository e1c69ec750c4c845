"""A whole run folder, made up without a model: what a report is made from. Small, seeded, no torch."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.data.split import SplitRow
from whyscan.records import files
from whyscan.records.attribution import Attribution, save_all
from whyscan.records.geometry import Geometry
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run

CLASSES = ("glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor")
MODELS = ("mobilenetv2_100", "mobilenetv2_100-weak", "xception")
SUBSETS = ("validation", "holdout", "test", "test-leaked", "test-clean")
LAYERS = tuple(f"blocks.{i}.conv" for i in range(14))
ROOT = "/home/jane/secret-hospital/brain-tumor-mri"
PATIENTS = ("PAT-0417", "PAT-0951")
_SKILL = {"mobilenetv2_100": 0.93, "mobilenetv2_100-weak": 0.8, "xception": 0.65}


def make(folder: Path, *, scans: int = 3, size: int = 96, classes: tuple[str, ...] = CLASSES) -> Run:
    """All stages of a run with three models."""
    run = Run(folder)
    manifest(run)
    audit(run, classes)
    splits(run, classes)
    for name in MODELS:
        model(run, name, classes)
    comparison(run, classes)
    gallery(run, classes, scans=scans, size=size)
    shortcut(run, classes, size=size)
    return run


def manifest(run: Run) -> None:
    asked = {"data": ROOT, "backbones": ["mobilenetv2_100", "xception=none"], "settings": {"epochs": 8, "seed": 0}}
    document = {
        "whyscan": "0.1.0",
        "created": "2025-03-01T12:00:00+00:00",
        "data": "brain-tumor-mri",
        "asked": asked,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
    }
    files.write_json(run.manifest_path, document)


def splits(run: Run, classes: tuple[str, ...]) -> None:
    rows = [
        SplitRow(f"Training/{label}/image({i}).jpg", label, None, f"g{i}", "train", False, f"{i:064x}")
        for i, label in enumerate(classes)
    ]
    rows += [
        SplitRow(f"Training/{classes[0]}/{patient}_3.png", classes[0], patient, patient, "holdout", False, "ab" * 32)
        for patient in PATIENTS
    ]
    columns = ("path", "label", "patient", "group", "split", "leaked", "content")
    table = [{name: getattr(row, name) for name in columns} for row in rows]
    files.write_rows(run.splits_path, table, columns)


def audit(run: Run, classes: tuple[str, ...]) -> None:
    test = dict(zip(classes, (100, 115, 105, 74), strict=False))
    near = dict(zip(classes, (2, 113, 105, 39), strict=False))
    cue = {"name": "image size", "question": "tumour or not", "rule": "512 x 512 means tumour", "n": 2870}
    thumbs = {"name": "1-NN on thumbnails", "question": "class", "rule": "the class of the most similar scan"}
    conflict = [
        {"path": f"Training/{classes[1]}/m1 (12).jpg", "label": classes[1], "official": "train"},
        {"path": f"Testing/{classes[0]}/image(51).jpg", "label": classes[0], "official": "test"},
    ]
    patient = {"path": f"Training/{classes[0]}/{PATIENTS[0]}_3.png", "label": classes[0], "official": "train"}
    document = {
        "whyscan": "0.1.0",
        "name": "brain-tumor-mri",
        "images": 3264,
        "readable": 3263,
        "seed": 0,
        "seconds": 41.2,
        "classes": {name: {"train": 826 - 30 * i, "test": test[name]} for i, name in enumerate(classes)},
        "splits": {
            split: {name: 100 * (i + 1) for i, name in enumerate(classes)} for split in ("train", *SUBSETS, "excluded")
        },
        "unreadable": [{"path": "Training/broken.jpg", "reason": f"{ROOT}/Training/broken.jpg is truncated"}],
        "duplicates": {
            "exact_groups": 240,
            "near_groups": 31,
            "images": 560,
            "groups": [{"id": PATIENTS[0], "kind": "exact", "members": [*conflict, patient]}],
        },
        "leaks": {
            "test": sum(test.values()),
            "exact": 251,
            "near": sum(near.values()),
            "clean": sum(test.values()) - sum(near.values()),
            "per_class": {name: {"test": test[name], "exact": near[name], "near": near[name]} for name in classes},
        },
        "conflicts": [{"group": "g7", "members": conflict}],
        "patients_known": False,
        "cues": [
            {**cue, "subset": "train", "accuracy": 0.939, "majority": 0.862, "low": 0.93, "high": 0.947, "flag": True},
            {**cue, "subset": "test", "accuracy": 0.348, "majority": 0.734, "low": None, "high": None, "flag": False},
            {**thumbs, "subset": "test-clean", "accuracy": 0.341, "majority": 0.7, "low": 0.26, "high": 0.42, "n": 135,
             "flag": False},
        ],
        "readings": {"8 bit grey, divided by 255": 3000, "RGB, divided by 255": 263},
        "findings": [
            {"level": "note", "text": "Patients are unknown: neighbouring slices may be on both sides of the split."},
            {"level": "fail", "text": "251 of 394 official test scans (64 %) are pixel-identical to a training scan."},
            {"level": "warn", "text": "The rule '512 x 512 means tumour' is right for 93.9 % of the training scans."},
        ],
    }  # fmt: skip
    files.write_json(run.audit_path, document)


def model(run: Run, name: str, classes: tuple[str, ...] = CLASSES, *, epochs: int = 8) -> None:
    folder = run.model_folder(name)
    training = {"recipe": "finetune", "epochs": epochs, "seed": 0, "best_epoch": epochs - 1, "note": f"note on {name}"}
    document = {
        "whyscan": "0.1.0", "name": name, "classes": list(classes), "input_size": [224, 224], "fit": "stretch",
        "backbone": name.removesuffix("-weak"), "architecture": f"timm.{name}", "arguments": {}, "head": "linear",
        "mean": [0.5], "std": [0.5], "weights_sha256": f"{len(name):02x}" * 32,
        "origin": f"{ROOT}/weights/trunk.safetensors", "training": training,
        "versions": {"torch": "2.13.0", "timm": "1.0.31", "whyscan": "0.1.0"},
    }  # fmt: skip
    if epochs:
        rows = [_epoch(i, _SKILL.get(name, 0.8)) for i in range(1, epochs + 1)]
        files.write_rows(folder / "curves.csv", rows, list(rows[0]))
    else:
        document["training"] = None
    _predictions(name, classes).save(folder / "predictions.csv")
    files.write_json(folder / "model.json", document)


def _epoch(i: int, skill: float) -> dict[str, Any]:
    validation = skill * (1 - 0.6**i) + 0.04
    return {
        "epoch": i, "phase": "head" if i < 3 else "finetune", "train_loss": f"{1.3 * 0.7**i + 0.05:.4f}",
        "train_accuracy": f"{min(1.0, validation + 0.02):.4f}", "validation_loss": f"{1.35 * 0.75**i + 0.14:.4f}",
        "validation_accuracy": f"{validation:.4f}", "learning_rate": "0.001", "seconds": "70.1", "images": "2000",
    }  # fmt: skip


def _predictions(name: str, classes: tuple[str, ...]) -> Predictions:
    random = np.random.default_rng(len(name))
    n, k = 12, len(classes)
    return Predictions(
        name, classes, tuple(f"Training/{classes[i % k]}/p{i}.jpg" for i in range(n)), np.arange(n) % k,
        tuple(f"g{i}" for i in range(n)), ("holdout",) * n, np.zeros(n, bool), random.dirichlet(np.ones(k), n),
    )  # fmt: skip


def comparison(run: Run, classes: tuple[str, ...] = CLASSES) -> None:
    scores = []
    for name, subset in itertools.product(MODELS, SUBSETS):
        value = _SKILL[name] - (0.25 if subset == "test-clean" else 0)
        for metric in ("accuracy", "macro_f1", "auroc", "loss", "ece"):
            scores.append(_score(name, subset, metric, None, 0.06 if metric == "ece" else value))
        for i, label in enumerate(classes):
            absent = subset == "test-clean" and label == classes[2]
            scores.append(_score(name, subset, "recall", label, None if absent else value - 0.03 * i))
    k = len(classes)
    counts = (np.eye(k, dtype=int) * 90 + 3).tolist()
    bins = {"confidence": [0.35, 0.55, None, 0.97], "accuracy": [0.3, 0.5, None, 0.91], "count": [9, 31, 0, 360]}
    pairs = [
        _pair("mobilenetv2_100", "mobilenetv2_100-weak", 0.13, "a is better")
        | {"p_holm": None, "correction": "not corrected: chosen to differ"},
        _pair("xception", "mobilenetv2_100", -0.28, "b is better"),
        _pair("mobilenetv2_100-weak", "xception", 0.15, "could be chance"),
    ]
    document = {
        "seed": 0, "draws": 1000, "classes": list(classes),
        "models": [
            {"name": name, "backbone": name, "recipe": "finetune", "epochs": 8, "best_epoch": 7,
             "final_train_loss": 0.1, "final_validation_loss": 0.2, "final_validation_accuracy": _SKILL[name],
             "overfit": "no overfitting: the validation loss stayed near its lowest", "trained_here": True}
            for name in MODELS
        ],
        "subsets": list(SUBSETS), "scores": scores,
        "confusion": {name: {"holdout": counts, "validation": counts} for name in MODELS},
        "reliability": {name: {"holdout": bins} for name in MODELS},
        "pairs": pairs, "best": MODELS[0], "weak": MODELS[2],
        "pair": {"strong": MODELS[0], "weak": MODELS[1], "reason": "Both have the same backbone."},
        "selected_on": "validation", "text": ["mobilenetv2_100 is the best model by accuracy on validation."],
    }  # fmt: skip
    files.write_json(run.compare_path, document)


def _score(name: str, subset: str, metric: str, label: str | None, value: float | None) -> dict[str, Any]:
    kept = {"model": name, "subset": subset, "metric": metric, "class": label, "n": 0 if value is None else 400}
    if value is None:
        reason = f"no scan of {label} in {subset}"
        return {**kept, "value": None, "low": None, "high": None, "status": "skipped", "reason": reason}
    return {**kept, "value": value, "low": value - 0.02, "high": value + 0.02, "status": "measured", "reason": ""}


def _pair(a: str, b: str, difference: float, verdict: str) -> dict[str, Any]:
    return {
        "a": a, "b": b, "subset": "holdout", "difference": difference, "low": difference - 0.03,
        "high": difference + 0.03, "n": 400,
        "p": 0.00001, "test": "permutation by group", "p_holm": 0.00003, "verdict": verdict,
    }  # fmt: skip


def gallery(run: Run, classes: tuple[str, ...] = CLASSES, *, scans: int = 3, size: int = 96) -> None:
    entries = [_scan(run, classes, number, size) for number in range(scans)]
    energy = [
        {"model": MODELS[0], "method": "gradcam", "subset": "held out, known lesion", "metric": "mean energy in lesion",
         "value": 0.41, "low": 0.38, "high": 0.44, "n": 120, "status": "measured", "reason": ""},
    ]  # fmt: skip
    document = {
        "seed": 0, "evaluations": 300, "sampling": "Drawn at random with seed 0.",
        "models": {"best": MODELS[0], "weak": MODELS[1], "others": [MODELS[2]]}, "scans": entries, "energy": energy,
    }  # fmt: skip
    files.write_json(run.gallery_path, document)


def _scan(run: Run, classes: tuple[str, ...], number: int, size: int) -> dict[str, Any]:
    content = hashlib.sha256(bytes([number])).hexdigest()
    true = classes[number % len(classes)]
    models, evidence = {}, []
    for position, name in enumerate(MODELS):
        right = (number + position) % 2 == 0
        predicted = true if right else classes[(number + 1) % len(classes)]
        made = attributions(name, classes, true, predicted, seed=10 * number + position, size=size)
        written = {}
        for method, each in made.items():
            path = run.attribution_path(content, name, method)
            save_all(path, [replace(a, scan=content, source="x") for a in each])
            written[method] = path.relative_to(run.folder).as_posix()
        probabilities = made["gradcam"][0].probabilities
        models[name] = {
            "predicted": predicted, "right": right, "files": written,
            "probabilities": {label: float(p) for label, p in zip(classes, probabilities, strict=True)},
        }  # fmt: skip
        evidence.append(
            {"model": name, "method": "gradcam", "metric": "energy in lesion", "target": predicted, "value": 0.31,
             "low": None, "high": None, "n": 1, "reason": "", "status": "measured", "chance": 0.04}
        )  # fmt: skip
    return {
        "scan": content, "source": f"Training/{true}/image({number}).jpg", "label": true, "split": "holdout",
        "case": "both right", "models": models, "region": True, "evidence": evidence,
    }  # fmt: skip


def shortcut(run: Run, classes: tuple[str, ...] = CLASSES, *, size: int = 96) -> None:
    """What the check of a planted cue writes."""
    written = []
    for number in range(2):
        made = attributions("misled", classes, classes[0], classes[0], seed=90 + number, size=size)
        written.append({method: f"{number}.{method}.npz" for method in ("gradcam", "lime")})
        for method, name in written[-1].items():
            save_all(run.shortcut_path.parent / "explain" / name, made[method])
    measured = {"low": None, "high": None, "n": 100, "reason": "", "status": "measured"}
    document = {
        "cue": "white square", "classes": ["meningioma"], "model": "misled", "scans": 100, "verdict": "fail",
        "text": "Without the white square, on the very same scans, accuracy falls by 0.600.",
        "accuracy_with": {"value": 0.99, **measured}, "accuracy_without": {"value": 0.39, **measured},
        "fall": {"value": 0.6, **measured, "low": 0.5, "high": 0.7},
        "energy_on_cue": {"gradcam": {"value": 0.55, **measured}},
        "energy_in_lesion": {
            "gradcam": {"value": None, **measured, "status": "skipped", "reason": "every map was blank"}
        },
        "cue_area": 0.011, "lesion_area": 0.043, "pictures": [*written, {"gradcam": "gone.npz"}],
    }  # fmt: skip
    files.write_json(run.shortcut_path, document)


def attributions(
    model: str, classes: tuple[str, ...], true: str, predicted: str, *, seed: int, size: int
) -> dict[str, list[Attribution]]:
    """What four methods would have saved for one scan and one model."""
    random = np.random.default_rng(seed)
    probabilities = np.full(len(classes), 0.3 / (len(classes) - 1), np.float32)
    probabilities[classes.index(predicted)] = 0.7
    shared: dict[str, Any] = {
        "geometry": Geometry.of((size, size), (64, 64)), "classes": classes, "probabilities": probabilities,
        "label": true, "thumbnail": head(random, size), "model": model, "seed": seed, "model_hash": "ab" * 32,
    }  # fmt: skip
    traced = tuple(dict.fromkeys((predicted, true)))
    segments = (np.arange(64)[:, None] // 8 * 8 + np.arange(64) // 8).astype(np.int32)
    weights = random.normal(0, 0.02, (len(classes), 64)).astype(np.float32)
    weights[:, 27:29] += np.float32(0.15)
    weights[:, 36] -= np.float32(0.1)
    intervals = np.stack([weights - 0.03, weights + 0.03], axis=-1)
    pixels: dict[str, Any] = {"segments": segments, "weights": weights, "signed": True, "score": "probability"}
    blank = ("there",) * len(traced)
    layers = [
        Attribution("gradcam", traced, maps=_maps(random, len(traced), 4 + i), layer=layer, diagnosis=blank, **shared)
        for i, layer in enumerate(reversed(LAYERS))
    ][::-1]
    layers[0] = replace(layers[0], maps=np.zeros((len(traced), 17, 17), np.float32),
                        diagnosis=("negative everywhere",) * len(traced))  # fmt: skip
    final = Attribution("gradcam", classes, maps=_maps(random, len(classes), 4), layer=LAYERS[-1], **shared)
    lime = Attribution("lime", classes, intervals=intervals, evaluations=300, converged=False, deviation=0.004,
                       engine="torch bfloat16", **pixels, **shared)  # fmt: skip
    shap = Attribution("shap", classes, evaluations=300, converged=True, **pixels, **shared)
    return {"gradcam": [final], "gradcam-layers": layers, "lime": [lime], "shap": [shap]}


def head(random: np.random.Generator, size: int) -> np.ndarray:
    """A grey head with a bright ring, a dark middle and a bright spot."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    radius = np.hypot(x / 0.38, y / 0.46)
    picture = np.where(radius < 1, 90.0, 0.0) + np.where(np.abs(radius - 1) < 0.06, 130.0, 0.0)
    picture[np.hypot(x + 0.05, y) < 0.07] = 30
    picture[np.hypot(x - 0.12, y + 0.1) < 0.08] = 190
    return np.clip(picture + random.normal(0, 6, picture.shape) * (radius < 1), 0, 255).astype(np.uint8)


def _maps(random: np.random.Generator, targets: int, grid: int) -> np.ndarray:
    y, x = (np.mgrid[:grid, :grid] + 0.5) / grid - 0.5
    spot = np.exp(-((x - 0.12) ** 2 + (y + 0.1) ** 2) / 0.02)
    strength = random.uniform(0.3, 2.0, (targets, 1, 1))
    return (spot * strength + random.uniform(0, 0.15, (targets, grid, grid))).astype(np.float32)
