"""The trust stage: a sample of scans judged, the long table written, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from whyscan.data.catalogue import Catalogue, Entry
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow
from whyscan.errors import BadModel, BadRun, BadScan
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.run import Run
from whyscan.study import trust_tables
from whyscan.study.explaining import chosen_models
from whyscan.study.ledger import Ledger
from whyscan.study.mistaking import Mistakers
from whyscan.study.trust_cost import Clock, forward_price, prices
from whyscan.study.trust_pieces import Opened, Piece, pieces_of
from whyscan.study.trust_scan import judge, usable
from whyscan.study.trust_scans import Pool, choose, choose_wide
from whyscan.study.trust_settings import TrustSettings

Say = Callable[[str], None]


def trust_stage(
    run: Run,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    settings: TrustSettings,
    ledger: Ledger,
    *,
    models: Sequence[str] = (),
    lent: Mapping[str, Classifier] | None = None,
    say: Say = lambda _: None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Judge the explanations of the best and the weak model; writes trust/table.csv and trust/summary.json.

    A scan is one piece of the ledger: what an earlier call finished from the same models and settings stays.

    Args:
        models: instead of the two that the comparison chose; the first is the best.
        lent: those of the run's models that it does not hold.
        say: is told the cost before the first scan is judged, and what is left after the first of each depth.

    Raises:
        BadRun: the run was not compared, or holds no scan back.
    """
    names = list(models) or _pair(run)
    pool = Pool.of(run, catalogue, rows, names, lent)
    sampled, sampling = choose(pool, scans=settings.scans, seed=settings.seed)
    spread, wide_sampling = choose_wide(pool, scans=settings.wide, seed=settings.seed)
    entries = {entry.name: entry for entry in catalogue.entries}
    opened = Opened()
    mistakers = Mistakers(run, catalogue, seed=settings.seed, progress=progress)
    pieces = pieces_of(run, sampled, spread, opened, names, settings)
    done = [piece.done(ledger) for piece in pieces]
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
                piece.keep(found, notes)
        except (BadScan, BadModel) as error:
            unread[piece.name] = {"source": piece.chosen.row.path, "reason": str(error)}
            continue
        clock.done(piece.depth, time.perf_counter() - begun)
    progress("judging explanations", len(pieces), len(pieces))
    judged = [piece for piece in pieces if piece.name not in unread]
    missing = list({each["source"]: each for each in unread.values()}.values())
    told = {"settings": asdict(settings), "sampling": sampling, "wide_sampling": wide_sampling}
    return trust_tables.write(run, names, judged, opened.layers, told, missing, pool.doubt())


def _read(entry: Entry) -> tuple[Scan, list[dict[str, str]]]:
    """The scan; and where its mask does not fit, the scan without it and why: all but localisation goes on."""
    try:
        return read_entry(entry), []
    except BadScan as error:
        if entry.mask is None:
            raise
        bare = read_entry(replace(entry, mask=None))
        return bare, [{"source": entry.name, "reason": str(error)}]


def _clock(
    todo: Sequence[Piece],
    entries: Mapping[str, Entry],
    opened: Opened,
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


def _pair(run: Run) -> list[str]:
    comparison = run.comparison()
    if comparison is None:
        raise BadRun(f"{run.folder} was not compared", "compare/compare.json", "run `whyscan compare` first")
    roles = chosen_models(comparison)
    return [name for name in (roles["best"], roles["weak"]) if name]
