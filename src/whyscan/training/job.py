"""One training with everything resolved, and what makes two of them the same."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadModel, BadRun
from whyscan.models import checkpoint, stored, weights
from whyscan.models.classifier import Classifier, Network
from whyscan.progress import Progress
from whyscan.training.anatomy import anatomy, trunk_digest
from whyscan.training.evaluate import JUDGED
from whyscan.training.fit import Part
from whyscan.training.parts import digest
from whyscan.training.settings import TrainSettings

WEAK = "-weak"
"""What a weak model's name has more than that of the model it was kept beside."""


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One call of `train` or `train_further`.

    Attributes:
        start: what the training begins with; it stays as it came.
        train, held: the training and the validation scans.
        about: what must be the same for a training to go on; it becomes `training` in model.json.
        weak: the folder of the weak model.
        judged: the splits that the finished models are judged on.
    """

    catalogue: Catalogue
    rows: Sequence[SplitRow]
    settings: TrainSettings
    folder: Path
    cache: Path
    start: Classifier
    train: Part
    held: Part
    about: Mapping[str, Any]
    progress: Progress
    weak: Path
    judged: tuple[str, ...] = JUDGED


def job_of(
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    start: Classifier,
    settings: TrainSettings,
    folder: Path,
    cache: Path,
    progress: Progress,
    *,
    earlier: Mapping[str, Any] | None = None,
    weak: Path | None = None,
    judged: tuple[str, ...] = JUDGED,
) -> Job:
    """Make a job.

    Args:
        earlier: what the start's weights are, where it has learned before.
        weak: where the weak model goes; beside `folder` by default.
        judged: the splits that the finished models are judged on.
    """
    parts = _part(rows, start.classes, "train"), _part(rows, start.classes, "validation")
    about = _about(settings, start, parts) | ({"from": dict(earlier)} if earlier else {})
    weak = weak or folder.with_name(folder.name + WEAK)
    return Job(catalogue, rows, settings, folder, cache, start, *parts, about, progress, weak, judged)


def resolved(settings: TrainSettings, head_epochs: int) -> TrainSettings:
    """The settings with the head's epochs filled in where they were left open."""
    if settings.recipe == "frozen":
        return dataclasses.replace(settings, head_epochs=0)
    if settings.head_epochs is None:
        return dataclasses.replace(settings, head_epochs=head_epochs)
    return settings


def earlier(model: Classifier) -> dict[str, Any]:
    """What a model was before it is trained further: its hash, and digests of the data of every earlier training.

    A digest is None for a training of which nothing is known: that of a model that was not made here.
    """
    training = model.about.get("training") or {}
    before = list((training.get("from") or {}).get("data", ()))
    source = stored.source_of(model)
    unknown = source is not None and not source.trained
    data = [None] if unknown or not training.get("data") else [*before, training["data"]]
    return {"name": model.name, "hash": model.hash, "data": data}


def check_trainable(model: Classifier, classes: Sequence[str]) -> None:
    """Raises BadModel where a model cannot learn, and BadData where its classes are not the data's."""
    if not model.white_box or not any(True for _ in model.network.parameters()):
        raise BadModel(f"{model.name} only answers: there is nothing in it to train", "a network", "train a backbone")
    if not checkpoint.can_save(model):
        raise BadModel(
            f"{model.name} is only in memory, so that what it learns could not be kept",
            "a model folder or a model file",
            "save it to a file that whyscan opens, and give that",
        )
    if set(model.classes) != set(classes):
        raise BadData(
            f"{model.name} knows {', '.join(model.classes)}",
            f"the data's classes {', '.join(classes)}",
            "training further keeps a model's head; for other classes train a backbone on its weights: "
            "--backbone NAME=FILE.safetensors",
        )


def check_split(catalogue: Catalogue, rows: Sequence[SplitRow]) -> None:
    """Raises BadData where a split has an unknown label, no validation scans, or a class without training scans."""
    for split in ("train", "validation"):
        own = [row for row in rows if row.split == split]
        unknown = sorted({row.label for row in own} - set(catalogue.classes))
        if unknown:
            raise BadData(
                f"label {unknown[0]!r} in the split", f"one of {', '.join(catalogue.classes)}", "run the audit again"
            )
        if not own:
            raise BadData(f"no scan in the {split} split", "at least one of every class", "add scans, or audit again")
        counts = Counter(row.label for row in own)
        if split == "train" and (missing := [label for label in catalogue.classes if not counts[label]]):
            raise BadData(
                f"no training scan of {', '.join(missing)}", "some of every class", "add scans, or audit again"
            )


def check_same(folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises BadRun where a folder's training is not this one."""
    other = [key for key in ours if theirs.get(key) != ours[key]]
    if other:
        texts = [f"{key} {theirs.get(key)!s:.40} there, {ours[key]!s:.40} here" for key in other]
        raise BadRun(
            f"{folder} holds a training that differs: {'; '.join(texts)}",
            "the settings, data and weights that it was begun with",
            "resume with those, or choose another --out",
        )


def _part(rows: Sequence[SplitRow], classes: Sequence[str], split: str) -> Part:
    own = [row for row in rows if row.split == split]
    labels = torch.tensor([classes.index(row.label) for row in own])
    return Part(tuple(row.content for row in own), labels)


def _about(settings: TrainSettings, start: Classifier, parts: Sequence[Part]) -> dict[str, Any]:
    network = start.network
    if isinstance(network, Network) and all(key in start.about for key in checkpoint.BUILT):
        trunk = weights.digest(network.trunk)
    else:
        trunk = trunk_digest(anatomy(network, start.input_size))
    return {
        **settings.describe(),
        "classes": list(start.classes),
        "backbone": start.about.get("backbone"),
        "input": list(start.input_size),
        "trunk": trunk,
        "data": digest(zip(part.contents, part.labels.tolist(), strict=True) for part in parts),
        "train_images": len(parts[0].contents),
        "validation_images": len(parts[1].contents),
        "arithmetic": "bfloat16 autocast, channels-last" if settings.bfloat16 else "float32, channels-last",
    }
