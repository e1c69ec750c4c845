"""The doctor: what a model is, what can be explained of it, and which scaling and class order its answers fit."""

from __future__ import annotations

from whyscan.data.catalogue import Catalogue
from whyscan.errors import BadInput
from whyscan.explain.methods import METHODS
from whyscan.models.classifier import Classifier
from whyscan.models.doctor import ModelFacts, examine, normalisation_of
from whyscan.models.load import load
from whyscan.progress import Progress, quiet
from whyscan.study.checkup import SCANS, Checkup, check_up
from whyscan.study.given import Given, open_models


def diagnose(
    model: Classifier | Given,
    catalogue: Catalogue | None = None,
    *,
    scans: int = SCANS,
    seed: int = 0,
    progress: Progress = quiet,
) -> tuple[ModelFacts, dict[str, str], Checkup | None, str]:
    """Everything about a model.

    Returns:
        The facts; by method, "" where it works, else why not; with a catalogue what its scans say, or None; and why
        they say nothing, where that is the model's doing.

    Raises:
        BadModel: it cannot be opened.
        BadData: its classes are not the data's.
        BadInput: fewer than one scan.
    """
    if scans < 1:
        raise BadInput(f"scans = {scans}", "1 or more", "raise it")
    if catalogue is None:
        classifier = model if isinstance(model, Classifier) else load(model.path, **model.options)
        facts = examine(classifier)
        return facts, explainable(facts), None, ""
    name = model.name
    classifier = open_models({name: model}, catalogue.classes)[name]
    facts = examine(classifier)
    if normalisation_of(classifier) is None:
        return facts, explainable(facts), None, f"{name} scales its pixels out of sight: there is nothing to try"
    found = check_up(classifier, catalogue, scans=scans, seed=seed, progress=progress)
    return facts, explainable(facts), found, ""


def explainable(facts: ModelFacts) -> dict[str, str]:
    """By method, "" where it works on this model, else why not."""
    return {name: _why_not(name, facts) for name in METHODS}


def _why_not(name: str, facts: ModelFacts) -> str:
    method = METHODS[name]
    if method.white_box and not facts.white_box:
        return "needs the network itself"
    if name == "attention_rollout" and not facts.attention:
        return "needs attention over all tokens"
    if method.layered and not facts.layers:
        return "needs a layer whose output has a place for every part of the scan"
    return ""
