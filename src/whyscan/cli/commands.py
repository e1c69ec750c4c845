"""The commands: each reads its options, calls one function of the public API, and says what came out.

The API is imported inside each command: `whyscan --help` answers at once, without loading torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whyscan.cli import console
from whyscan.errors import BadInput

if TYPE_CHECKING:
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
Batch = Annotated[list[str] | None, typer.Option("--batch", help="Scans a training step, or NAME=N.")]


def audit(data: Data, out: Out, seed: Seed = 0, resume: Resume = False, json: Json = False) -> None:
    """Find leaks, duplicates, label conflicts and shortcut cues; write a clean split."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        found = api.audit(data, out, seed=seed, resume=resume, progress=progress)
    if json:
        console.say_json(found)
        return
    console.say(*(f"{finding['level']:>4}  {finding['text']}" for finding in found["findings"]))
    console.say("", f"audit:  {out / 'audit' / 'audit.json'}", f"splits: {out / 'splits.csv'}")


def train(
    data: Data,
    out: Out,
    backbone: Backbone = None,
    weights: Weights = None,
    recipe: Recipe = None,
    epochs: Epochs = None,
    input_size: InputSize = None,
    unfreeze: Unfreeze = None,
    batch: Batch = None,
    seed: RunSeed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train backbones on the audit's split; curves, checkpoints and predictions go into the run folder."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        _own_process()
        seed = _run_seed(out, seed)
        chosen = _plans(backbone, weights, recipe, epochs, input_size, unfreeze, batch, seed)
        run = api.train(data, out, chosen, seed=seed, resume=resume, progress=progress)
        models = {name: run.model(name) for name in run.models()}
    if json:
        console.say_json({"run": str(out), "models": models})
        return
    for name in models:
        last = (run.curves(name) or [{}])[-1]
        console.say(f"{name}: validation accuracy {last.get('validation_accuracy', 'unknown')} in its last epoch")
    console.say("", f"models: {out / 'models'}", f"next:   whyscan compare {out}")


def compare(run: RunFolder, seed: Seed = 0, json: Json = False) -> None:
    """Score all models of a run with intervals, test their differences, name the best and the weak one."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        comparison = api.compare(run, seed=seed, progress=progress)
    if json:
        console.say_json(comparison)
        return
    console.say(*comparison["text"], "", f"comparison: {run / 'compare' / 'compare.json'}")


def explain(
    model: Annotated[Path, typer.Argument(help="A model folder of a run.")],
    scans: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option("--out", help="A folder for one NPZ and one PNG per scan and method.")],
    method: Annotated[
        list[str] | None, typer.Option("--method", help="gradcam, lime, shap, ...: see `whyscan methods`; repeatable.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="all, last, final, or a layer's name; by default the method's own.")
    ] = None,
    targets: Annotated[
        str, typer.Option("--targets", help="all, predicted, true, a class, or a contrast A-B.")
    ] = "all",
    label: Annotated[str | None, typer.Option("--label", help="The scans' true class, if known.")] = None,
    samples: Annotated[
        str | None, typer.Option("--samples", help="Evaluations that LIME and SHAP share (300), or auto.")
    ] = None,
    score: Annotated[str | None, typer.Option("--score", help="logit or probability.")] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", help="What hides a part: mean, blur, noise, inpaint, or 0 to 1.")
    ] = None,
    superpixels: Annotated[
        str | None, typer.Option("--superpixels", help="slic, quickshift, felzenszwalb or grid, with :COUNT if wanted.")
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Grad-CAM: logit or softmax-guided.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="fast or float32.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting of a method; repeatable.")
    ] = None,
    consensus: Annotated[bool, typer.Option("--consensus", help="Also what the methods agree on.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Explain scans by any method, at one or every layer, for every class."""
    with console.exits(json), console.bars() as progress:
        from whyscan.study.options import parse
        from whyscan.study.single import explain_files

        given = {
            "samples": samples, "score": score, "fill": fill, "superpixels": superpixels, "recipe": recipe,
            "engine": engine,
        }  # fmt: skip
        options = parse({name: text for name, text in given.items() if text is not None}, setting or ())
        _own_process()
        written = explain_files(
            model, scans, out, tuple(method or ("gradcam",)), layers=layers, targets=targets, label=label,
            options=options, agree=consensus, seed=seed, progress=progress,
        )  # fmt: skip
    if json:
        console.say_json(written)
    else:
        for entry in written["scans"]:
            console.say(
                f"{entry['source']}: {entry['predicted']} ({entry['probability']:.3f})",
                *(f"  {f}" for f in entry["files"]),
            )
        for entry in written["failed"]:
            console.say(f"{entry['source']}: {entry['error']}")
    if written["failed"]:
        raise SystemExit(1)


def methods(json: Json = False) -> None:
    """List the methods of explanation, what each needs, and its settings."""
    with console.exits(json):
        from whyscan.explain.methods import describe

        table = describe()
    if json:
        console.say_json({"methods": table})
        return
    for row in table:
        needs = "the network" if row["white_box"] else "answers only"
        settings = ", ".join(f"{name}={value}" for name, value in row["settings"].items())
        console.say(
            f"{row['name']}: {row['title']} ({needs}{', any layer' if row['layered'] else ''})", f"  {settings}"
        )


def report(run: RunFolder, json: Json = False) -> None:
    """Write a run's report.html from its saved records: no model, no data, no network."""
    with console.exits(json):
        from whyscan import api

        path = api.report(run)
    console.say_json({"report": str(path)}) if json else console.say(str(path))


def study(
    data: Data,
    out: Out,
    backbone: Backbone = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="NAME=FOLDER of a model that exists; instead of training.")
    ] = None,
    weights: Weights = None,
    recipe: Recipe = None,
    epochs: Epochs = None,
    input_size: InputSize = None,
    unfreeze: Unfreeze = None,
    batch: Batch = None,
    per_case: Annotated[int, typer.Option("--per-case", help="Gallery scans per class and case.")] = 1,
    samples: Annotated[int, typer.Option("--samples", help="Evaluations that LIME and SHAP share, a scan.")] = 300,
    seed: RunSeed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """The whole job: audit, train (or take --model), compare, explain, report."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        _own_process()
        seed = _run_seed(out, seed)
        models = _models(model)
        if models and backbone:
            raise BadInput("both --backbone and --model", "one of them", "train in one run, compare models in another")
        chosen = () if models else _plans(backbone, weights, recipe, epochs, input_size, unfreeze, batch, seed)
        settings = api.StudySettings(seed=seed, per_case=per_case, evaluations=samples)
        run = api.study(data, out, chosen=chosen, models=models, settings=settings, resume=resume, progress=progress)
        comparison = run.comparison()
    _say_study(run.report_path, comparison, json)


def demo(
    out: Annotated[Path, typer.Option("--out", help="The run folder to write.")] = Path("runs/demo"),
    seed: Seed = 0,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """A whole study on head phantoms made on the spot, with known truth and a planted shortcut."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        _own_process()
        run = api.demo(out, seed=seed, resume=resume, progress=progress)
        comparison = run.comparison()
    _say_study(run.report_path, comparison, json)


