"""Compare: which model is best, which is weak, and which differences could be chance.

No model is run here: predictions and curves were saved, and the figures are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whyscan.errors import BadData, BadInput
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run
from whyscan.training import compare_scores, compare_text

SUBSETS = ("validation", "holdout", "test", "test-leaked", "test-clean")
SELECTED_ON = "validation"
WEAK_GAP = 0.05
WEAK_ACCURACY = 0.80
ROLES = ("best", "weak")
"""Models of these names were given as such: they are the pair, whatever the figures say."""
SAME_LAYERS = ("architecture", "arguments", "input_size")
"""What two models of model.json must share so that their maps compare layer by layer."""

Curves = Sequence[Mapping[str, Any]]


def compare(
    predictions: Sequence[Predictions],
    curves: Mapping[str, Curves],
    about: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    draws: int = 1000,
    trained_here: Mapping[str, bool | None] | None = None,
    patients_known: bool | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """The document compare.json: scores with intervals, paired tests, the best and the weak model, in plain words.

    Args:
        predictions: one a model, all of them of the same scans.
        curves: each model's rows of curves.csv; a model that was not trained here may be left out.
        about: each model's model.json.
        draws: bootstrap samples of the groups.
        trained_here: for each model, whether it learned from this run's training and validation scans and from nothing
            else (`training.parts`). Where that is not known, no scan can be said to be new to the model.
        patients_known: whether the audit knew every scan's patient; None where no one looked.

    Raises:
        BadData: no model, models judged on different scans, no validation scans, or probabilities that are no numbers.
        BadInput: fewer than one draw.
    """
    if draws < 1:
        raise BadInput(f"{draws} bootstrap draws", "at least 1", "leave the default of 1000")
    models = aligned(predictions)
    subsets = [name for name in SUBSETS if models[0].subset(name).any()]
    if SELECTED_ON not in subsets:
        raise BadData("no scan is in the validation split", "scans to select on", "make the splits with an audit")
    document: dict[str, Any] = {
        "seed": seed,
        "draws": draws,
        "classes": list(models[0].classes),
        "models": [
            compare_text.history(m.model, curves.get(m.model, ()), about.get(m.model, {}))
            | {"trained_here": (trained_here or {}).get(m.model)}
            for m in models
        ],
        "patients_known": patients_known,
        "subsets": subsets,
        "scores": [],
        "confusion": {model.model: {} for model in models},
        "reliability": {model.model: {} for model in models},
        "pairs": [],
    }
    for done, name in enumerate(subsets):
        progress("comparing", done, len(subsets))
        compare_scores.add_subset(document, models, name, draws, np.random.default_rng([seed, SUBSETS.index(name)]))
    progress("comparing", len(subsets), len(subsets))
    document |= _choice(document, about)
    return document | {"text": compare_text.sentences(document)}


def result_rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows for results.csv: every score, and for every pair its difference and its p-value."""
    rows = [{"stage": "compare", **score} for score in comparison["scores"]]
    for pair in comparison["pairs"]:
        shared = {
            "stage": "compare",
            "model": f"{pair['a']} - {pair['b']}",
            "subset": pair["subset"],
            "n": pair["n"],
            "status": "measured",
        }
        interval = {"low": pair["low"], "high": pair["high"]}
        rows.append({**shared, "metric": "accuracy difference", "value": pair["difference"], **interval})
        rows.append({**shared, "method": pair["test"], "metric": "p", "value": pair["p"]})
        corrected = pair["p_holm"] is not None
        reason = "" if corrected else pair["correction"]
        rows.append({
            **shared, "method": f"{pair['test']}, Holm", "metric": "p", "value": pair["p_holm"],
            "status": "measured" if corrected else "skipped", "reason": reason,
        })  # fmt: skip
    return rows


def write(comparison: Mapping[str, Any], run: Run) -> None:
    """Write RUN/compare/compare.json and this stage's rows of RUN/results.csv.

    Raises:
        BadRun: the folder cannot be written to.
    """
    files.write_json(run.compare_path, comparison)
    run.replace_results("compare", result_rows(comparison))


