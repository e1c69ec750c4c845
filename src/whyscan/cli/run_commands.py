"""The commands of a study and its stages, each on a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whyscan.cli import console
from whyscan.cli.options import (
    Answers,
    Backbone,
    Batch,
    Classes,
    Data,
    Epochs,
    FitOption,
    InputSize,
    Json,
    ModelBackbone,
    Out,
    Preprocess,
    Recipe,
    Resume,
    RunFolder,
    RunSeed,
    Seed,
    Unfreeze,
    Weights,
    given_of,
    own_process,
    plans_of,
    run_seed,
    sizes_of,
)
from whyscan.errors import BadInput


def audit(data: Data, out: Out, seed: Seed = 0, resume: Resume = False, json: Json = False) -> None:
    """Find leaks, duplicates, label conflicts and shortcut cues; write a clean split."""
    with console.exits(json, console.RESUMES), console.bars() as progress:
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
    further: Annotated[
        list[str] | None,
        typer.Option("--from", help="A model's file or folder, or NAME=...: trained further; repeatable."),
    ] = None,
    classes: Classes = None,
    preprocess: Preprocess = None,
    fit: FitOption = None,
    model_backbone: ModelBackbone = None,
    scores: Answers = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Also K out-of-fold models of each backbone; 5 is usual.")
    ] = None,
    seed: RunSeed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train backbones, or models that exist, on the audit's split; everything goes into the run folder."""
    with console.exits(json, console.RESUMES), console.bars() as progress:
        from whyscan import api
        from whyscan.study.folds import accuracies

        own_process()
        seed = run_seed(out, seed)
        ours, theirs = sizes_of(input_size, backbone, further)
        told = {"classes": classes, "preprocess": preprocess, "fit": fit, "scores": scores}
        told |= {"model_backbone": model_backbone, "input_size": theirs}
        models = given_of(further, "--from", told, named=False)
        chosen = plans_of(backbone, weights, recipe, epochs, ours, unfreeze, batch, seed, models)
        run = api.train(data, out, chosen, folds=folds, seed=seed, resume=resume, progress=progress)
        trained = {name: run.model(name) for name in run.models()}
        judged = accuracies(run)
    if json:
        out_of_fold = {name: evidence.row() for name, evidence in judged.items()}
        console.say_json({"run": str(out), "models": trained, "out_of_fold": out_of_fold})
        return
    for name in trained:
        last = (run.curves(name) or [{}])[-1]
        console.say(f"{name}: validation accuracy {last.get('validation_accuracy', 'unknown')} in its last epoch")
    console.say(*(f"{name}: out-of-fold accuracy {evidence.text()}" for name, evidence in judged.items()))
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


