"""How many maps are blank, and why: counted by layer, class, model, right or wrong, against confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.blank import THERE, WORDS
from whyscan.explain.cams.gradcam import GradCAM, Recipe
from whyscan.explain.door import admit
from whyscan.explain.targets import Targets, check, choose_layers
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.stats.intervals import Interval, wilson

Models = Classifier | Mapping[str, Classifier]
RECIPES: tuple[Recipe, ...] = ("softmax-guided", "logit")
BINS = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999, 0.99999999)
"""Edges of the bins of confidence, as finely as people write it."""


@dataclass(frozen=True, slots=True)
class MapSeen:
    """One map: what was explained, how sure the model was, and whether the map is there.

    Attributes:
        model, recipe, layer, target: by name.
        depth: the layer's place, shallow to deep, from 0.
        scan, label: the scan's content hash, and its true class or None.
        predicted: whether the target is the class that the model predicts.
        right: whether the prediction is the label; None where the label is unknown.
        doubt: 1 - the predicted class's probability, summed from the other classes, so that it is exact also where
            float32 rounds the probability to 1.
        word: the diagnosis.
        span: the range of the map before the recipe scales it; None where nothing is scaled.
    """

    model: str
    recipe: str
    layer: str
    depth: int
    target: str
    scan: str
    label: str | None
    predicted: bool
    right: bool | None
    doubt: float
    word: str
    span: float | None = None


@dataclass(frozen=True, slots=True)
class BlankShare:
    """One row of a table of blankness.

    Attributes:
        group: what the row is about, by column.
        maps, scans: how many maps it counts, of how many scans.
        share: of the maps, those that are blank.
        interval: Wilson's 95 % interval of the share. Trials are scans, not maps: maps of one scan go together.
        doubt: the median of 1 - confidence.
        span: the median range of a map before the recipe scales it; None where nothing is scaled.
        words: of the maps, the share that got each word; words that do not occur are left out.
    """

    group: Mapping[str, str]
    maps: int
    scans: int
    share: float
    interval: Interval
    doubt: float
    span: float | None
    words: Mapping[str, float]


def blank_table(
    models: Models,
    scans: Sequence[Scan],
    by: Sequence[str] = ("model", "recipe", "layer", "target", "right"),
    *,
    layers: str | Sequence[str] = "all",
    targets: Targets = "all",
    recipes: Sequence[Recipe] = RECIPES,
    bins: Sequence[float] = BINS,
    batch: int = 8,
    progress: Progress = quiet,
) -> list[BlankShare]:
    """The share of blank Grad-CAM maps; `look_at_maps` and `tabulate` in one.

    Args:
        models: one classifier, or several by name, such as the states of one training.
        by: the columns that make a group; see `tabulate`.

    Raises:
        BadInput: no such column, or something that is no classifier or no scan.
        BadTarget: a layer or target does not exist.
    """
    _columns(by)
    seen = look_at_maps(
        models, scans, layers=layers, targets=targets, recipes=recipes, batch=batch, progress=progress
    )  # fmt: skip
    return tabulate(seen, by, bins=bins)


def look_at_maps(
    models: Models,
    scans: Sequence[Scan],
    *,
    layers: str | Sequence[str] = "all",
    targets: Targets = "all",
    recipes: Sequence[Recipe] = RECIPES,
    batch: int = 8,
    progress: Progress = quiet,
) -> list[MapSeen]:
    """Every model's Grad-CAM of every scan, layer, target and recipe. Only words are kept, so memory does not grow."""
    named = models if isinstance(models, Mapping) else {getattr(models, "name", ""): models}
    for classifier in named.values():
        for scan in scans:
            admit(classifier, scan)
            check(classifier, targets, scan.label)
    seen: list[MapSeen] = []
    for name, classifier in named.items():
        chosen = choose_layers(classifier, layers)
        for recipe in recipes:
            method = GradCAM(batch=batch, recipe=recipe)
            for start in range(0, len(scans), batch):
                for maps in method.at(classifier, scans[start : start + batch], targets, chosen):
                    seen += (each for depth, one in enumerate(maps) for each in _seen(name, recipe, depth, one))
                progress(f"{name}, {recipe}", min(start + batch, len(scans)), len(scans))
    return seen