def aligned(predictions: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions without training rows, with scans and classes in the first model's order.

    Raises:
        BadData: no models, two of one name, other classes, other scans, or probabilities that are no numbers.
    """
    if not predictions:
        raise BadData("no model has predictions", "at least one trained model", "train one first")
    names = [each.model for each in predictions]
    if len(set(names)) < len(names):
        raise BadData(f"two models have one name ({', '.join(names)})", "a name for each", "rename one")
    judged = [_judged(each) for each in predictions]
    return [_ordered_as(each, judged[0]) for each in judged]


def _judged(given: Predictions) -> Predictions:
    rows = np.isin(np.array(given.splits, dtype=np.str_), [name for name in SUBSETS if "-" not in name])
    wrong = int(np.count_nonzero(~np.isfinite(given.probabilities[rows]).all(axis=1)))
    if wrong:
        raise BadData(
            f"{given.model} gave {wrong} scans probabilities that are not numbers",
            "probabilities from 0 to 1",
            "train the model again, with a lower learning rate",
        )
    return _take(given, np.flatnonzero(rows), np.arange(len(given.classes)))


def _take(given: Predictions, rows: np.ndarray, columns: np.ndarray) -> Predictions:
    """Some rows, in this order, with the classes in this order."""
    new_label = np.argsort(columns)
    return replace(
        given,
        classes=tuple(given.classes[i] for i in columns),
        paths=tuple(given.paths[i] for i in rows),
        labels=new_label[given.labels[rows]],
        groups=tuple(given.groups[i] for i in rows),
        splits=tuple(given.splits[i] for i in rows),
        leaked=given.leaked[rows],
        probabilities=given.probabilities[np.ix_(rows, columns)],
    )


def _ordered_as(given: Predictions, first: Predictions) -> Predictions:
    if set(given.classes) != set(first.classes):
        raise BadData(
            f"{given.model} knows the classes {', '.join(given.classes)}, {first.model} {', '.join(first.classes)}",
            "models of the same classes",
            "compare models that were trained on the same data",
        )
    if len(_scans(given) ^ _scans(first)) or len(given.paths) != len(first.paths):
        ours, theirs = _scans(given), _scans(first)
        raise BadData(
            f"{given.model} and {first.model} were not judged on the same scans: {len(ours - theirs)} of "
            f"{len(ours)} and {len(theirs - ours)} of {len(theirs)} differ in path, label, group or split",
            "predictions of the same scans with the same splits",
            "evaluate both models again with one splits.csv",
        )
    place = {path: i for i, path in enumerate(given.paths)}
    rows = np.array([place[path] for path in first.paths], np.intp)
    return _take(given, rows, np.array([given.classes.index(name) for name in first.classes], np.intp))


def _scans(given: Predictions) -> set[tuple[str, str, str, str, bool]]:
    labels = [given.classes[i] for i in given.labels]
    return set(zip(given.paths, labels, given.groups, given.splits, given.leaked.tolist(), strict=True))


def _choice(document: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The best and the weak model of the contest, by validation accuracy, then loss; and the pair of one backbone."""
    names = [model["name"] for model in document["models"]]
    accuracy = {name: compare_text.value(document, name, SELECTED_ON, "accuracy") for name in names}
    loss = {name: compare_text.value(document, name, SELECTED_ON, "loss") for name in names}
    ranked = sorted(compare_text.contest(names), key=lambda name: (-accuracy[name], loss[name], name))
    given = set(ROLES) <= set(names)
    return {
        "best": ranked[0],
        "weak": ranked[-1] if len(ranked) > 1 else None,
        "pair": _given_pair(accuracy) if given else _pair(ranked[0], accuracy, about),
        "selected_on": SELECTED_ON,
    }


def _given_pair(accuracy: Mapping[str, float]) -> dict[str, Any]:
    """The models that were called "best" and "weak" by whoever gave them keep these roles in the pictures."""
    strong, weak = ROLES
    reason = f"{strong} and {weak} were given by these names ({SELECTED_ON} accuracy {accuracy[strong]:.3f} and "
    reason += f"{accuracy[weak]:.3f})"
    if accuracy[strong] <= accuracy[weak]:
        reason += f"; the figures contradict the names: {strong} is not the better one on {SELECTED_ON}"
    return {"strong": strong, "weak": weak, "reason": reason}


def _pair(best: str, accuracy: Mapping[str, float], about: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The best model and a clearly weaker one of the same layers; two architectures share none."""
    mine = about.get(best, {})
    lower = {
        name: value
        for name, value in accuracy.items()
        if mine.get("architecture")
        and all(about.get(name, {}).get(key) == mine.get(key) for key in SAME_LAYERS)
        and value <= accuracy[best] - WEAK_GAP
    }
    made = best + compare_text.WEAK_SUFFIX
    figures = f"validation accuracy {accuracy[best]:.3f}"
    if made in accuracy:
        reason = f"{made} is the same network, kept on purpose at {accuracy[made]:.3f} against {figures}"
        if accuracy[made] > accuracy[best] - WEAK_GAP:
            reason += f"; the gap is below {WEAK_GAP}, so differences between their pictures say little"
        return {"strong": best, "weak": made, "reason": reason}
    if not lower:
        reason = f"no model of the same backbone is at least {WEAK_GAP} below {best} ({figures})"
        return {"strong": best, "weak": None, "reason": reason}
    weak = min(lower, key=lambda name: (abs(lower[name] - WEAK_ACCURACY), name))
    return {"strong": best, "weak": weak, "reason": f"{weak} has the same layers: {lower[weak]:.3f} against {figures}"}
