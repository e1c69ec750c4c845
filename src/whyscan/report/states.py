"""States: the verdict of Trust on each single explanation, as a badge on its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVELS = {"usable": "ok", "usable as far as asked": "note", "blank": "fail", "constant": "fail", "fails sanity": "fail"}
"""How bad a state is; the others ask for care."""
SAMPLED = ("lime", "shap")
"""Methods whose evaluations `--samples` sets."""


@dataclass(frozen=True, slots=True)
class State:
    """The verdict on one explanation, as a badge: its colour, its words, and what it means."""

    level: str
    text: str
    why: str


def states(document: Mapping[str, Any] | None, gallery: Mapping[str, Any] | None) -> dict[tuple[str, ...], State]:
    """The verdict on each explanation that was judged, by `pictures.key_of`.

    A fold's model is another model than the one of the gallery: of a run that was judged by folds none is known.

    Args:
        gallery: explain/index.json. Where its LIME and SHAP had another seed or number of evaluations, or where they
            were judged one without the other, theirs are other explanations than those that were judged: no verdict.
    """
    found: dict[tuple[str, ...], State] = {}
    judged = document or {}
    if judged.get("folds") is not False:
        return found
    settings, shown = judged.get("settings") or {}, gallery or {}
    same = set(SAMPLED) <= set(settings.get("methods") or ()) and all(
        settings.get(key) == shown.get(key) for key in ("evaluations", "seed")
    )
    for each in judged.get("explanations") or []:
        if each["state"] == "not measured" or (each["method"] in SAMPLED and not same):
            continue
        key = tuple(str(each[name] or "") for name in ("model", "method", "layer", "content", "target"))
        found[key] = _state(str(each["state"]), [str(name) for name in each.get("unmeasured") or []])
    return found


def _state(word: str, unmeasured: Sequence[str]) -> State:
    missing = f" Not measured on it: {', '.join(unmeasured)}." if unmeasured else ""
    return State(LEVELS.get(word, "warn"), word, f"The verdict of Trust on this explanation.{missing}")
