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
from scipy.stats import spearmanr

from whyscan.data.catalogue import Catalogue, balanced
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.explain.blank import THERE
from whyscan.explain.cams.blankness import RECIPES, BlankShare, MapSeen, look_at_maps, tabulate, write_table
from whyscan.explain.cams.contribution import Contribution, layer_contributions
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.stats.intervals import percentile

SCANS = 40
REFERENCES = 48
"""Other scans, over which a layer's mean is taken."""
DRAWS = 1000

BLANK = ("model", "recipe", "layer", "target", "predicted", "right")
BY_CONFIDENCE = ("model", "recipe", "layer", "confidence", "predicted")


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found.

    Attributes:
        maps: every model's maps, of all classes, by both recipes.
        contributions: by model; of the predicted class.
        references: how many scans the means are taken over.
        unread: how many scans could not be read.
    """

    maps: Sequence[MapSeen]
    contributions: Mapping[str, Sequence[Contribution]]
    references: int
    unread: int


def look(
    models: Mapping[str, Classifier],
    catalogue: Catalogue,
    *,
    scans: int = SCANS,
    seed: int = 0,
    progress: Progress = quiet,
) -> Looked:
    """Look at every layer of every model with the same scans, as many of each class as far as there are so many.

    Raises:
        BadInput: no model, fewer than one scan, or too few scans for references.
        BadModel: a model is a black box.
        BadTarget: a model has no layer to look at.
    """
    if scans < 1 or not models:
        raise BadInput(f"{len(models)} models and {scans} scans", "1 or more of each", "name a model, raise the scans")
    drawn, unread = _read(catalogue, scans + REFERENCES, seed)
    if len(drawn) <= scans:
        came = f"{scans} scans to explain of {len(drawn)} that can be read"
        raise BadInput(came, "some others beside them, for each layer's mean", f"ask for {len(drawn) // 2} or fewer")
    explained, references = drawn[:scans], drawn[scans:]
    maps = look_at_maps(models, explained, progress=progress)
    contributions = {
        name: layer_contributions(each, explained, references, targets="predicted", progress=progress)
        for name, each in models.items()
    }
    return Looked(maps, contributions, len(references), unread)


def _read(catalogue: Catalogue, count: int, seed: int) -> tuple[list[Scan], int]:
    found: list[Scan] = []
    entries = balanced(catalogue.entries, count, seed)
    for entry in entries:
        try:
            found.append(read_entry(entry))
        except BadScan:
            continue
    return found, len(entries) - len(found)


def summaries(found: Looked, *, seed: int = 0) -> list[dict[str, Any]]:
    """Of each model: what it is, blank maps of the predicted class by thirds of the network, and contributions."""
    return [_summary(name, found, seed) for name in found.contributions]


def _summary(name: str, found: Looked, seed: int) -> dict[str, Any]:
    mine = [each for each in found.maps if each.model == name and each.predicted]
    scans = {each.scan: each for each in mine}.values()
    layers = 1 + max(each.depth for each in mine)
    third = -(-layers // 3)
    parts = {"first third": range(third), "last third": range(layers - third, layers)}
    blank = [
        {"recipe": recipe, "part": part, **_counted([each for each in mine if each.recipe == recipe], depths)}
        for recipe in RECIPES
        for part, depths in parts.items()
    ]
    doubt = float(np.median([each.doubt for each in scans]))
    return {
        "model": name, "layers": layers, "scans": len(scans), "right": sum(bool(each.right) for each in scans),
        "median_doubt": doubt, "blank": blank, "contribution": contributed(found.contributions[name], layers, seed),
    }  # fmt: skip


def _counted(seen: Sequence[MapSeen], depths: range) -> dict[str, Any]:
    (row,) = tabulate([each for each in seen if each.depth in depths], ())
    words = {word: share for word, share in row.words.items() if word != THERE}
    return {"maps": row.maps, "share": row.share, "low": row.interval.low, "high": row.interval.high, "words": words}


def contributed(rows: Sequence[Contribution], layers: int, seed: int) -> dict[str, Any]:
    """How far the logit moves without a layer, also where that layer's map is blank; and whether brightness tells it.

    The rank correlation is over layers, of the medians over scans of a map's energy and of the logit's change; its
    interval is a percentile bootstrap of the scans. None with fewer than three layers.
    """
    change = np.abs([row.change for row in rows]).reshape(-1, layers)
    energy = np.array([row.energy for row in rows]).reshape(-1, layers)
    dark = np.array([row.diagnosis != THERE for row in rows]).reshape(-1, layers)
    rank: dict[str, float | None] = {"value": None, "low": None, "high": None}
    if layers > 2:
        drawn = np.random.default_rng(seed).integers(len(change), size=(DRAWS, len(change)))
        ends = percentile(np.array([_rank(energy[some], change[some]) for some in drawn]))
        value = _rank(energy, change)
        rank = {"value": value, "low": ends.low, "high": ends.high} if np.isfinite(value) else rank
    return {
        "median": float(np.median(change)),
        "blank": {"maps": int(dark.sum()), "median": float(np.median(change[dark])) if dark.any() else None},
        "rank": rank,
    }


def _rank(energy: Float[np.ndarray, "n layers"], change: Float[np.ndarray, "n layers"]) -> float:
    """Spearman's correlation over layers; NaN where all layers are alike."""
    bright, much = np.median(energy, 0), np.median(change, 0)
    return float(spearmanr(bright, much).statistic) if np.ptp(bright) > 0 < np.ptp(much) else float("nan")


def shares(found: Looked, name: str) -> dict[str, list[BlankShare]]:
    """By recipe, every layer's share of blank maps of the predicted class, shallow to deep."""
    mine = [each for each in found.maps if each.model == name and each.predicted]
    return {recipe: tabulate([each for each in mine if each.recipe == recipe], ["layer"]) for recipe in RECIPES}


def write_tables(found: Looked, out: Path) -> list[str]:
    """blank.csv, blank-by-confidence.csv and contribution.csv; returns the files."""
    write_table(out / "blank.csv", tabulate(found.maps, BLANK))
    write_table(out / "blank-by-confidence.csv", tabulate(found.maps, BY_CONFIDENCE))
    columns = ["model", *(field.name for field in fields(Contribution))]
    rows = [{"model": name, **asdict(row)} for name, some in found.contributions.items() for row in some]
    files.write_rows(out / "contribution.csv", rows, columns)
    return [str(out / f"{name}.csv") for name in ("blank", "blank-by-confidence", "contribution")]