def trust(
    run: RunFolder,
    data: Annotated[
        Path | None, typer.Option("--data", help="The run's data set; by default where it lay on this machine.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", help="Repeatable; by default those that found every planted reason, and familiar ones."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="Models of the run, the best first; by default best and weak. NAME=URL of a service."
        ),
    ] = None,
    scans: Annotated[int, typer.Option("--scans", min=1, help="How many scans are explained.")] = 200,
    layered: Annotated[int, typer.Option("--layered", min=0, help="On how many every layer is measured.")] = 60,
    faithful: Annotated[int, typer.Option("--faithful", min=0, help="On how many faithfulness is measured.")] = 40,
    sturdy: Annotated[int, typer.Option("--sturdy", min=0, help="On how many robustness and sanity are.")] = 6,
    wide: Annotated[
        int, typer.Option("--wide", min=0, help="How many, drawn from all alike, only swift methods explain.")
    ] = 500,
    samples: Annotated[
        str, typer.Option("--samples", help="Evaluations that LIME and SHAP share; auto: until they have settled.")
    ] = "300",
    masks: Annotated[int, typer.Option("--masks", min=50, help="Masked scans that RISE asks about.")] = 500,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of integrated gradients.")] = 64,
    engine: Annotated[str | None, typer.Option("--engine", help="For perturbed scans: fast or float32.")] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", help="What removed pixels show: tissue, blur or road; or each metric's own.")
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option("--checklist", help="claim, tripod-ai or future-ai; repeatable.")
    ] = None,
    attest: Annotated[
        Path | None, typer.Option("--attest", help="A person's statements, from trust/attest.template.json.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Judge the explanations: are they true, do they hold, do they mean what people think?"""
    with console.exits(json, console.AGAIN), console.bars() as progress:
        from whyscan import api
        from whyscan.study.lending import read_lent
        from whyscan.study.options import parse

        own_process()
        given: dict[str, Any] = {"methods": tuple(method)} if method else {}
        given |= {"engine": engine} if engine else {}
        given |= {"fill": fill} if fill else {}
        settings = api.TrustSettings(
            scans=scans, layered=layered, faithful=faithful, sturdy=sturdy, wide=wide, masks=masks, steps=steps,
            seed=seed, evaluations=parse({"samples": samples})["samples"], **given,
        )  # fmt: skip
        names, lent = read_lent(model or ())
        found = api.trust(
            run, data, settings, models=names, lent=lent, checklists=check or (), attest=attest, say=console.note,
            progress=progress,
        )  # fmt: skip
    if json:
        console.say_json(found)
        return
    console.say(found["headline"], "")
    for each in found["questions"]:
        told = each["sentence"].replace("\n", "\n   ")
        words = ", ".join(f"{half} {word}" for half, word in each["badges"]) or each["verdict"]
        console.say(f"{each['number']}. {each['question']}", f"   {words}: {each['short']}", f"   {told}")
    console.say("", f"table:  {run / 'trust' / 'table.csv'}", f"report: {run / 'report.html'}")
    if check:
        console.say(f"left for people to say: {run / 'trust' / 'attest.template.json'}")


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
        list[str] | None, typer.Option("--model", help="NAME=FILE, FOLDER, hub's name or URL; instead of training.")
    ] = None,
    weights: Weights = None,
    recipe: Recipe = None,
    epochs: Epochs = None,
    input_size: InputSize = None,
    unfreeze: Unfreeze = None,
    batch: Batch = None,
    classes: Classes = None,
    preprocess: Preprocess = None,
    fit: FitOption = None,
    model_backbone: ModelBackbone = None,
    scores: Answers = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option("--protocol", help="What a given service speaks: npy or tf-serving; or NAME=npy."),
    ] = None,
    header_from_env: Annotated[
        list[str] | None,
        typer.Option("--header-from-env", help="[NAME=]HEADER=VARIABLE: a given service's key, from the environment."),
    ] = None,
    per_case: Annotated[int, typer.Option("--per-case", help="Gallery scans per class and case.")] = 1,
    samples: Annotated[int, typer.Option("--samples", help="Evaluations that LIME and SHAP share, a scan.")] = 300,
    seed: RunSeed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """The whole job: audit, train (or take --model), compare, explain, report."""
    with console.exits(json, console.RESUMES), console.bars() as progress:
        from whyscan import api

        own_process()
        seed = run_seed(out, seed)
        told = {"classes": classes, "preprocess": preprocess, "fit": fit, "scores": scores, "protocol": protocol}
        told |= {"model_backbone": model_backbone, "headers_from_env": header_from_env}
        models = given_of(model, "--model", told | {"input_size": input_size if model else None})
        if models and backbone:
            raise BadInput("both --backbone and --model", "one of them", "train in one run, compare models in another")
        chosen = () if models else plans_of(backbone, weights, recipe, epochs, input_size, unfreeze, batch, seed)
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
    with console.exits(json, console.RESUMES), console.bars() as progress:
        from whyscan import api

        own_process()
        run = api.demo(out, seed=seed, resume=resume, progress=progress)
        comparison = run.comparison()
    _say_study(run.report_path, comparison, json)


def _say_study(report: Path, comparison: Any, json: bool) -> None:
    if json:
        console.say_json({"report": str(report), "comparison": comparison})
        return
    console.say(*comparison["text"], "", f"report: {report}")
