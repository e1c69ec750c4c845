"""The trust stage: a sample of scans judged, the long table written, and what follows from it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import whyscan
from whyscan.data.catalogue import Catalogue, Entry
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow
from whyscan.errors import BadModel, BadRun, BadScan
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import save_all
from whyscan.records.run import Run
from whyscan.study import attesting, turned, turning
from whyscan.study.explaining import chosen_models
from whyscan.study.ledger import Ledger
from whyscan.study.mistaking import Mistakers
from whyscan.study.trust_cost import Clock, Depth, forward_price, prices
from whyscan.study.trust_scan import judge, usable
from whyscan.study.trust_scans import Chosen, Pool, choose, choose_wide
from whyscan.study.trust_settings import TrustSettings
from whyscan.trust import aggregate, attested, located, table
from whyscan.trust.attestable import SCORECARD
from whyscan.trust.layering import likeness
from whyscan.trust.summary import summarise

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One scan to be judged: by what settings, what its rows are made from, and where they lie, without a suffix."""

    chosen: Chosen
    settings: TrustSettings
    depth: Depth
    made_from: Mapping[str, Any]
    stem: Path
    keeps_superpixels: bool = False

    @property
    def name(self) -> str:
        return f"trust {'wide ' if self.depth.wide else ''}{self.stem.name}"


