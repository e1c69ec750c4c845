"""Options that several commands share, and the readers of those that say one thing for each model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whyscan.errors import BadInput

if TYPE_CHECKING:
    from whyscan.study.given import Given
    from whyscan.study.settings import Plan

Data = Annotated[Path, typer.Argument(help="A folder per class (with or without train/test folders), or a CSV.")]
RunFolder = Annotated[Path, typer.Argument(help="The --out folder of a study.")]
Out = Annotated[Path, typer.Option("--out", help="The run folder to write.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same splits, weights and samples.")]
RunSeed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Same seed, same splits, weights and samples; by default the audit's, or 0."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in a run folder that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Backbone = Annotated[
    list[str] | None, typer.Option("--backbone", help="NAME or NAME=imagenet|none|FILE.safetensors; repeatable.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="imagenet, none or a file: for backbones that name none.")
]
Recipe = Annotated[
    list[str] | None, typer.Option("--recipe", help="frozen or finetune, or NAME=frozen for one backbone.")
]
Epochs = Annotated[list[str] | None, typer.Option("--epochs", help="N, or NAME=N for one backbone.")]
InputSize = Annotated[
    list[str] | None, typer.Option("--input-size", help="Pixels a side (the backbone's own if left out), or NAME=N.")
]
Unfreeze = Annotated[
    list[str] | None, typer.Option("--unfreeze", help="all or last-N blocks of the trunk (finetune), or NAME=last-N.")
]
Objects = Annotated[
    list[str] | None, typer.Option("--object", help="DICOM: map, capture, seg, report; repeatable, all by default.")
]
Threshold = Annotated[
    str, typer.Option("--threshold", help="DICOM segmentation: max:SHARE of the largest value, or top:SHARE of pixels.")
]
Batch = Annotated[list[str] | None, typer.Option("--batch", help="Scans a training step, or NAME=N.")]
Classes = Annotated[
    list[str] | None,
    typer.Option("--classes", help="A given model's classes: a file, or A,B,C in the order of its scores; or NAME=..."),
]
Preprocess = Annotated[
    list[str] | None, typer.Option("--preprocess", help="How a given model's pixels are scaled: /255, imagenet, ...")
]
FitOption = Annotated[
    list[str] | None, typer.Option("--fit", help="How scans come to a given model's size: stretch or pad.")
]
GivenSize = Annotated[list[str] | None, typer.Option("--input-size", help="A given model's pixels a side, or NAME=N.")]
ModelBackbone = Annotated[
    list[str] | None,
    typer.Option("--model-backbone", help="Which network a given state dict is for, or NAME=resnet18."),
]
Answers = Annotated[
    list[str] | None, typer.Option("--scores", help="What a given model answers: logit or probability; or NAME=logit.")
]
Protocol = Annotated[str | None, typer.Option("--protocol", help="What a service speaks: npy or tf-serving.")]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header-from-env", help="HEADER=VARIABLE: a service's key, from the environment; repeatable."),
]

OneClasses = Annotated[str | None, typer.Option("--classes", help="A,B,... or a file of class names.")]
OneSize = Annotated[int | None, typer.Option("--input-size", min=1, help="Pixels a side.")]
OneScaling = Annotated[str, typer.Option("--preprocess", help="auto, /255, x/127.5-1, imagenet, caffe or 0..255.")]
OneFit = Annotated[str, typer.Option("--fit", help="stretch or pad: how scans come to that size.")]
OneAnswer = Annotated[str, typer.Option("--scores", help="What the model answers: auto, logit or probability.")]
OneBackbone = Annotated[str | None, typer.Option("--backbone", help="Which network a state dict is for.")]


def own_process() -> None:
    """The command owns its process, so it may set the allocator for the whole of it."""
    from whyscan.models import process

    process.keep_allocations()


def run_seed(out: Path, seed: int | None) -> int:
    """One seed for all of a run, so that `train` and `study` do not split anew what `audit --seed 3` has split."""
    from whyscan.records.run import Run
    from whyscan.study.workspace import split_seed

    return split_seed(Run(out), seed)


def plans_of(
    backbone: list[str] | None,
    weights: str | None,
    recipe: list[str] | None,
    epochs: list[str] | None,
    input_size: list[str] | None,
    unfreeze: list[str] | None,
    batch: list[str] | None,
    seed: int,
    further: dict[str, Given] | None = None,
) -> tuple[Plan, ...]:
    from whyscan.study.settings import per_name, plans
    from whyscan.training.settings import TrainSettings

    options = {
        "recipe": per_name(recipe or [], "--recipe"),
        "epochs": per_name(epochs or [], "--epochs", int),
        "input_size": per_name(input_size or [], "--input-size", int),
        "unfreeze": per_name(unfreeze or [], "--unfreeze"),
        "batch": per_name(batch or [], "--batch", int),
    }
    common = {option: value for option, (value, _) in options.items() if value is not None}
    overrides: dict[str, dict[str, Any]] = {}
    for option, (_, named) in options.items():
        for name, value in named.items():
            overrides.setdefault(name, {})[option] = value
    base = TrainSettings(seed=seed, **common)
    return plans(backbone or [], base, weights=weights, overrides=overrides, further=further)


def sizes_of(
    sizes: list[str] | None, backbone: list[str] | None, further: list[str] | None
) -> tuple[list[str], list[str]]:
    """Input sizes of the backbones, and those of models that are trained further; one for all is the backbones'."""
    fresh = [each.partition("=")[0] for each in backbone or ()]
    ours = [
        size for size in sizes or () if not further or (size.partition("=")[0] in fresh if "=" in size else bool(fresh))
    ]
    return ours, [size for size in sizes or () if size not in ours]


def given_of(
    models: list[str] | None, option: str, told: dict[str, list[str] | None], *, named: bool = True
) -> dict[str, Given]:
    from whyscan.study.given import option_of, read_given

    if not models and (idle := [key for key, texts in told.items() if texts and key != "input_size"]):
        raise BadInput(
            f"{option_of(idle[0])} without {option}", "options of a model that is given", f"add {option} best=best.h5"
        )
    return read_given(models or (), option, named=named, **{key: value or () for key, value in told.items()})


def headers_of(texts: list[str] | None) -> dict[str, str] | None:
    from whyscan.study.given import read_headers

    return read_headers(texts) if texts else None
