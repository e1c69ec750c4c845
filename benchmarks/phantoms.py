"""The phantom benchmark: every method and every metric where it is known what the model uses.

    python benchmarks/phantoms.py OUT

Trains one small network in each of the worlds of `whyscan.study.worlds` (some minutes; networks and scans that are
finished are not made again), looks for scans on which the reason for the answer can be proved, explains them by every
method, asks every metric, and writes OUT/table.csv, OUT/phantoms.csv and OUT/phantoms.md. The truth itself, drawn as a
map, and the maps that know nothing of the model are judged beside the methods: a metric that does not prefer the truth
to them is no judge of the methods. And the scans with a cue are explained for the model of the first world too, which
never saw one: a map that points at the cue there as well shows the scan.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from phantoms_table import FOUND, NOT_USED, TRUTH, summary_rows, text

from whyscan.data.head import find_head
from whyscan.data.scan import Scan
from whyscan.errors import WhyscanError
from whyscan.explain.explain import explain
from whyscan.explain.methods import METHODS
from whyscan.models.classifier import Classifier
from whyscan.models.process import keep_allocations
from whyscan.records import files
from whyscan.study.trust_scan import Depth, judge, usable
from whyscan.study.trust_settings import TrustSettings
from whyscan.study.worlds import WORLDS, Proof, World, proofs, world_model
from whyscan.trust import table
from whyscan.trust.battery import FAITHFUL, FREE, measure, row
from whyscan.trust.case import Case
from whyscan.trust.nulls import drawn_attributions
from whyscan.trust.table import Row

FIRST_SEED = 10_000
"""Of the phantoms that are explained: far from those that the models were trained on."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scans", type=int, default=24, help="proved scans of each world that are explained")
    parser.add_argument("--sturdy", type=int, default=3, help="on how many of them robustness and sanity are measured")
    parser.add_argument("--world", action="append", choices=[world.name for world in WORLDS])
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--per-class", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(argv)
    keep_allocations()
    rows: list[Row] = []
    tried: dict[str, tuple[int, int]] = {}

    @cache
    def trained(world: World) -> Classifier:
        say(f"{world.name}: training")
        folder = asked.out / world.name.replace(" ", "-")
        return world_model(folder, world, seed=asked.seed, per_class=asked.per_class, epochs=asked.epochs)

    plain = next(world for world in WORLDS if world.shortcut is None)
    for world in (each for each in WORLDS if not asked.world or each.name in asked.world):
        model = trained(world)
        found, count = proofs(model, world, range(FIRST_SEED, FIRST_SEED + asked.scans))
        tried[world.name] = len(found), count
        say(f"{world.name}: the reason is proved on {len(found)} of {count} scans")
        methods = usable(model, asked.method or list(METHODS))
        for number, proof in enumerate(found[: asked.scans]):
            settings = TrustSettings(methods=methods, evaluations=300, seed=asked.seed)
            sturdy = number < asked.sturdy
            kept = piece(asked.out, world, model, proof, settings, sturdy=sturdy)
            if not kept.is_file():
                fresh = judged(model, world, proof, settings, sturdy=sturdy)
                if world.local and world.shortcut:
                    fresh += list(control(trained(plain), world, proof, settings))
                table.write(kept, fresh)
            rows += table.read(kept)
            say(f"{world.name}: {number + 1} of {min(len(found), asked.scans)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    table.write(asked.out / "table.csv", rows)
    summary = summary_rows(rows)
    files.write_rows(asked.out / "phantoms.csv", summary, tuple(summary[0]) if summary else ())
    (asked.out / "phantoms.md").write_text(text(rows, tried), encoding="utf-8")
    say(str(asked.out / "phantoms.md"))


def piece(out: Path, world: World, model: Classifier, proof: Proof, settings: TrustSettings, *, sturdy: bool) -> Path:
    """Where one scan's rows are kept: another file for whatever else would give other rows."""
    made_from = f"{model.hash} {proof.scan.content} {proof.target} {settings} {sturdy}"
    return out / world.name.replace(" ", "-") / "judged" / f"{zlib.crc32(made_from.encode()):08x}.csv"


def judged(model: Classifier, world: World, proof: Proof, settings: TrustSettings, *, sturdy: bool) -> list[Row]:
    """One scan's rows. In a world whose reason has no place, the known region is the lesion, which is *not* it."""
    scan = proof.scan if world.local else replace(proof.scan, region=proof.lesion)
    group = _group(scan)
    found = judge({world.name: model}, scan, settings, Depth(faithful=True, sturdy=sturdy), group=group).rows
    return found + (list(_truth(replace(model, name=world.name), scan, proof.target, group)) if world.local else [])


def control(unaware: Classifier, world: World, proof: Proof, settings: TrustSettings) -> Iterator[Row]:
    """The same scan, with the cue in it, explained for the same class by the model that never saw a cue."""
    model = replace(unaware, name=world.name + NOT_USED)
    for method in settings.methods:
        samples = settings.samples(method)
        try:
            told = explain(model, proof.scan, method, proof.target, seed=settings.seed, samples=samples)
        except WhyscanError:  # as it refuses every network of this kind; `judge` has said why
            continue
        case = Case(model, proof.scan, told, proof.target, lambda *_, told=told: told)
        for each in measure(case, {FOUND: FREE[FOUND]}):
            yield row(case, each, group=_group(proof.scan))


def _group(scan: Scan) -> str:
    """A phantom's seed: the heads of all kinds are one."""
    return str(scan.source).rsplit(maxsplit=1)[-1]


def _truth(model: Classifier, scan: Scan, target: str, group: str) -> Iterator[Row]:
    assert scan.region is not None
    _, geometry = model.prepare(scan)
    grid = np.asarray(geometry.region_to_model(scan.region), np.float32)
    told = drawn_attributions(model, scan, target, {TRUTH: grid[None]}, seed=0)[TRUTH]
    case = Case(model, scan, told, target, lambda *_: told, head=find_head(scan).head)
    for battery in (FREE, FAITHFUL):
        for each in measure(case, battery):
            yield row(case, each, group=group)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