def trust_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    settings: TrustSettings,
    ledger: Ledger,
    *,
    models: Sequence[str] = (),
    say: Say = lambda _: None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Judge the explanations of the best and the weak model; writes trust/table.csv and trust/summary.json.

    A scan is one piece of the ledger: what an earlier call finished from the same models and settings stays.

    Args:
        models: instead of the two that the comparison chose; the first is the best.
        say: is told the cost before the first scan is judged, and what is left after the first of each depth.

    Raises:
        BadRun: the run was not compared, or holds no scan back.
    """
    names = list(models) or _pair(run)
    pool = Pool.of(run, catalogue, rows, names)
    sampled, sampling = choose(pool, scans=settings.scans, seed=settings.seed)
    spread, wide_sampling = choose_wide(pool, scans=settings.wide, seed=settings.seed)
    entries = {entry.name: entry for entry in catalogue.entries}
    opened = _Opened()
    mistakers = Mistakers(run, catalogue, seed=settings.seed, progress=progress)
    swift = replace(settings, methods=settings.swift) if settings.swift else None
    pieces = [
        *(_piece(run, each, number, opened, names, settings) for number, each in enumerate(sampled)),
        *(_wide_piece(run, each, opened, names, swift) for each in spread if swift),
    ]
    done = [ledger.done(piece.name, piece.made_from) and piece.stem.with_suffix(".csv").is_file() for piece in pieces]
    todo = [piece for piece, kept in zip(pieces, done, strict=True) if not kept]
    clock = _clock(todo, entries, opened, names, settings, say)
    unread: dict[str, dict[str, str]] = {}
    for number, (piece, kept) in enumerate(zip(pieces, done, strict=True)):
        progress("judging explanations", number, len(pieces))
        if kept:
            continue
        begun = time.perf_counter()
        own = {name: (opened(piece.chosen, name), piece.chosen.speakers[name]) for name in names}
        try:
            scan, notes = _read(entries[piece.chosen.row.path])
            with ledger.piece(piece.name, piece.made_from):
                found = judge(
                    {name: classifier for name, (classifier, _) in own.items()},
                    scan, piece.settings, piece.depth, group=piece.chosen.row.group,
                    mistaught={name: mistakers.of(*each) for name, each in own.items()},
                )  # fmt: skip
                table.write(piece.stem.with_suffix(".csv"), found.rows)
                files.write_json(piece.stem.with_suffix(".json"), {**found.document(), "masks": notes})
                piece.stem.with_suffix(".npz").unlink(missing_ok=True)  # those of an earlier call, of other models
                if piece.keeps_superpixels and found.superpixels:
                    save_all(piece.stem.with_suffix(".npz"), turning.kept(found.superpixels))
        except (BadScan, BadModel) as error:
            unread[piece.name] = {"source": piece.chosen.row.path, "reason": str(error)}
            continue
        clock.done(piece.depth, time.perf_counter() - begun)
    progress("judging explanations", len(pieces), len(pieces))
    judged = [piece for piece in pieces if piece.name not in unread]
    missing = list({each["source"]: each for each in unread.values()}.values())
    told = {"settings": asdict(settings), "sampling": sampling, "wide_sampling": wide_sampling}
    return _write(run, names, judged, opened, told, missing, pool.doubt())


def _read(entry: Entry) -> tuple[Scan, list[dict[str, str]]]:
    """The scan; and where its mask does not fit, the scan without it and why: all but localisation goes on."""
    try:
        return read_entry(entry), []
    except BadScan as error:
        if entry.mask is None:
            raise
        bare = read_entry(replace(entry, mask=None))
        return bare, [{"source": entry.name, "reason": str(error)}]


def _piece(
    run: Run, chosen: Chosen, number: int, opened: _Opened, names: Sequence[str], settings: TrustSettings
) -> _Piece:
    depth = Depth(number < settings.layered, number < settings.faithful, number < settings.sturdy)
    made_from = _made_from(chosen, depth, opened, names, settings)
    stem = run.trust_path.parent / "scans" / chosen.row.content[:16]
    return _Piece(chosen, settings, depth, made_from, stem, keeps_superpixels=number < turning.KEPT)


def _wide_piece(run: Run, chosen: Chosen, opened: _Opened, names: Sequence[str], swift: TrustSettings) -> _Piece:
    depth = Depth(wide=True)
    made_from = _made_from(chosen, depth, opened, names, swift)
    return _Piece(chosen, swift, depth, made_from, run.trust_path.parent / "wide" / chosen.row.content[:16])


def _made_from(
    chosen: Chosen, depth: Depth, opened: _Opened, names: Sequence[str], settings: TrustSettings
) -> dict[str, Any]:
    return {
        "models": {name: opened(chosen, name).hash for name in names}, "depth": asdict(depth),
        "settings": {key: value for key, value in asdict(settings).items() if key in _MAKING},
        "whyscan": whyscan.__version__,
    }  # fmt: skip


def _clock(
    todo: Sequence[_Piece],
    entries: Mapping[str, Entry],
    opened: _Opened,
    names: Sequence[str],
    settings: TrustSettings,
    say: Say,
) -> Clock:
    """Time the first model's methods and every model's forward passes on the first scan, and say what will come.

    Only what is still to be done is timed: where nothing but scans of the wide sample is left, not the dear methods.
    """
    asked = [name for name in settings.methods if any(name in each.settings.methods for each in todo)]
    layered = any(each.depth.layered for each in todo)
    for piece in todo:
        try:
            scan, _ = _read(entries[piece.chosen.row.path])
        except BadScan:  # it will be told where it is judged
            continue
        classifiers = [opened(piece.chosen, name) for name in names]
        timed = prices(classifiers[0], scan, usable(classifiers[0], asked), settings, layered=layered)
        others = [timed.scaled(forward_price(each, scan, settings.engine)) for each in classifiers[1:]]
        clock = Clock([each.depth for each in todo], [timed, *others], say)
        clock.start()
        return clock
    return Clock([], [], say)


_MAKING = ("methods", "evaluations", "masks", "steps", "seed", "engine")
"""The settings that a scan's rows are made from."""


def _pair(run: Run) -> list[str]:
    comparison = run.comparison()
    if comparison is None:
        raise BadRun(f"{run.folder} was not compared", "compare/compare.json", "run `whyscan compare` first")
    roles = chosen_models(comparison)
    return [name for name in (roles["best"], roles["weak"]) if name]


class _Opened:
    """Each classifier is opened once; folds of small networks all stay in memory."""

    def __init__(self) -> None:
        self._held: dict[str, Classifier] = {}
        self.layers: dict[str, list[str]] = {}

    def __call__(self, chosen: Chosen, name: str) -> Classifier:
        speaker = chosen.speakers[name]
        if speaker.key not in self._held:
            self._held[speaker.key] = speaker.open()
        found = self._held[speaker.key]
        self.layers[name] = [layer.name for layer in found.layers]
        return found


def _write(
    run: Run,
    models: Sequence[str],
    kept: Sequence[_Piece],
    opened: _Opened,
    told: Mapping[str, Any],
    unread: Sequence[Mapping[str, str]],
    doubt: str,
) -> dict[str, Any]:
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
            "layers": opened.layers,
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


def _gathered(pieces: Iterable[_Piece]) -> tuple[list[table.Row], dict[str, list[dict[str, Any]]]]:
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
