"""Why accurate models have blank Grad-CAM maps, measured: one command, tables and figures.

    python benchmarks/blank.py DATA WEIGHTS OUT                     # the frozen mobilenetv2_100 trunk: some 5 minutes
    python benchmarks/blank.py DATA WEIGHTS OUT --splits splits.csv --model RUN/models/mobilenetv2_100

1. `training`: a linear head on the frozen trunk (features computed once), caught each time its median confidence on
   held-out scans passes a mark. At each state: the share of blank maps at every layer, with the notebook recipe
   (gradient of the softmax score) and with Grad-CAM of the logit.
2. `models`: the same for models that were trained elsewhere.
3. `contribution`: what each layer contributes to the predicted class, measured by replacing its output, beside the
   energy of its map; of the surest state and of the first of the models.

OUT gets one CSV a table, blank.json and the figures. Scans are drawn by the seed, one of each group of
near-duplicates; those explained were not learned from.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import blank_figures
import numpy as np
import torch
from torch import nn

import whyscan
from whyscan.data.catalogue import open_catalogue
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow, read_splits
from whyscan.explain.cams.blankness import MapSeen, look_at_maps, tabulate, write_table
from whyscan.explain.cams.contribution import Contribution, layer_contributions
from whyscan.models import backbones, process
from whyscan.models.classifier import Classifier, Network
from whyscan.records import files
from whyscan.training.anatomy import anatomy
from whyscan.training.features import trunk_features
from whyscan.training.pixels import entries_of, open_pixels

MARKS = (0.6, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999)
"""Median confidences at which the training is caught."""
STEP, MOST_STEPS = 0.01, 20_000
TABLES: Mapping[str, Sequence[str]] = {
    "layers": ("model", "recipe", "layer", "predicted"),
    "classes": ("model", "recipe", "target", "predicted", "right"),
    "confidence": ("recipe", "confidence", "predicted"),
    "layer-confidence": ("recipe", "layer", "confidence", "predicted"),
}
EVERYTHING = ("model", "recipe", "layer", "target", "predicted", "right")
"""Of blank-maps.csv, which the page links to."""


def main() -> None:
    options = _options()
    process.keep_allocations()
    catalogue, rows = open_catalogue(options.data), _splits(options)
    draw = np.random.default_rng(options.seed)
    held = _draw(rows, "validation", options.scans, draw)
    learn = _draw(rows, "train", options.train, draw)
    entries = entries_of(catalogue, rows)
    scans = [read_entry(replace(entries[row.content], mask=None)) for row in held]
    references = [read_entry(replace(entries[row.content], mask=None)) for row in _draw(learn, "train", 48, draw)]
    trunk = backbones.build(options.backbone, options.weights, sorted({row.label for row in rows}))
    pixels = open_pixels(catalogue, [*learn, *held], trunk.input_size, trunk.fit, options.out / "cache", progress=say)
    features = {
        part: trunk_features(
            anatomy(trunk.network, trunk.input_size),
            pixels,
            [row.content for row in each],
            options.out / "cache",
            bfloat16=False,
            progress=say,
        )
        for part, each in (("learn", learn), ("held", held))
    }
    states = dict(_states(trunk, features, [row.label for row in learn]))
    models = {path.name: whyscan.load(path) for path in options.model}
    seen = {
        part: look_at_maps(named, scans, targets=options.targets, progress=say)
        for part, named in (("training", states), ("models", models))
    }
    surest = list(states)[-1]
    judged = {surest: states[surest], **dict(list(models.items())[:1])}
    contributions = {
        name: layer_contributions(each, scans[:: options.every], references, targets="predicted", progress=say)
        for name, each in judged.items()
    }
    _write(options.out, seen, contributions, {name: _about(each, scans) for name, each in {**states, **models}.items()})
    blank_figures.draw(options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a data set, as `whyscan audit` takes it")
    parser.add_argument("weights", help="the trunk's ImageNet weights, a .safetensors file, or 'imagenet'")
    parser.add_argument("out", type=Path)
    parser.add_argument("--splits", type=Path, help="splits.csv of an audit; without it the data set is audited first")
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--model", type=Path, action="append", default=[], help="the folder of a trained model; again")
    parser.add_argument("--targets", choices=("predicted", "all"), default="predicted", help="classes asked about")
    parser.add_argument("--scans", type=int, default=40, help="held-out scans that are explained")
    parser.add_argument("--every", type=int, default=2, help="of those, every so many-th has its layers replaced")
    parser.add_argument("--train", type=int, default=1200, help="scans that the head learns from")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _splits(options: argparse.Namespace) -> tuple[SplitRow, ...]:
    if options.splits is None:
        run = options.out / "audit"
        whyscan.audit(options.data, run, seed=options.seed, resume=run.exists(), progress=say)
        options.splits = run / "splits.csv"
    return read_splits(options.splits)


def _draw(rows: Sequence[SplitRow], split: str, count: int, rng: np.random.Generator) -> list[SplitRow]:
    """So many scans of a split, the classes equally often and at most one of each group of near-duplicates."""
    firsts = {row.group: row for row in rows if row.split == split}
    labels = sorted({row.label for row in firsts.values()})
    picked = []
    for label in labels:
        mine = [row for row in firsts.values() if row.label == label]
        order = rng.permutation(len(mine))[: count // len(labels)]
        picked += [mine[i] for i in order]
    return picked


def _states(
    trunk: Classifier, features: Mapping[str, np.ndarray], labels: Sequence[str]
) -> Iterator[tuple[str, Classifier]]:
    """Plain cross-entropy, nothing that holds the logits back; the state at each mark of confidence.

    Gradient descent from 0 in steps of one length, on standardised features. It keeps the sum of the classes' weights
    at 0, which softmax would not notice but a single class's logit would.
    """
    mean, scale = features["learn"].mean(0), features["learn"].std(0) + 1e-3
    inputs = {part: torch.from_numpy((each - mean) / scale).double() for part, each in features.items()}
    truth = torch.tensor([trunk.classes.index(label) for label in labels])
    head = nn.Linear(len(mean), len(trunk.classes), dtype=torch.float64)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    marks = list(MARKS)
    for step in range(MOST_STEPS):
        with torch.no_grad():
            best = head(inputs["held"]).softmax(1).amax(1).median().item()
        if best >= marks[0]:
            marks = [mark for mark in marks if mark > best]
            yield f"step {step}", replace(trunk, name=f"step {step}", network=_network(trunk, head, mean, scale))
        if not marks:
            return
        loss = nn.functional.cross_entropy(head(inputs["learn"]), truth)
        slopes = torch.autograd.grad(loss, list(head.parameters()))
        norm = torch.stack([slope.norm() for slope in slopes]).norm()
        with torch.no_grad():
            for parameter, slope in zip(head.parameters(), slopes, strict=True):
                parameter -= STEP / norm * slope


def _network(trunk: Classifier, head: nn.Linear, mean: np.ndarray, scale: np.ndarray) -> Network:
    """The trunk, shared by all states, and a copy of the head that takes features as they are."""
    assert isinstance(trunk.network, Network)
    own = nn.Linear(head.in_features, head.out_features)
    with torch.no_grad():
        own.weight.copy_(head.weight / torch.from_numpy(scale))
        own.bias.copy_(head.bias - (head.weight / torch.from_numpy(scale)) @ torch.from_numpy(mean).double())
    normalise = (each.flatten().tolist() for each in (trunk.network.mean, trunk.network.std))
    return Network(trunk.network.trunk, own, *normalise).eval()


def _about(classifier: Classifier, scans: Sequence[Scan]) -> dict[str, float]:
    logits = classifier.logits(scans).astype(float)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    order = np.sort(p, 1)
    right = [classifier.classes[best] == scan.label for best, scan in zip(logits.argmax(1), scans, strict=True)]
    return {
        "scans": len(scans),
        "accuracy": float(np.mean(right)),
        "median_doubt": float(np.median(order[:, :-1].sum(1))),
        "layers": len(classifier.layers),
    }


def _write(
    out: Path,
    seen: Mapping[str, Sequence[MapSeen]],
    contributions: Mapping[str, Sequence[Contribution]],
    models: Mapping[str, Mapping[str, float]],
) -> None:
    for part, maps in seen.items():
        for name, by in TABLES.items():
            if maps:
                write_table(out / f"{part}-{name}.csv", tabulate(maps, by))
    write_table(out / "blank-maps.csv", tabulate([each for maps in seen.values() for each in maps], EVERYTHING))
    for name, rows in contributions.items():
        columns = ["layer", "target", "scan", "predicted", "change", "energy", "share", "diagnosis"]
        rounded = [{key: value for key, value in asdict(row).items() if key in columns} for row in rows]
        files.write_rows(out / f"contribution-{name.replace(' ', '-')}.csv", rounded, columns)
    files.write_json(out / "blank.json", {"models": models, "contributions": list(contributions)})


def say(what: str, done: int, of: int) -> None:
    if done == of:
        print(f"{what}: {of}", flush=True)


if __name__ == "__main__":
    main()
