"""Layer by layer: how often a model's maps are blank and why, beside what each layer contributes all the same.

*Dark* is not *unused* (docs/explanation/blank-maps.md): here both are measured on somebody's own models and scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from whyscan.checks import at_least
from whyscan.data.catalogue import Catalogue, in_turn, shuffled
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.explain.blank import THERE
from whyscan.explain.cams.blankness import RECIPES, BlankShare, MapSeen, look_at_maps, tabulate, write_table
from whyscan.explain.cams.contribution import Contribution, layer_contributions
from whyscan.explain.cams.gradcam import Recipe
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.stats.intervals import percentile
from whyscan.stats.ranks import rank_correlation

SCANS = 40
REFERENCES = 48
"""Other scans, over which a layer's mean is taken."""
FEWEST = 8
"""Fewer references than this are no mean to speak of."""
DRAWS = 1000

BLANK = ("model", "recipe", "layer", "target", "predicted", "right")
BY_CONFIDENCE = ("model", "recipe", "layer", "confidence", "predicted")


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found.

    Attributes:
        maps: every model's maps, of all classes, by both recipes.
        contributions: by model; of the predicted class, by scan and then layer, shallow to deep.
        references: how many scans the means are taken over.
        unread: how many scans could not be read.
    """

    maps: Sequence[MapSeen]
    contributions: Mapping[str, Sequence[Contribution]]
    references: int
    unread: int

    def predicted(self, model: str) -> list[MapSeen]:
        """One model's maps of the class that it predicts."""
        return [each for each in self.maps if each.model == model and each.predicted]


def look(
    models: Mapping[str, Classifier],
    catalogue: Catalogue,
    *,
    scans: int = SCANS,
    seed: int = 0,
    progress: Progress = quiet,
) -> Looked:
    """Look at every layer of every model with the same scans.

    As many scans of each class are explained, as far as it has twice so many; the others of a class are references. A
    scan that is there twice counts once.

    Raises:
        BadInput: no model, fewer than one scan, or too few scans for references.
        BadModel: a model is a black box.
        BadTarget: a model has no layer to look at.
    """
    at_least(1, scans=scans)
    if not models:
        raise BadInput("no model", "one or several, by name", "name a model")
    explained, references, unread = _draw(catalogue, scans, seed)
    if len(references) < FEWEST:
        came = f"{len(explained)} scans to explain and {len(references)} others that differ from them and can be read"
        raise BadInput(came, f"{FEWEST} others or more, for each layer's mean", "give more scans")
    maps = look_at_maps(models, explained, progress=progress)
    contributions = {
        name: layer_contributions(each, explained, references, targets="predicted", progress=progress)
        for name, each in models.items()
    }
    return Looked(maps, contributions, len(references), unread)


