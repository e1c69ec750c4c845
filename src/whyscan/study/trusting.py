"""The trust stage: a sample of scans judged, the long table written, and what follows from it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from whyscan.study import turned, turning
from whyscan.study.explaining import chosen_models
from whyscan.study.ledger import Ledger
from whyscan.study.mistaking import Mistakers
from whyscan.study.trust_cost import Clock, Depth, forward_price, prices
from whyscan.study.trust_scan import judge, usable
from whyscan.study.trust_scans import Chosen, choose
from whyscan.study.trust_settings import TrustSettings
from whyscan.trust import table
from whyscan.trust.layering import likeness
from whyscan.trust.located import results
from whyscan.trust.summary import summarise

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One scan to be judged: what its rows are made from, and where they lie, without a suffix."""

    chosen: Chosen
    depth: Depth
    made_from: Mapping[str, Any]
    stem: Path

    @property
    def name(self) -> str:
        return f"trust {self.stem.name}"


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
    chosen, sampling = choose(run, catalogue, rows, names, scans=settings.scans, seed=settings.seed)
    entries = {entry.name: entry for entry in catalogue.entries}
    opened = _Opened()
    mistakers = Mistakers(run, catalogue, seed=settings.seed, progress=progress)
    pieces = [_piece(run, each, number, opened, names, settings) for number, each in enumerate(chosen)]
    done = [ledger.done(piece.name, piece.made_from) and piece.stem.with_suffix(".csv").is_file() for piece in pieces]
    todo = [piece for piece, kept in zip(pieces, done, strict=True) if not kept]
    clock = _clock(todo, entries, opened, names, settings, say)
    unread: dict[str, str] = {}
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
                    scan, settings, piece.depth, group=piece.chosen.row.group,
                    mistaught={name: mistakers.of(*each) for name, each in own.items()},
                )  # fmt: skip
                table.write(piece.stem.with_suffix(".csv"), found.rows)
                files.write_json(piece.stem.with_suffix(".json"), {**found.document(), "masks": notes})
                piece.stem.with_suffix(".npz").unlink(missing_ok=True)  # those of an earlier call, of other models
                if number < turning.KEPT and found.superpixels:
                    save_all(piece.stem.with_suffix(".npz"), turning.kept(found.superpixels))
        except (BadScan, BadModel) as error:
            unread[piece.chosen.row.path] = str(error)
            continue
        clock.done(piece.depth, time.perf_counter() - begun)
    progress("judging explanations", len(pieces), len(pieces))
    judged = [piece.stem for piece in pieces if piece.chosen.row.path not in unread]
    missing = [{"source": path, "reason": reason} for path, reason in unread.items()]
    return _write(run, names, judged, opened, settings, sampling, missing)


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
    made_from = {
        "models": {name: opened(chosen, name).hash for name in names}, "depth": asdict(depth),
        "settings": {key: value for key, value in asdict(settings).items() if key in _MAKING},
        "whyscan": whyscan.__version__,
    }  # fmt: skip
    return _Piece(chosen, depth, made_from, run.trust_path.parent / "scans" / chosen.row.content[:16])


def _clock(
    todo: Sequence[_Piece],
    entries: Mapping[str, Entry],
    opened: _Opened,
    names: Sequence[str],
    settings: TrustSettings,
    say: Say,
) -> Clock:
    """Time the first model's methods and every model's forward passes on the first scan, and say what will come."""
    for piece in todo:
        try:
            scan, _ = _read(entries[piece.chosen.row.path])
        except BadScan:  # it will be told where it is judged
            continue
        classifiers = [opened(piece.chosen, name) for name in names]
        timed = prices(classifiers[0], scan, usable(classifiers[0], settings.methods), settings)
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
    kept: Sequence[Path],
    opened: _Opened,
    settings: TrustSettings,
    sampling: str,
    unread: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    if not kept:
        raise BadRun("no scan could be judged", "scans that can be read", "run `whyscan audit` on the data")
    rows = [each for stem in kept for each in table.read(stem.with_suffix(".csv"))]
    more: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stem in kept:
        for name, found in files.read_json(stem.with_suffix(".json")).items():
            more[name] += found
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
            "settings": asdict(settings),
            "sampling": sampling,
        },
    )
    document["unread"] = list(unread)
    document["masks that do not fit"] = more["masks"]
    document["turned"] = turned.shown(kept, models, more["turning"], more["flips"])
    document["engines"] = _engines(more["engines"])
    table.write(run.trust_path.parent / "table.csv", rows)
    files.write_json(run.trust_path, document)
    run.replace_results("trust", results(document["localisation"]))
    return document


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
