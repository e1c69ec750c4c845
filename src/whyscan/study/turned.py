"""Turned: the scans on which superpixels that turn are shown, and the numbers that stand below each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from whyscan.records.attribution import Attribution, load_all
from whyscan.study.trust_settings import SHARED
from whyscan.trust.flipping import Turned, turned

SHOWN = 6
CHOICE = (
    "The sample's first scans are kept for pictures; shown are {shown} of the {kept} that were kept, spread over "
    "classes and over right and wrong predictions of the best model. Among equals those on which a superpixel surely "
    "turns between the models come first: they show what turning looks like, not how often it happens, which the "
    "figures above say."
)

Table = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Scan:
    """One scan that could be shown."""

    label: str
    right: bool
    document: Mapping[str, Any]

    @property
    def sure(self) -> bool:
        """Whether any superpixel surely turns between the models, or between the classes where there is one model."""
        first = self.document["views"][0]
        return bool(first["lost"] or first["gained"])


def shown(stems: Sequence[Path], models: Sequence[str], lying: Table, flips: Table) -> dict[str, Any]:
    """What the report needs to draw superpixels that turn.

    Args:
        stems: the scans' files without a suffix, in the order of the sample; some have kept their superpixels.
        models: the best, and the weak one if there is one.
        lying: rows of `turning.where`.
        flips: rows of flips; those between seeds are the base rate that stands below each picture.

    Returns:
        scans: in the order they are shown, each with its file and its views; kept: from how many they were chosen;
        choice: how, for the reader; reason: why there is no picture, "" where there are some.
    """
    files = [path for stem in stems if (path := stem.with_suffix(".npz")).is_file()]
    if not files:
        reason = (
            "these scans were judged before whyscan kept superpixels to draw; to have them judged again, delete the "
            "run's folder trust and run `whyscan trust`"
            if any(row["kind"] != "seeds" for row in flips)
            else "neither LIME nor SHAP was asked for, or they failed on every scan that is kept for pictures"
        )
        return {"scans": [], "kept": 0, "choice": "", "reason": reason}
    scans = [_scan(path, models, lying, flips) for path in files]
    chosen = chosen_of([scan for scan in scans if scan.document["views"]])
    choice = CHOICE.format(shown=len(chosen), kept=len(files))
    return {"scans": [scan.document for scan in chosen], "kept": len(files), "choice": choice, "reason": ""}


def chosen_of(scans: Sequence[_Scan]) -> list[_Scan]:
    """The next is always of the class, then of the side (right or wrong), that was shown least; of those one that has
    something to show, and the sample's order, which a seed drew, decides the rest."""
    left, found = list(scans), list[_Scan]()
    while left and len(found) < SHOWN:
        labels, sides = [each.label for each in found], [each.right for each in found]
        best = min(left, key=lambda scan: (labels.count(scan.label), sides.count(scan.right), not scan.sure))
        found.append(best)
        left.remove(best)
    return sorted(found, key=lambda scan: not scan.sure)


def _scan(path: Path, models: Sequence[str], lying: Table, flips: Table) -> _Scan:
    made = {(each.model, each.method): each for each in load_all(path)}
    one = next((each for name in models for each in made.values() if each.model == name), next(iter(made.values())))
    seeds = {
        method: [float(row["lost"]) for row in flips
                 if row["kind"] == "seeds" and row["content"] == one.scan and row["method"] == method
                 and row["lost"] is not None]
        for method in SHARED
    }  # fmt: skip
    views = [*_views("models", made, models, lying, seeds), *_views("classes", made, models, lying, seeds)]
    said = {name: each.predicted for name in models for each in made.values() if each.model == name}
    document = {
        "content": one.scan, "source": one.source, "label": one.label, "predicted": said,
        "file": f"trust/scans/{path.name}", "views": views,
    }  # fmt: skip
    return _Scan(one.label or "", one.predicted == one.label, document)


def _views(
    kind: str,
    made: Mapping[tuple[str, str], Attribution],
    models: Sequence[str],
    lying: Table,
    seeds: Mapping[str, Sequence[float]],
) -> list[dict[str, Any]]:
    """The pair by the first superpixel method that has it, and what the other method says of the same superpixels."""
    pairs = {method: pair for method in SHARED if (pair := _pair(kind, made, models, method)) is not None}
    found = {method: turned(*pair) for method, pair in pairs.items()}
    if not found:
        return []
    method, *others = found
    first, second, target, other = pairs[method]
    view = _told(found[method], first, lying)
    also = [_also(name, found[method], found[name]) for name in others if _alike(first, pairs[name][0])]
    base, shared = seeds[method], _alike(first, second)
    return [
        {"kind": kind, "method": method, "models": [first.model, second.model], "targets": [target, other],
         "shared": shared, "intervals": shared and first.intervals is not None and second.intervals is not None,
         "seeds": sum(base) / len(base) if base else None, "also": also, **view}
    ]  # fmt: skip


def _pair(
    kind: str, made: Mapping[tuple[str, str], Attribution], models: Sequence[str], method: str
) -> tuple[Attribution, Attribution, str, str] | None:
    """Two explanations and what each explains, as the table of flips has them."""
    own = [made[name, method] for name in models if (name, method) in made]
    if not own or own[0].model != models[0]:
        return None
    best = own[0]
    if kind == "classes":
        first, second = (best.classes[i] for i in np.argsort(-best.probabilities)[:2])
        return best, best, first, second
    if len(own) < 2:
        return None
    target = best.label if best.label in best.classes else best.predicted
    assert target is not None
    return best, own[1], target, target


def _alike(first: Attribution, second: Attribution) -> bool:
    a, b = first.segments, second.segments
    return a is not None and b is not None and first.geometry == second.geometry and np.array_equal(a, b)


def _told(found: Turned, first: Attribution, lying: Table) -> dict[str, Any]:
    """Numbers of the superpixels that turn, and in which share of each part of the scan the sure ones lie."""
    down, up = (found.first > 0) & (found.second < 0), (found.first < 0) & (found.second > 0)
    sure = found.lost | found.gained
    row = next((row for row in lying if (row["content"], row["model"], row["method"]) == _key(first)), None)
    area = found.area * sure
    places = {
        name: float((area * np.asarray(shares)).sum() / area.sum())
        for name, shares in (row["places"] if row else {}).items()
        if area.sum() and len(shares) == len(area)
    }
    return {
        "superpixels": int((found.area > 0).sum()),
        "lost": _numbers(found.lost), "gained": _numbers(found.gained),
        "perhaps lost": _numbers(down & ~found.clear), "perhaps gained": _numbers(up & ~found.clear),
        "weight": [_share(found.first, sure), _share(found.second, sure)],
        "places": places, "tumour known": bool(row and "tumour" in row["places"]),
    }  # fmt: skip


def _key(attribution: Attribution) -> tuple[str, str, str]:
    return attribution.scan, attribution.model, attribution.method


def _also(method: str, found: Turned, other: Turned) -> dict[str, Any]:
    both = (found.lost & other.lost) | (found.gained & other.gained)
    return {"method": method, "turned": int((other.lost | other.gained).sum()), "both": int(both.sum())}


def _numbers(which: Bool[np.ndarray, " s"]) -> list[int]:
    return [int(i) for i in np.flatnonzero(which)]


def _share(weights: np.ndarray, which: Bool[np.ndarray, " s"]) -> float | None:
    """Of all weight, whatever its sign."""
    whole = float(np.abs(weights).sum())
    return float(np.abs(weights[which]).sum()) / whole if whole else None