COMMANDS = (audit, train, compare, explain, methods, report, study, demo)


def _own_process() -> None:
    """The command owns its process, so it may set the allocator for the whole of it."""
    from whyscan.models import process

    process.keep_allocations()


def _run_seed(out: Path, seed: int | None) -> int:
    """One seed for all of a run, so that `train` and `study` do not split anew what `audit --seed 3` has split."""
    from whyscan.records.run import Run
    from whyscan.study.workspace import split_seed

    return split_seed(Run(out), seed)


def _say_study(report: Path, comparison: Any, json: bool) -> None:
    if json:
        console.say_json({"report": str(report), "comparison": comparison})
        return
    console.say(*comparison["text"], "", f"report: {report}")


def _plans(
    backbone: list[str] | None,
    weights: str | None,
    recipe: list[str] | None,
    epochs: list[str] | None,
    input_size: list[str] | None,
    unfreeze: list[str] | None,
    batch: list[str] | None,
    seed: int,
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
    return plans(backbone or [], TrainSettings(seed=seed, **common), weights=weights, overrides=overrides)


def _models(given: list[str] | None) -> dict[str, Any]:
    from whyscan import api

    models = {}
    for text in given or []:
        name, equals, path = text.partition("=")
        if not equals or not name or name in models:
            raise BadInput(
                f"--model {text}", "NAME=FOLDER, each name once", "write --model best=runs/a/models/xception"
            )
        models[name] = api.load(path)
    return models
