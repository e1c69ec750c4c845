"""What a comparison says to people: the curves of each model in a sentence, the contest and its cautions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.records.evidence import Evidence

RISE = 0.10
"""A validation loss that ends this far above its lowest has risen; less is the noise of an epoch."""
WEAK_SUFFIX = "-weak"
"""Ends the name of a checkpoint that was kept because it is weak."""


def history(name: str, curves: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> dict[str, Any]:
    """One model's entry in compare.json: how it was trained, where its curves ended. Unknown is None."""
    training = about.get("training") or {}
    last = curves[-1] if curves else {}
    losses = [(loss, i) for i, row in enumerate(curves, 1) if (loss := number(row, "validation_loss")) is not None]
    lowest, at = min(losses, default=(None, None))
    return {
        "name": name,
        "backbone": about.get("backbone"),
        "recipe": training.get("recipe"),
        "epochs": len(curves) or None,
        "best_epoch": training.get("best_epoch"),
        "final_train_loss": number(last, "train_loss"),
        "final_validation_loss": number(last, "validation_loss"),
        "final_validation_accuracy": number(last, "validation_accuracy"),
        "lowest_validation_loss": lowest,
        "lowest_epoch": at,
        "overfit": overfitting(curves),
        **({"classes_from": about["classes_from"]} if about.get("classes_from") else {}),
    }


def overfitting(curves: Sequence[Mapping[str, Any]]) -> str:
    """Whether training loss went on falling while validation loss rose, in the last phase of training.

    Phases are not mixed: they differ in what is trained and how scans are augmented, so their losses do not compare.
    """
    if not curves:
        return "not trained here: there are no curves to read"
    phase = curves[-1].get("phase")
    points = [
        (row.get("epoch"), train, validation)
        for row in curves
        if row.get("phase") == phase
        and (train := number(row, "train_loss")) is not None
        and (validation := number(row, "validation_loss")) is not None
    ]
    if len(points) < 3:
        return "too few epochs to tell whether it overfits"
    epoch, train, lowest = min(points, key=lambda point: point[2])
    last_epoch, last_train, last = points[-1]
    if last > lowest * (1 + RISE) and last_train < train:
        return (
            f"overfitting after epoch {epoch}: by epoch {last_epoch} the validation loss rose from {lowest:.3f} to "
            f"{last:.3f} while the training loss fell from {train:.3f} to {last_train:.3f}"
        )
    if epoch == last_epoch:
        return "no overfitting; the validation loss was lowest at the last epoch, so longer training may help"
    return "no overfitting: the validation loss stayed near its lowest"


def number(row: Mapping[str, Any], column: str) -> float | None:
    """A cell of a table as a finite number, or None."""
    try:
        found = float(row.get(column, ""))
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def score(document: Mapping[str, Any], model: str, subset: str, metric: str, of: str | None = None) -> Evidence:
    """One figure of the comparison."""
    wanted = (model, subset, metric, of)
    for row in document["scores"]:
        if (row["model"], row["subset"], row["metric"], row["class"]) == wanted:
            return Evidence.from_row(row)
    return Evidence.skipped("not among the scores")


def value(document: Mapping[str, Any], model: str, subset: str, metric: str) -> float:
    """The same as a number, to rank by; NaN where it was not measured."""
    found = score(document, model, subset, metric).value
    return math.nan if found is None else found


def sentences(document: Mapping[str, Any]) -> list[str]:
    """The comparison in plain English, cautions last."""
    best, on = document["best"], document["selected_on"]
    accuracy = score(document, best, on, "accuracy")
    first = f"{best} is best on {on}: accuracy" if document["weak"] else f"{best} has no rival: {on} accuracy"
    text = [f"{first} {accuracy.text()}."]
    competing = set(contest([model["name"] for model in document["models"]]))
    text += [_difference(pair, best) for pair in document["pairs"] if _concerns(pair, best, on, competing)]
    if document["weak"]:
        weak = document["weak"]
        text.append(
            f"{weak} is the weakest on {on}: accuracy {score(document, weak, on, 'accuracy').text()}, "
            f"loss {score(document, weak, on, 'loss').text()} (the best: {score(document, best, on, 'loss').text()})."
        )
    pair = document["pair"]
    text.append(f"For layer-by-layer pictures of a strong and a weak model: {pair['reason']}.")
    text += _curves(document)
    return [*text, *_other_subsets(document, best), *_cautions(document, on)]


