"""Mistaught: the same model taught shuffled labels, so that nothing it says about a scan can be knowledge.

Adebayo et al., "Sanity checks for saliency maps" (2018), section 4.2. They teach a whole network; that is only done
here where the trunk rested anyway, and its features are kept: then a head is a matter of seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.training.anatomy import Anatomy, anatomy
from whyscan.training.features import trunk_features
from whyscan.training.fit import head_phase
from whyscan.training.loop import generator, run_phase
from whyscan.training.parts import trained_here
from whyscan.training.pixels import open_pixels
from whyscan.training.settings import TrainSettings
from whyscan.training.state import State


def why_not(model: Classifier, rows: Sequence[SplitRow]) -> str:
    """Why a model cannot be taught shuffled labels in seconds; empty where it can.

    Args:
        rows: the split that it was trained on.
    """
    recipe = (model.about.get("training") or {}).get("recipe")
    if recipe is None:
        return "the model was not trained here, so it is not known how to teach it shuffled labels"
    if recipe != "frozen":
        return f"the model's recipe is {recipe}: teaching it shuffled labels would take a whole training"
    if trained_here(model.about, rows) is not True:
        return "the model was trained on other scans than this run's split"
    return ""


def mistaught(
    model: Classifier,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    cache: Path,
    *,
    seed: int,
    progress: Progress = quiet,
) -> tuple[Classifier, float]:
    """The model with a fresh head, taught by the model's own recipe on its own training scans, their labels shuffled.

    Every class keeps its number of scans. All epochs are run, and the last state is kept: there is nothing to select
    by. The model itself is not touched.

    Args:
        model: one that `why_not` has nothing against.
        rows: the split that it was trained on.
        cache: where its features lie.
        seed: of the new head and of the order of the labels.

    Returns:
        The other model, and the share of its training scans for which it says the shuffled label: what it could learn
        by heart.
    """
    trained = model.about["training"]
    settings = replace(
        TrainSettings(**{field.name: trained[field.name] for field in fields(TrainSettings)}),
        patience=None, weak_target=None, seed=seed,
    )  # fmt: skip
    network = copy.deepcopy(model.network)
    parts = anatomy(network, model.input_size)
    _forget(parts.head, seed)
    known = [row for row in rows if row.split != "excluded"]
    pixels = open_pixels(catalogue, known, model.input_size, model.fit, cache, progress=progress)

    def learned(split: str) -> tuple[np.ndarray, Tensor]:
        own = [row for row in rows if row.split == split]
        contents = [row.content for row in own]
        features = trunk_features(parts, pixels, contents, cache, bfloat16=settings.bfloat16, progress=progress)
        return features, torch.tensor([model.classes.index(row.label) for row in own])

    features, labels = learned("train")
    shuffled = labels[torch.randperm(len(labels), generator=generator(seed, len(labels)))]
    phase = head_phase("frozen", settings.epochs, parts, settings, (features, shuffled), learned("validation"))
    phase = replace(phase, checks=1)  # no weak state is looked for
    run_phase(phase, State({}), settings, title="shuffled labels", finished=lambda _: None, progress=progress)
    network.load_state_dict(phase.export(), strict=False)
    network.eval()
    said = _said(parts, features)
    return replace(model, network=network, hash="", about={}), float((said == shuffled).float().mean())


def _forget(head: nn.Module, seed: int) -> None:
    """Give a head its first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in head.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()


def _said(parts: Anatomy, features: np.ndarray) -> Tensor:
    with torch.inference_mode():
        scores: Tensor = parts.head(torch.from_numpy(features))
    # a head of one output z answers for two classes
    return (scores[:, 0] > 0).long() if parts.pair else scores.argmax(1)
