"""Does a model use a planted cue? Take the cue away from the same scans and see what is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from whyscan.data.scan import Scan
from whyscan.explain.energy import energy_in_region
from whyscan.explain.explain import explain, explain_many
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import save_all
from whyscan.records.evidence import Evidence
from whyscan.stats.intervals import percentile, resample, wilson

FALL = 0.2
"""A model that loses more accuracy than this when the cue is taken away uses it: a verdict of "fail"."""


def check(
    classifier: Classifier,
    marked: Sequence[Scan],
    unmarked: Sequence[Scan],
    areas: Sequence[Bool[np.ndarray, "h w"]],
    folder: Path,
    *,
    cue: str,
    shown: int = 3,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Compare a model on scans with the cue and on the very same scans without it.

    Args:
        marked, unmarked: the same n scans with and without the cue, all labelled.
        areas: (h, w) where the cue is in each marked scan.
        folder: gets the attributions of the first `shown` scans that the cue is in.
        cue: what it is, in words.

    Returns:
        A document: accuracies, the fall between them with its interval, the share of Grad-CAM's and LIME's energy
        on the cue and in the lesion, a verdict with its reason, and the files.
    """
    labels = np.array([classifier.classes.index(scan.label or "") for scan in marked])
    with_cue = classifier.predict(list(marked)).argmax(1) == labels
    without = classifier.predict(list(unmarked)).argmax(1) == labels
    fall = with_cue.astype(np.float64) - without
    draws = resample(
        lambda weights: weights @ fall / weights.sum(1),
        [scan.content for scan in unmarked],
        draws=2000,
        rng=np.random.default_rng(seed),
    )
    difference = Evidence(float(fall.mean()), *percentile(draws), len(fall))
    rows = _energies(classifier, marked, areas, folder, shown, seed, progress)
    assert difference.low is not None
    uses = difference.low > FALL
    return {
        "cue": cue,
        "model": classifier.name,
        "scans": len(marked),
        "accuracy_with": _share(with_cue).row(),
        "accuracy_without": _share(without).row(),
        "fall": difference.row(),
        "verdict": "fail" if uses else "ok",
        "text": (
            f"Without the {cue}, on the very same scans, accuracy falls by {difference.text()}: the model reads the "
            f"{cue}, not the lesion."
            if uses
            else f"Without the {cue} accuracy changes by {difference.text()}: no sign that the model uses it."
        ),
        **rows,
    }


def _share(hits: Bool[np.ndarray, " n"]) -> Evidence:
    low, high = wilson(float(hits.mean()), len(hits))
    return Evidence(float(hits.mean()), low, high, len(hits))


def _energies(
    classifier: Classifier,
    marked: Sequence[Scan],
    areas: Sequence[Bool[np.ndarray, "h w"]],
    folder: Path,
    shown: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    carrying = [i for i, area in enumerate(areas) if area.any()]
    on_cue: list[float] = []
    in_lesion: list[float] = []
    files: list[dict[str, str]] = []
    for done, i in enumerate(carrying):
        progress("checking the planted cue", done, len(carrying))
        attribution = explain(classifier, marked[i], "gradcam", "true", seed=seed)
        values = attribution.values[0]
        for region, into in ((areas[i], on_cue), (marked[i].region, in_lesion)):
            found = energy_in_region(values, region) if region is not None else Evidence.skipped("no lesion known")
            if found.value is not None:
                into.append(found.value)
        if len(files) < shown:
            lime = explain_many(classifier, marked[i], ["lime"], "true", seed=seed)["lime"]
            name = f"{marked[i].content[:16]}"
            save_all(folder / f"{name}.gradcam.npz", [attribution])
            save_all(folder / f"{name}.lime.npz", [lime])
            files.append({"gradcam": f"{name}.gradcam.npz", "lime": f"{name}.lime.npz"})
    return {
        "energy_on_cue": _mean_or_reason(on_cue),
        "energy_in_lesion": _mean_or_reason(in_lesion),
        "cue_area": float(np.mean([areas[i].mean() for i in carrying])) if carrying else 0.0,
        "pictures": files,
    }


def _mean_or_reason(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return Evidence.skipped("every Grad-CAM map was blank").row()
    draws = np.random.default_rng(0).choice(np.asarray(values), (2000, len(values))).mean(1)
    return Evidence(float(np.mean(values)), *percentile(draws), len(values)).row()