def _curves(document: Mapping[str, Any]) -> list[str]:
    """What the curves say of the models that are named above, and of any other that overfits."""
    named = (document["best"], document["weak"], document["pair"]["strong"], document["pair"]["weak"])
    return [
        f"{model['name']}: {model['overfit']}.{_losses(model)}"
        for model in document["models"]
        if model["name"] in named or model["overfit"].startswith("overfitting")
    ]


def _losses(model: Mapping[str, Any]) -> str:
    lowest, last, train = (
        model[key] for key in ("lowest_validation_loss", "final_validation_loss", "final_train_loss")
    )
    if lowest is None or last is None:
        return ""
    ended = f" Its validation loss was lowest in epoch {model['lowest_epoch']} ({lowest:.3f})"
    ended += f" and {last:.3f} after the last epoch, {model['epochs']}"
    return f"{ended}; its training loss ended at {train:.3f}." if train is not None else f"{ended}."


def not_from_here(document: Mapping[str, Any]) -> list[str]:
    """The models that may have been trained on scans which this run holds back."""
    return [model["name"] for model in document["models"] if model.get("trained_here") is not True]


def assumed(name: str, order: str, classes: Sequence[str]) -> str:
    """What is to be said of a model whose file does not say which of its scores is which class."""
    return (
        f"{name} does not name its classes: its scores were taken for {', '.join(sorted(classes))} ({order}). If it "
        "was trained with another order, every figure and every map of it is of the wrong class."
    )


def contest(names: Sequence[str]) -> list[str]:
    """Who competes: not the checkpoints kept on purpose as the weaker half of a pair, unless there are no others."""
    return [name for name in names if not name.endswith(WEAK_SUFFIX)] or list(names)


def _concerns(pair: Mapping[str, Any], best: str, on: str, competing: set[str]) -> bool:
    return pair["subset"] == on and best in (pair["a"], pair["b"]) and {pair["a"], pair["b"]} <= competing


def _difference(pair: Mapping[str, Any], best: str) -> str:
    """The difference seen from the best model, whichever way round the pair was tested."""
    sign = 1 if pair["a"] == best else -1
    other = pair["b"] if sign == 1 else pair["a"]
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    verdict = "could be chance" if pair["verdict"] == "could be chance" else "is more than chance explains"
    gap = f"{sign * pair['difference']:.3f} [{low:.3f}, {high:.3f}]"
    return f"The difference to {other}, {gap}, {verdict} ({pair['test']} {_p(pair['p_holm'])} after Holm)."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _other_subsets(document: Mapping[str, Any], best: str) -> list[str]:
    """How the best model does where nothing was selected."""
    text = []
    if "holdout" in document["subsets"]:
        held = score(document, best, "holdout", "accuracy").text()
        choice = "" if best in not_from_here(document) else ", which took no part in any choice,"
        text.append(f"On the holdout{choice} {best} scores {held}.")
    if "test" in document["subsets"]:
        test = score(document, best, "test", "accuracy").text()
        text.append(f"On the official test {best} scores {test}.")
    if {"test-leaked", "test-clean"} <= set(document["subsets"]):
        leaked, clean = (score(document, best, f"test-{part}", "accuracy") for part in ("leaked", "clean"))
        text.append(
            f"On test scans that are duplicates of training scans it scores {leaked.text()}, on the others "
            f"{clean.text()}: only the second {'can say' if best in not_from_here(document) else 'says'} what it does "
            "on new scans."
        )
    missing = sorted(
        {
            f"{row['class']} on {row['subset']}: {row['reason']}"
            for row in document["scores"]
            if row["status"] == "skipped" and row["metric"] == "recall"
        }
    )
    return [*text, f"Recalls that were not measured: {'; '.join(missing)}."] if missing else text


def _cautions(document: Mapping[str, Any], on: str) -> list[str]:
    text = []
    if not document["patients_known"]:
        when = "Where patients are unknown" if document["patients_known"] is None else "Patients are not known"
        may = ", slices" if document["patients_known"] is None else " for every scan, so slices"
        text.append(
            f"{when}{may} of one patient may lie on both sides of a split: read every figure as an upper bound."
        )
    if elsewhere := not_from_here(document):
        text.append(
            f"It is not known that {' and '.join(elsewhere)} learned from this run's training scans only: scans that "
            "are held back here may have been among the training scans, so read the figures as an upper bound."
        )
    for model in document["models"]:
        if "classes_from" in model:
            text.append(assumed(model["name"], model["classes_from"], document["classes"]))
    if document["weak"]:
        text.append(f"The best model was selected on {on}, so its {on} figure is optimistic.")
    return text
