"""TrainSettings: every option of a training, checked once."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from whyscan.errors import BadInput
from whyscan.models.compiled import has_bfloat16
from whyscan.records.geometry import Fit

Recipe = Literal["finetune", "frozen"]
Precision = Literal["auto", "bfloat16", "float32"]
Head = Literal["linear", "dense256"]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What a training is asked to do. Impossible values are refused here, before anything is read.

    Attributes:
        recipe: "frozen" trains a Dense-256 head on features that are computed once; "finetune" trains a linear
            head that way for `head_epochs`, then the trunk with it.
        epochs: passes over the training scans: of the head ("frozen") or of the trunk ("finetune").
        head_epochs: passes of the head before the trunk follows ("finetune" only); 0 leaves that phase out. None is
            4, or 0 for a trunk of random weights, whose features are not worth a head.
        seed: fixes the head's first weights, the order of the scans, augmentation and dropout.
        batch: scans a step.
        head_learning_rate, trunk_learning_rate: AdamW's peak rates while the trunk rests, and while it learns
            (the head then learns at twice the trunk's rate).
        weight_decay: AdamW's, on weights only: not on biases and normalisation.
        label_smoothing: share of the target that is spread over all classes.
        class_weights: weigh each class by its inverse frequency in the loss.
        warmup: share of a phase's steps in which the rate climbs to its peak.
        cosine: let the rate fall to 1 % along a half cosine afterwards; otherwise it stays.
        patience: stop a phase after so many epochs without a better validation; None never does.
        clip: the largest norm of the gradient, or None.
        unfreeze: "all", or "last-N": only the last N blocks of the trunk learn.
        input_size: side of the square input in pixels; None is the backbone's own.
        fit: how scans are brought to the input's shape.
        precision: of the network's arithmetic while training; "auto" is bfloat16 where the processor has it.
        augment: flip, turn, scale, shift, brighten and sharpen the contrast at random while the trunk learns.
        weak_target: beside the best state keep one that is clearly below it, of the validation accuracy nearest to
            this; None keeps none.
    """

    recipe: Recipe = "finetune"
    epochs: int = 12
    head_epochs: int | None = None
    seed: int = 0
    batch: int = 32
    head_learning_rate: float = 1e-3
    trunk_learning_rate: float = 5e-4
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    class_weights: bool = True
    warmup: float = 0.1
    cosine: bool = True
    patience: int | None = 6
    clip: float | None = 2.0
    unfreeze: str = "all"
    input_size: int | None = None
    fit: Fit = "stretch"
    precision: Precision = "auto"
    augment: bool = True
    weak_target: float | None = 0.80

    def __post_init__(self) -> None:
        _one_of("recipe", self.recipe, ("finetune", "frozen"))
        _one_of("fit", self.fit, ("stretch", "pad"))
        _one_of("precision", self.precision, ("auto", "bfloat16", "float32"))
        for name, low in (("epochs", 1), ("seed", 0), ("batch", 2)):
            _whole(name, getattr(self, name), low)
        for name, low in (("head_epochs", 0), ("patience", 1), ("input_size", 8)):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), low)
        _within("head_learning_rate", self.head_learning_rate, 0, 10, open_below=True)
        _within("trunk_learning_rate", self.trunk_learning_rate, 0, 10, open_below=True)
        _within("weight_decay", self.weight_decay, 0, 10)
        _within("label_smoothing", self.label_smoothing, 0, 0.99)
        _within("warmup", self.warmup, 0, 1)
        if self.clip is not None:
            _within("clip", self.clip, 0, 1e6, open_below=True)
        if self.weak_target is not None:
            _within("weak_target", self.weak_target, 0, 1)
        if not re.fullmatch(r"all|last-[1-9][0-9]*", str(self.unfreeze)):
            raise BadInput(f"unfreeze = {self.unfreeze!r}", "'all' or 'last-N'", "write for instance last-3")

    @property
    def head(self) -> Head:
        """The classifier's head that goes with the recipe."""
        return "dense256" if self.recipe == "frozen" else "linear"

    @property
    def unfrozen_blocks(self) -> int | None:
        """How many of the trunk's last blocks learn; None is all."""
        return None if self.unfreeze == "all" else int(self.unfreeze.removeprefix("last-"))

    @property
    def bfloat16(self) -> bool:
        """Whether the network computes in bfloat16 under autocast."""
        return native_bfloat16() if self.precision == "auto" else self.precision == "bfloat16"

    def describe(self) -> dict[str, Any]:
        """For model.json, and to tell whether two trainings are the same."""
        return asdict(self)


def native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; emulation would be slower than float32."""
    return has_bfloat16(torch.device("cpu"))


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f"{name} = {value!r}", f"one of {', '.join(known)}", "use one of these")


def _whole(name: str, value: object, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise BadInput(f"{name} = {value!r}", f"a whole number from {low} up", "change it")


def _within(name: str, value: object, low: float, high: float, *, open_below: bool = False) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or (open_below and value == low):
        interval = f"{'above' if open_below else 'from'} {low} up to {high}"
        raise BadInput(f"{name} = {value!r}", f"a number {interval}", "change it")
