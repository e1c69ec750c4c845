"""What a trust run writes: the long tables of all its scans, the summary, and rows of results.csv."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study import attesting, turned
from whyscan.study.trust_pieces import Piece
from whyscan.trust import aggregate, attested, located, table
from whyscan.trust.attestable import SCORECARD
from whyscan.trust.layering import likeness
from whyscan.trust.summary import summarise


def write(
    run: Run,
    models: Sequence[str],
    kept: Sequence[Piece],
    layers: Mapping[str, Sequence[str]],
    told: Mapping[str, Any],
    unread: Sequence[Mapping[str, str]],
    doubt: str,
) -> dict[str, Any]:
    """Sum up what the scans' files hold; returns the document of trust/summary.json.

    Args:
        layers: by model, its layers from shallow to deep.
        told: settings and samplings, kept as they are.
        unread: what could not be judged, and why.
        doubt: what cannot be said of models from elsewhere.

    Raises:
        BadRun: no scan could be judged.
    """
    rows, more = _gathered(each for each in kept if not each.depth.wide)
    wide_rows, wide_more = _gathered(each for each in kept if each.depth.wide)
    if not rows:
        raise BadRun("no scan could be judged", "scans that can be read", "run `whyscan audit` on the data")
    audit = run.audit() or {}
    document = summarise(
        rows,
        {
            "best": models[0],
            "weak": models[1] if len(models) > 1 else None,
            "layers": layers,
            "flips": more["flips"],
            "agreement": more["agreement"],
            "edits": more["edits"],
            "likeness": _likeness(more["maps"]),
            "cues": audit.get("cues", []),
            "attested": attested.of(attesting.kept(run), SCORECARD),
            "wide_rows": wide_rows,
            "wide_edits": wide_more["edits"],
            **told,
        },
    )
    document["folds"] = any(one.key != name for each in kept for name, one in each.chosen.speakers.items())
    document["headline"] += doubt
    document["unread"] = list(unread)
    document["masks that do not fit"] = list(
        {each["source"]: each for each in more["masks"] + wide_more["masks"]}.values()
    )
    stems = [each.stem for each in kept if not each.depth.wide]
    document["turned"] = turned.shown(stems, models, more["turning"], more["flips"])
    document["engines"] = _engines(more["engines"])
    table.write(run.trust_path.parent / "table.csv", rows)
    table.write(run.trust_path.parent / "wide.csv", wide_rows)
    files.write_json(run.trust_path, document)
    places = located.results(document["localisation"])
    spread = located.results((document["wide"] or {}).get("localisation", []), "trust, wide sample")
    run.replace_results("trust", [*places, *aggregate.results(document["metrics"], places), *spread])
    return document


def _gathered(pieces: Iterable[Piece]) -> tuple[list[table.Row], dict[str, list[dict[str, Any]]]]:
    """The rows of all these scans, and the other tables by name."""
    rows: list[table.Row] = []
    more: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for piece in pieces:
        rows += table.read(piece.stem.with_suffix(".csv"))
        for name, found in files.read_json(piece.stem.with_suffix(".json")).items():
            more[name] += found
    return rows, more


def _engines(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who answered for the perturbed scans of each model, on how many scans, and how far at most from float32."""
    by: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in found:
        by[each["model"], each["engine"]].append(each["deviation"])
    return [
        {"model": model, "engine": engine, "scans": len(far), "deviation": max(far)}
        for (model, engine), far in by.items()
    ]


def _likeness(maps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per model and layer, how alike the maps of a class's scans are."""
    by: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for each in maps:
        by[each["model"], each["layer"]].append(each)
    rows = []
    for (model, layer), found in by.items():
        alike = likeness(
            [np.asarray(each["map"], np.float32) for each in found],
            [each["target"] for each in found],
            [each["group"] for each in found],
        )
        rows += [
            {"model": model, "layer": layer, "content": each["content"], "value": float(value)}
            for each, value in zip(found, alike, strict=True)
            if np.isfinite(value)
        ]
    return rows