def tabulate(seen: Sequence[MapSeen], by: Sequence[str], *, bins: Sequence[float] = BINS) -> list[BlankShare]:
    """Maps counted by group, in the order in which the groups first appear.

    Args:
        by: any of "model", "recipe", "layer", "target", "label", "predicted", "right" and "confidence"; with none, one
            row counts everything.
        bins: rising edges of the bins of confidence.

    Raises:
        BadInput: no such column, or the edges do not rise within 0..1.
    """
    _columns(by)
    edges = [0.0, *bins, 1.0]
    if any(low >= high for low, high in pairwise(edges)):
        raise BadInput(f"bins {list(bins)}", "rising edges between 0 and 1", "sort them, each once")
    groups: dict[tuple[str, ...], list[MapSeen]] = {}
    for each in seen:
        key = tuple(
            confidence_bin(each.doubt, bins) if column == "confidence" else _said(each, column) for column in by
        )
        groups.setdefault(key, []).append(each)
    return [_share(dict(zip(by, key, strict=True)), group) for key, group in groups.items()]


def confidence_bin(doubt: float, bins: Sequence[float] = BINS) -> str:
    """The bin of a confidence 1 - doubt; an edge belongs to the bin above it.

    >>> [confidence_bin(doubt) for doubt in (0.4, 0.1, 1e-12)]
    ['< 0.9', '0.9 .. 0.99', '>= 0.99999999']
    """
    # compared as doubts, not as 1 - doubt: near 1 that would be rounded; the tolerance is for 1 - 0.9 > 0.1
    above = sum(doubt <= (1 - edge) * (1 + 1e-9) for edge in bins)
    if not bins or above == 0:
        return f"< {bins[0]}" if bins else "any"
    return f">= {bins[-1]}" if above == len(bins) else f"{bins[above - 1]} .. {bins[above]}"


def write_table(path: Path, rows: Sequence[BlankShare]) -> None:
    """As CSV: the columns of the groups, then the counts, the share and its interval, and a share for each word."""
    columns = list(dict.fromkeys(column for row in rows for column in row.group))
    said = [word for word in WORDS if any(word in row.words for row in rows)]
    columns += ["maps", "scans", "blank", "low", "high", "median_doubt", "median_range", *said]
    files.write_rows(path, [_row(row, said) for row in rows], columns)


def _row(row: BlankShare, said: Sequence[str]) -> dict[str, str]:
    numbers = {"blank": row.share, "low": row.interval.low, "high": row.interval.high, "median_doubt": row.doubt}
    numbers |= {word: row.words.get(word, 0.0) for word in said}
    texts = {name: f"{number:.6g}" for name, number in numbers.items()}
    texts["median_range"] = "" if row.span is None else f"{row.span:.6g}"
    return {**row.group, "maps": str(row.maps), "scans": str(row.scans), **texts}


RANGE = "range before scaling"
"""What the recipe's attributions call it."""

_COLUMNS = ("model", "recipe", "layer", "target", "label", "predicted", "right", "confidence")


def _columns(by: Sequence[str]) -> None:
    for column in by:
        if column not in _COLUMNS:
            raise BadInput(f"column {column!r}", f"some of {', '.join(_COLUMNS)}", "group by one of these")


def _said(seen: MapSeen, column: str) -> str:
    value = getattr(seen, column)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


def _seen(model: str, recipe: str, depth: int, one: Attribution) -> Iterator[MapSeen]:
    best = one.classes.index(one.predicted)
    doubt = float(np.delete(one.probabilities, best).sum(dtype=float))
    right = None if one.label is None else one.predicted == one.label
    spans = one.measured.get(RANGE, [None] * len(one.targets))
    for target, word, span in zip(one.targets, one.diagnosis, spans, strict=True):
        yield MapSeen(
            model, recipe, one.layer or "", depth, target, one.scan, one.label, target == one.predicted, right, doubt,
            word, span,
        )  # fmt: skip


def _share(group: Mapping[str, str], seen: Sequence[MapSeen]) -> BlankShare:
    blank: Float[np.ndarray, " maps"] = np.array([each.word != THERE for each in seen], float)
    scans = len({each.scan for each in seen})
    share = float(blank.mean())
    words = {word: count / len(seen) for word, count in Counter(each.word for each in seen).items()}
    doubt = float(np.median([each.doubt for each in seen]))
    spans = [each.span for each in seen if each.span is not None]
    span = float(np.median(spans)) if spans else None
    return BlankShare(group, len(seen), scans, share, wilson(share, scans), doubt, span, words)
