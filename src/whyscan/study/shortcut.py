"""Does a model use a planted cue? Take it away from the scans that had it, and plant it on those that had not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.explain import explain_many
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, save_all
from whyscan.records.evidence import Evidence
from whyscan.stats.intervals import paired_difference, resample_mean, wilson
from whyscan.study.mean import mean
from whyscan.trust.localisation import localise

FALL = 0.2
"""A model whose accuracy changes by more than this (the whole interval) with the cue uses it: verdict "fail"."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One scan with and without the cue; nothing else differs.

    Attributes:
        area: (h, w) where the cue is.
    """

    marked: Scan
    plain: Scan
    area: Bool[np.ndarray, "h w"]


def check(
    classifier: Classifier,
    pairs: Sequence[Pair],
    kinds: Sequence[str],
    folder: Path,
    *,
    cue: str,
    shown: int = 3,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Compare a model's answers, and where its explanations lie, on the same scans with the cue and without.

    Args:
        pairs: labelled scans of every class.
        kinds: the classes that the cue was planted on in training.
        folder: gets the attributions of the first `shown` scans of those classes.
        cue: what it is, in words.

    Returns:
        A document: on the classes that had the cue, accuracy with and without it and the fall between them; on the
        others, the share that is called one of those classes with and without it; how much of Grad-CAM, LIME and
        SHAP lies on the cue and in the lesion; a verdict with its reason; the files.

    Raises:
        BadInput: no scan of the classes that had the cue.
    """
    had = [pair for pair in pairs if pair.plain.label in kinds]
    others = [pair for pair in pairs if pair.plain.label not in kinds]
    if not had:
        raise BadInput(f"no scan of {', '.join(kinds)}", "scans of the classes that had the cue", "add some")
    with_cue, without = (_called(classifier, had, kinds, cue_on) for cue_on in (True, False))
    pulled, unpulled = (_called(classifier, others, kinds, cue_on) for cue_on in (True, False))
    fall = _difference(with_cue, without, seed)
    pull = _difference(pulled, unpulled, seed) if others else Evidence.skipped("the cue was planted on every class")
    verdict = "fail" if any(each.low is not None and each.low > FALL for each in (fall, pull)) else "ok"
    return {
        "cue": cue,
        "classes": list(kinds),
        "model": classifier.name,
        "scans": len(pairs),
        "accuracy_with": _share(with_cue).row(),
        "accuracy_without": _share(without).row(),
        "fall": fall.row(),
        "called_without": _share(unpulled).row(),
        "called_with": _share(pulled).row(),
        "pull": pull.row(),
        "verdict": verdict,
        "text": _sentence(cue, kinds, with_cue, without, pulled, unpulled, uses=verdict == "fail"),
        **_energies(classifier, had, folder, shown, seed, progress),
    }


def _called(
    classifier: Classifier, pairs: Sequence[Pair], kinds: Sequence[str], cue_on: bool
) -> Float64[np.ndarray, " n"]:
    """Which scans are called one of the classes that had the cue."""
    if not pairs:
        return np.zeros(0)
    said = classifier.predict([pair.marked if cue_on else pair.plain for pair in pairs]).argmax(1)
    return np.isin(said, [classifier.classes.index(kind) for kind in kinds]).astype(np.float64)


def _difference(with_: Float64[np.ndarray, " n"], without: Float64[np.ndarray, " n"], seed: int) -> Evidence:
    change, scans = with_ - without, [str(i) for i in range(len(with_))]
    draws = resample_mean(change, scans, rng=np.random.default_rng(seed))
    return Evidence(float(change.mean()), *paired_difference(change, scans, draws), len(change))


def _share(hits: Float64[np.ndarray, " n"]) -> Evidence:
    if not len(hits):
        return Evidence.skipped("the cue was planted on every class")
    return Evidence(float(hits.mean()), *wilson(float(hits.mean()), len(hits)), len(hits))


def _sentence(
    cue: str,
    kinds: Sequence[str],
    with_cue: np.ndarray,
    without: np.ndarray,
    pulled: np.ndarray,
    unpulled: np.ndarray,
    *,
    uses: bool,
) -> str:
    names = " or ".join(kinds)
    took = f"Without the {cue} it recognises {without.mean():.0%} of {names} instead of {with_cue.mean():.0%}"
    if len(pulled):
        took += (
            f"; with it on scans of other classes, {pulled.mean():.0%} instead of {unpulled.mean():.0%} are called so"
        )
    verdict = f"the model reads the {cue}, not the lesion" if uses else "no sign that the model uses it"
    return f"{took}: {verdict}."


def _energies(
    classifier: Classifier, had: Sequence[Pair], folder: Path, shown: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """How much of each method's positive attribution for the true class lies on the cue, and in the lesion."""
    methods = ("gradcam", "lime", "shap")
    on_cue: dict[str, list[float]] = {method: [] for method in methods}
    in_lesion: dict[str, list[float]] = {method: [] for method in methods}
    files: list[dict[str, str]] = []
    for done, pair in enumerate(had):
        progress("checking the planted cue", done, len(had))
        found = explain_many(classifier, pair.marked, methods, "true", seed=seed)
        for method, attribution in found.items():
            _add(on_cue[method], attribution, pair.area)
            _add(in_lesion[method], attribution, pair.marked.region)
        if len(files) < shown:
            files.append({method: f"{pair.marked.content[:16]}.{method}.npz" for method in methods})
            for method, attribution in found.items():
                save_all(folder / files[-1][method], [attribution])
    progress("checking the planted cue", len(had), len(had))
    return {
        "energy_on_cue": {method: _mean(values, seed) for method, values in on_cue.items()},
        "energy_in_lesion": {method: _mean(values, seed) for method, values in in_lesion.items()},
        "cue_area": float(np.mean([pair.area.mean() for pair in had])),
        "lesion_area": float(np.mean([pair.marked.region.mean() for pair in had if pair.marked.region is not None])),
        "pictures": files,
    }


def _mean(values: Sequence[float], seed: int) -> dict[str, Any]:
    return mean(values, [str(i) for i in range(len(values))], seed=seed).row()


def _add(values: list[float], attribution: Attribution, region: Bool[np.ndarray, "h w"] | None) -> None:
    found = localise("energy", attribution.values[0], region)
    if found.value is not None:
        values.append(found.value)
