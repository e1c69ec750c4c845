"""What a study is asked to do, in one place that is written into its run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whyscan.errors import BadInput
from whyscan.records import files
from whyscan.study.given import Given
from whyscan.training.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """One model to train.

    Attributes:
        name: what the model is called in the run; the backbone's name, without what a hub puts before it.
        backbone: a name of `models.backbones`, any timm name, or "hf-hub:owner/name".
        weights: "imagenet", "none" or a safetensors file.
        settings: how it is trained.
        model: a model that is trained further; `backbone` and `weights` are empty then.
    """

    name: str
    backbone: str
    weights: str
    settings: TrainSettings
    model: Given | None = None

    def describe(self) -> dict[str, Any]:
        """For run.json; a file goes by its name and content, not by where it lay."""
        if self.model is not None:
            return {**self.model.describe(), **self.settings.describe()}
        if self.weights in ("imagenet", "none"):
            return {"backbone": self.backbone, "weights": self.weights, **self.settings.describe()}
        path = Path(self.weights)
        digest = files.sha256(path) if path.is_file() else None  # one that is missing is refused when it is read
        return {
            "backbone": self.backbone,
            "weights": path.name,
            "weights_sha256": digest,
            **self.settings.describe(),
        }


@dataclass(frozen=True, slots=True)
class StudySettings:
    """How much is explained, and of what.

    Attributes:
        seed: of the splits, the gallery's sampling and the perturbations.
        per_case: scans in the gallery per class and case (both models right, one of them, neither).
        evaluations: perturbed scans that LIME and SHAP share, per scan and model.
        located: how many held-out scans with a known lesion Grad-CAM's energy is measured on.
    """

    seed: int = 0
    per_case: int = 1
    evaluations: int = 300
    located: int = 200

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name, least in (("per_case", 1), ("evaluations", 50), ("located", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} = {getattr(self, name)}", f"{least} or more", f"raise {name}")


def check_seed(seed: int) -> None:
    """Raises BadInput where NumPy could not be seeded with it."""
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise BadInput(f"seed = {seed!r}", "a whole number from 0 up", "choose such a number")


def plans(
    backbones: Sequence[str],
    base: TrainSettings,
    *,
    weights: str | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    further: Mapping[str, Given] | None = None,
) -> tuple[Plan, ...]:
    """Read "NAME" and "NAME=WEIGHTS" into plans, and add those of models that are trained further.

    Args:
        backbones: each "mobilenetv2_100", "xception=none" or "mobilenetv2_100=trunk.safetensors".
        base: the training settings of all.
        weights: for the backbones that do not name their own; "imagenet" if this does not either.
        overrides: settings of single backbones and models: {"xception": {"epochs": 2}}.
        further: models that exist already, by the names that they shall have.

    Raises:
        BadInput: no backbone, one named twice, or an override of one that is not there.
    """
    if not backbones and not further:
        raise BadInput("no backbone", "at least one --backbone", "add --backbone mobilenetv2_100")
    made: list[Plan] = []
    for each in backbones:
        backbone, _, own = each.partition("=")
        name = re.sub(r"[^\w.-]", "-", re.split("[/:]", backbone)[-1])  # of "hf-hub:owner/name" what a folder can be
        settings = replace(base, **(overrides or {}).get(name, {}))
        made.append(Plan(name, backbone, own or weights or "imagenet", settings))
    for name, model in (further or {}).items():
        made.append(Plan(name, "", "", replace(base, **(overrides or {}).get(name, {})), model))
    names = [plan.name for plan in made]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{name} is named {names.count(name)} times", "each once", "train it in another run")
    for name in overrides or {}:
        if name not in names:
            raise BadInput(f"a setting for {name}", f"one of {', '.join(names)}", "name a backbone of this run")
    return tuple(made)


def per_name(values: Sequence[str], option: str, kind: type = str) -> tuple[Any | None, dict[str, Any]]:
    """Read a repeatable option: "8" is for all, "xception=2" for one.

    Returns:
        The value for all, or None, and the values by name.

    Raises:
        BadInput: a value that is not of `kind`, or two for the same.
    """
    common: Any | None = None
    named: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.rpartition("=")
        try:
            parsed = kind(value)
        except ValueError:
            raise BadInput(f"{option} {text}", f"{kind.__name__}, or NAME={kind.__name__}", "correct it") from None
        if (name in named) if equals else (common is not None):
            raise BadInput(f"{option} {text} comes twice", "one value for all and one per backbone", "drop one")
        if equals:
            named[name] = parsed
        else:
            common = parsed
    return common, named
