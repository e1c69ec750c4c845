"""The trust stage: a sample of scans judged, the long table written, and what follows from it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import whyscan
from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadRun, BadScan
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.study.explaining import chosen_models
from whyscan.study.ledger import Ledger
from whyscan.study.trust_scan import Depth, judge, usable
from whyscan.study.trust_scans import Chosen, choose
from whyscan.study.trust_settings import TrustSettings
from whyscan.trust import table
from whyscan.trust.layering import likeness
from whyscan.trust.located import results
from whyscan.trust.summary import summarise

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is about to be done: scans, models, and seconds, told from the first scan."""

    scans: int
    models: int
    seconds: float

    def text(self) -> str:
        minutes = self.seconds / 60
        took = f"{minutes:.0f} minutes" if minutes >= 2 else f"{self.seconds:.0f} seconds"
        return f"{self.scans} scans by {self.models} model{'s' if self.models > 1 else ''}: about {took}"


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
        say: is told the estimate once a scan of each depth is done.

    Raises:
        BadRun: the run was not compared, or holds no scan back.
    """
    names = list(models) or _pair(run)
    chosen, sampling = choose(run, catalogue, rows, names, scans=settings.scans, seed=settings.seed)
    entries = {entry.name: entry for entry in catalogue.entries}
    opened = _Opened()
    folder = run.trust_path.parent
    kept: list[Path] = []
    unread: list[dict[str, str]] = []
    clock = _Clock(len(chosen), len(names), settings, say)
    for number, each in enumerate(chosen):
        progress("judging explanations", number, len(chosen))
        depth = Depth(number < settings.layered, number < settings.faithful, number < settings.sturdy)
        speakers = {name: opened(each, name) for name in names}
        made_from = {
            "models": {name: speaker.hash for name, speaker in speakers.items()}, "depth": asdict(depth),
            "settings": {key: value for key, value in asdict(settings).items() if key in _MAKING},
            "whyscan": whyscan.__version__,
        }  # fmt: skip
        stem = folder / "scans" / each.row.content[:16]
        piece = f"trust {each.row.content[:16]}"
        if not (ledger.done(piece, made_from) and stem.with_suffix(".csv").is_file()):
            begun = time.perf_counter()
            try:
                scan = read_entry(entries[each.row.path])
                with ledger.piece(piece, made_from):
                    found = judge(speakers, scan, settings, depth, group=each.row.group)
                    table.write(stem.with_suffix(".csv"), found.rows)
                    files.write_json(stem.with_suffix(".json"), found.document())
            except BadScan as error:
                unread.append({"source": each.row.path, "reason": str(error)})
                continue
            clock.took(depth, time.perf_counter() - begun, number)
        kept.append(stem)
    progress("judging explanations", len(chosen), len(chosen))
    return _write(run, names, kept, opened, settings, sampling, unread)


_MAKING = ("methods", "evaluations", "masks", "seed")
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
        key = chosen.keys[name]
        if key not in self._held:
            self._held[key] = chosen.speakers[name]()
        found = self._held[key]
        self.layers[name] = [layer.name for layer in found.layers]
        return found


class _Clock:
    """Tells how long it will take, from the first scan of each depth."""

    def __init__(self, scans: int, models: int, settings: TrustSettings, say: Say) -> None:
        self._scans, self._models, self._settings, self._say = scans, models, settings, say
        self._seconds: dict[Depth, list[float]] = defaultdict(list)
        self._said = False

    def took(self, depth: Depth, seconds: float, number: int) -> None:
        self._seconds[depth].append(seconds)
        if not self._said:  # the first scan is the most expensive one: all batteries are asked
            self._said = True
            deep = max(1, self._settings.sturdy)
            rest = max(0, self._scans - number - deep)
            about = seconds * min(deep, self._scans - number) + rest * seconds / 4
            self._say("at most " + Estimate(self._scans - number, self._models, about).text())


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
    table.write(run.trust_path.parent / "table.csv", rows)
    files.write_json(run.trust_path, document)
    run.replace_results("trust", results(document["localisation"]))
    return document


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


__all__ = ["Estimate", "trust_stage", "usable"]
