"""The pieces of a trust run: one scan each, with what its rows are made from, so that a cut run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import whyscan
from whyscan.models.classifier import Classifier
from whyscan.records import files
from whyscan.records.attribution import save_all
from whyscan.records.run import Run
from whyscan.study import turning
from whyscan.study.ledger import Ledger
from whyscan.study.trust_cost import Depth
from whyscan.study.trust_scan import Judgement
from whyscan.study.trust_scans import Chosen
from whyscan.study.trust_settings import TrustSettings
from whyscan.trust import table

_MAKING = ("methods", "evaluations", "masks", "steps", "seed", "engine", "fill")
"""The settings that a scan's rows are made from."""


@dataclass(frozen=True, slots=True)
class Piece:
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

    def keep(self, found: Judgement, masks: Sequence[Mapping[str, str]]) -> None:
        """Write what was found, and which mask did not fit."""
        table.write(self.stem.with_suffix(".csv"), found.rows)
        files.write_json(self.stem.with_suffix(".json"), {**found.document(), "masks": list(masks)})
        self.stem.with_suffix(".npz").unlink(missing_ok=True)  # those of an earlier call, of other models
        if self.keeps_superpixels and found.superpixels:
            save_all(self.stem.with_suffix(".npz"), turning.kept(found.superpixels))

    def done(self, ledger: Ledger) -> bool:
        """Whether an earlier call finished it from the same models and settings."""
        return ledger.done(self.name, self.made_from) and self.stem.with_suffix(".csv").is_file()


class Opened:
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


def pieces_of(
    run: Run,
    sampled: Sequence[Chosen],
    spread: Sequence[Chosen],
    opened: Opened,
    names: Sequence[str],
    settings: TrustSettings,
) -> list[Piece]:
    """Those of the sample chosen for comparisons, and those of the wide one, which swift methods explain."""
    swift = replace(settings, methods=settings.swift) if settings.swift else None
    return [
        *(_piece(run, each, number, opened, names, settings) for number, each in enumerate(sampled)),
        *(_wide_piece(run, each, opened, names, swift) for each in spread if swift),
    ]


def _piece(
    run: Run, chosen: Chosen, number: int, opened: Opened, names: Sequence[str], settings: TrustSettings
) -> Piece:
    depth = Depth(number < settings.layered, number < settings.faithful, number < settings.sturdy)
    made_from = _made_from(chosen, depth, opened, names, settings)
    stem = run.trust_path.parent / "scans" / chosen.row.content[:16]
    return Piece(chosen, settings, depth, made_from, stem, keeps_superpixels=number < turning.KEPT)


def _wide_piece(run: Run, chosen: Chosen, opened: Opened, names: Sequence[str], swift: TrustSettings) -> Piece:
    depth = Depth(wide=True)
    made_from = _made_from(chosen, depth, opened, names, swift)
    return Piece(chosen, swift, depth, made_from, run.trust_path.parent / "wide" / chosen.row.content[:16])


def _made_from(
    chosen: Chosen, depth: Depth, opened: Opened, names: Sequence[str], settings: TrustSettings
) -> dict[str, Any]:
    return {
        "models": {name: opened(chosen, name).hash for name in names}, "depth": asdict(depth),
        "settings": {key: value for key, value in asdict(settings).items() if key in _MAKING and value is not None},
        "whyscan": whyscan.__version__,
    }  # fmt: skip