def _draw(catalogue: Catalogue, scans: int, seed: int) -> tuple[list[Scan], list[Scan], int]:
    """Scans to explain, classes in turn; references, likewise; and how many could not be read."""
    order, known, unread = shuffled(catalogue.entries, seed), set[str](), 0
    most, others = (-(-count // len(catalogue.classes)) for count in (scans, REFERENCES))
    explained: list[list[Scan]] = []
    references: list[list[Scan]] = []
    for label in catalogue.classes:
        mine: list[Scan] = []
        for entry in (each for each in order if each.label == label):
            if len(mine) == most + others:
                break
            try:
                scan = read_entry(entry)
            except BadScan:
                unread += 1
                continue
            if scan.content not in known:
                known.add(scan.content)
                mine.append(scan)
        half = min(most, -(-len(mine) // 2))
        explained.append(mine[:half])
        references.append(mine[half : half + others])
    return in_turn(explained)[:scans], in_turn(references)[:REFERENCES], unread


def summaries(found: Looked, *, seed: int = 0) -> list[dict[str, Any]]:
    """Of each model, with the maps of the class that it predicts.

    Returns:
        Dicts of "model"; "layers", "scans" and "right", counts; "median_doubt", the median of 1 - confidence; "blank",
        a row for each recipe and part of the network ("first third", "last third", or "all" of fewer than three
        layers) with "recipe", "part", "maps" (a count), "share" blank, "low" and "high" (Wilson, a scan as a trial)
        and "words", the share of maps by reason; and "contribution", see `contributed`.
    """
    return [_summary(name, found, seed) for name in found.contributions]


def _summary(name: str, found: Looked, seed: int) -> dict[str, Any]:
    mine = found.predicted(name)
    scans = {each.scan: each for each in mine}.values()
    layers = 1 + max(each.depth for each in mine)
    third = layers // 3
    parts = (
        {"first third": range(third), "last third": range(layers - third, layers)} if third else {"all": range(layers)}
    )
    blank = [
        {"recipe": recipe, "part": part, **_counted([each for each in mine if each.recipe == recipe], depths)}
        for recipe in RECIPES
        for part, depths in parts.items()
    ]
    dark = {
        recipe: {(each.scan, each.layer) for each in mine if each.recipe == recipe and each.word != THERE}
        for recipe in RECIPES
    }
    return {
        "model": name, "layers": layers, "scans": len(scans), "right": sum(bool(each.right) for each in scans),
        "median_doubt": float(np.median([each.doubt for each in scans])), "blank": blank,
        "contribution": contributed(found.contributions[name], dark, layers, seed),
    }  # fmt: skip


def _counted(seen: Sequence[MapSeen], depths: range) -> dict[str, Any]:
    (row,) = tabulate([each for each in seen if each.depth in depths], ())
    words = {word: share for word, share in row.words.items() if word != THERE}
    return {"maps": row.maps, "share": row.share, "low": row.interval.low, "high": row.interval.high, "words": words}


def contributed(
    rows: Sequence[Contribution], dark: Mapping[Recipe, set[tuple[str, str]]], layers: int, seed: int
) -> dict[str, Any]:
    """How far the logit moves without a layer, also where that layer's map is blank; and whether brightness tells it.

    Args:
        rows: one model's, of one target a scan, by scan and then layer.
        dark: by recipe, the scans and layers whose maps are blank.
        layers: how many there are.

    Returns:
        "median": of the logit's change, in magnitude, over scans and layers; "blank": by recipe how many "maps" are
        blank and the "median" change there, or None; "rank": Spearman's correlation over layers, of the medians over
        scans of a map's energy and of the change, with a percentile bootstrap of the scans: it says how these layers
        go together on other scans of the kind, and nothing of other layers. None with fewer than three layers, or
        where all are alike; its ends also with fewer than five scans.
    """
    change = np.abs([row.change for row in rows]).reshape(-1, layers)
    energy = np.array([row.energy for row in rows]).reshape(-1, layers)
    blank: dict[str, dict[str, Any]] = {}
    for recipe, places in dark.items():
        moved = [abs(row.change) for row in rows if (row.scan, row.layer) in places]
        blank[recipe] = {"maps": len(moved), "median": float(np.median(moved)) if moved else None}
    rank: dict[str, float | None] = {"value": None, "low": None, "high": None}
    if layers > 2 and np.isfinite(value := _rank(energy, change)):
        rank["value"] = value
        if len(change) > 4:
            drawn = np.random.default_rng(seed).integers(len(change), size=(DRAWS, len(change)))
            ends = percentile(np.array([_rank(energy[some], change[some]) for some in drawn]))
            rank |= {"low": ends.low, "high": ends.high}
    return {"median": float(np.median(change)), "blank": blank, "rank": rank}


def _rank(energy: Float[np.ndarray, "n layers"], change: Float[np.ndarray, "n layers"]) -> float:
    """Spearman's correlation over layers; NaN where all layers are alike."""
    bright, much = np.median(energy, 0), np.median(change, 0)
    return rank_correlation(bright, much) if np.ptp(bright) > 0 < np.ptp(much) else float("nan")


def shares(found: Looked, name: str) -> dict[Recipe, list[BlankShare]]:
    """By recipe, every layer's share of blank maps of the predicted class, shallow to deep."""
    mine = found.predicted(name)
    return {recipe: tabulate([each for each in mine if each.recipe == recipe], ["layer"]) for recipe in RECIPES}


def write_tables(found: Looked, out: Path) -> list[str]:
    """blank.csv, blank-by-confidence.csv and contribution.csv; returns the files."""
    write_table(out / "blank.csv", tabulate(found.maps, BLANK))
    write_table(out / "blank-by-confidence.csv", tabulate(found.maps, BY_CONFIDENCE))
    columns = ["model", *(field.name for field in fields(Contribution))]
    rows = [{"model": name, **asdict(row)} for name, some in found.contributions.items() for row in some]
    files.write_rows(out / "contribution.csv", rows, columns)
    return [str(out / f"{name}.csv") for name in ("blank", "blank-by-confidence", "contribution")]
