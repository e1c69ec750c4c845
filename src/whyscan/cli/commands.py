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

        _own_process()
        seed = _run_seed(out, seed)
        ours, theirs = _sizes(input_size, backbone, further)
        told = {"classes": classes, "preprocess": preprocess, "fit": fit, "scores": scores}
        told |= {"model_backbone": model_backbone, "input_size": theirs}
        models = _given(further, "--from", told, named=False)
        chosen = _plans(backbone, weights, recipe, epochs, ours, unfreeze, batch, seed, models)
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


def explain(
    model: Annotated[str, typer.Argument(help="A model: a run's model folder, .h5, .keras, .onnx, .pt, ..., a URL.")],
    scans: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option("--out", help="A folder for one NPZ and one PNG per scan and method.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="gradcam if left out; repeatable. `whyscan methods` marks the recommended ones."),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", help="all, last, final, or a layer's name; by default the method's own; repeatable."),
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option("--targets", help="all (the default), predicted, true, a class, or a contrast A-B; repeatable."),
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="The scans' true class, if known.")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="A,B,... or a file of class names.")] = None,
    input_size: Annotated[int | None, typer.Option("--input-size", min=1, help="Pixels a side.")] = None,
    preprocess: Annotated[
        str, typer.Option("--preprocess", help="auto, /255, x/127.5-1, imagenet, caffe or 0..255.")
    ] = "auto",
    fit: Annotated[str, typer.Option("--fit", help="stretch or pad: how scans come to that size.")] = "stretch",
    scores: Annotated[
        str, typer.Option("--scores", help="What the model answers: auto, logit or probability.")
    ] = "auto",
    backbone: Annotated[str | None, typer.Option("--backbone", help="Which network a state dict is for.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1 or mps.")] = None,
    protocol: Protocol = None,
    header_from_env: Headers = None,
    series: Annotated[int | None, typer.Option("--series", min=0, help="DICOM: which series of a folder.")] = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Which frame or page, from 0.")] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="DICOM, NIfTI: CENTRE,WIDTH, a window's number or name, full, percentile."),
    ] = None,
    plane: Annotated[str | None, typer.Option("--plane", help="NIfTI: axial, coronal or sagittal.")] = None,
    slices: Annotated[
        str | None, typer.Option("--slices", "--slice", help="Of a volume: all, or N, A-B, A-B:STEP, N,M (from 0).")
    ] = None,
    volume: Annotated[int | None, typer.Option("--volume", min=0, help="NIfTI: which volume of a 4-D file.")] = None,
    samples: Annotated[
        str | None, typer.Option("--samples", help="Evaluations that LIME and SHAP share (300), or auto.")
    ] = None,
    score: Annotated[str | None, typer.Option("--score", help="logit or probability.")] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", help="What hides a part: mean, blur, noise, inpaint, or 0 to 1.")
    ] = None,
    superpixels: Annotated[
        str | None,
        typer.Option(
            "--superpixels",
            help="slic, quickshift, felzenszwalb or grid, with :COUNT if wanted; or the file of a label map.",
        ),
    ] = None,
    references: Annotated[
        str | None, typer.Option("--references", help="Gradient SHAP: a folder of scans to compare with.")
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Grad-CAM: logit or softmax-guided.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="fast or float32.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting of a method; repeatable.")
    ] = None,
    consensus: Annotated[bool, typer.Option("--consensus", help="Also what the methods agree on.")] = False,
    export: Annotated[
        list[str] | None, typer.Option("--export", help="Also as png, safetensors, nifti or dicom; repeatable.")
    ] = None,
    objects: Objects = None,
    threshold: Threshold = "max:0.5",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Explain scans by any method, at one or every layer, for every class."""
    with console.exits(json, console.WRITTEN), console.bars() as progress:
        from whyscan.data.dicom_window import parse_window
        from whyscan.export import formats
        from whyscan.study.options import parse
        from whyscan.study.single import explain_files

        wanted = [name for name in export or () if name != "npz"]  # which is written anyway
        formats.check(wanted, objects, threshold)
        given = {
            "samples": samples, "score": score, "fill": fill, "superpixels": superpixels, "recipe": recipe,
            "engine": engine, "references": references,
        }  # fmt: skip
        options = parse({name: text for name, text in given.items() if text is not None}, setting or ())
        opening = {
            "classes": classes, "input_size": input_size, "preprocess": preprocess, "fit": fit, "scores": scores,
            "backbone": backbone, "device": device, "protocol": protocol, "headers_from_env": _headers(header_from_env),
        }  # fmt: skip
        _own_process()
        written = explain_files(
            model, scans, out, tuple(method or ("gradcam",)), layers=layers or None,
            targets=targets or "all", label=label,
            series=series, frame=frame, window=parse_window(window), plane=plane, slices=slices, volume=volume,
            options=options, opening=opening, agree=consensus, seed=seed, progress=progress,
        )  # fmt: skip
        records = [Path(file) for entry in written["scans"] for file in entry["files"] if file.endswith(".npz")]
        if wanted and records:
            also = formats.export(records, wanted, out=out, sources=scans, objects=objects, threshold=threshold)
            written |= {"exported": also["files"], "left_out": also["left_out"]}
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
        _say_volumes(written["volumes"])
        _say_exported(written.get("exported", []), written.get("left_out", []))
    if written["failed"]:
        raise SystemExit(1)


def doctor(
    model: Annotated[str, typer.Argument(help="A model's file or folder, a hub's name, or a service's URL.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Labelled scans: which scaling and class order fit them?")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write doctor.json, .txt and .png there.")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="A,B,... or a file of class names.")] = None,
    input_size: Annotated[int | None, typer.Option("--input-size", min=1, help="Pixels a side.")] = None,
    preprocess: Annotated[
        str, typer.Option("--preprocess", help="auto, /255, x/127.5-1, imagenet, caffe or 0..255.")
    ] = "auto",
    fit: Annotated[str, typer.Option("--fit", help="stretch or pad.")] = "stretch",
    scores: Annotated[
        str, typer.Option("--scores", help="What the model answers: auto, logit or probability.")
    ] = "auto",
    backbone: Annotated[str | None, typer.Option("--backbone", help="Which network a state dict is for.")] = None,
    protocol: Protocol = None,
    header_from_env: Headers = None,
    scans: Annotated[int, typer.Option("--scans", min=1, help="How many labelled scans are tried.")] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Say what a model is, what can be explained of it and, with data, what its answers fit."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        _own_process()
        asked = {"classes": classes, "input_size": input_size, "preprocess": preprocess, "fit": fit,
                 "scores": scores, "backbone": backbone, "protocol": protocol,
                 "headers_from_env": _headers(header_from_env)}  # fmt: skip
        opening = {name: value for name, value in asked.items() if value not in (None, "auto", "stretch")}
        found = api.doctor(model, data, out=out, scans=scans, seed=seed, progress=progress, **opening)
    if json:
        console.say_json(found)
        return
    console.say(*found["text"])


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
        finds = "not asked" if row["finds"] is None else ", ".join(row["finds"]) or "none"
        settings = ", ".join(f"{name}={value}" for name, value in row["settings"].items())
        console.say(
            f"{row['name']}: {row['title']} ({needs}{', any layer' if row['layered'] else ''})",
            f"  planted reasons found: {finds}{' (recommended)' if row['recommended'] else ''}",
            f"  {settings}",
        )


def export(
    records: Annotated[list[Path], typer.Argument(help="Run folders, or NPZ files (or folders of them) of explain.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    to: Annotated[list[str], typer.Option("--to", help="png, npz, safetensors, nifti or dicom; repeatable.")],
    source: Annotated[
        list[Path] | None, typer.Option("--source", help="The files that were explained, or their folder; repeatable.")
    ] = None,
    objects: Objects = None,
    threshold: Threshold = "max:0.5",
    json: Json = False,
) -> None:
    """Write saved explanations in other formats, from the records alone: no model."""
    with console.exits(json, console.WRITTEN):
        from whyscan.export import formats

        written = formats.export(records, to, out=out, sources=source or (), objects=objects, threshold=threshold)
    if json:
        console.say_json(written)
    else:
        _say_exported(written["files"], written["left_out"])


def report(run: RunFolder, json: Json = False) -> None:
    """Write a run's report.html from its saved records: no model, no data, no network."""
    with console.exits(json):
        from whyscan import api

        path = api.report(run)
    console.say_json({"report": str(path)}) if json else console.say(str(path))


def trust(
    run: RunFolder,
    data: Annotated[
        Path | None, typer.Option("--data", help="The run's data set; by default where it lay on this machine.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Repeatable; by default the recommended of `whyscan methods` and familiar ones."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Models of the run, the best first; by default best and weak.")
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
        from whyscan.study.options import parse

        _own_process()
        given: dict[str, Any] = {"methods": tuple(method)} if method else {}
        given |= {"engine": engine} if engine else {}
        settings = api.TrustSettings(
            scans=scans, layered=layered, faithful=faithful, sturdy=sturdy, wide=wide, masks=masks, steps=steps,
            seed=seed, evaluations=parse({"samples": samples})["samples"], **given,
        )  # fmt: skip
        found = api.trust(
            run, data, settings, models=model or (), checklists=check or (), attest=attest, say=console.note,
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

        _own_process()
        seed = _run_seed(out, seed)
        told = {"classes": classes, "preprocess": preprocess, "fit": fit, "scores": scores, "protocol": protocol}
        told |= {"model_backbone": model_backbone, "headers_from_env": header_from_env}
        models = _given(model, "--model", told | {"input_size": input_size if model else None})
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
    with console.exits(json, console.RESUMES), console.bars() as progress:
        from whyscan import api

        _own_process()
        run = api.demo(out, seed=seed, resume=resume, progress=progress)
        comparison = run.comparison()
    _say_study(run.report_path, comparison, json)


COMMANDS = (doctor, audit, train, compare, explain, export, methods, report, trust, study, demo)


def _say_volumes(volumes: list[dict[str, Any]]) -> None:
    for each in volumes:
        left = f"; {len(each['empty'])} with hardly any tissue left out" if each["empty"] else ""
        console.say(f"{each['name']}: {each['sentence']}{left}", *(f"  {file}" for file in each["files"]))


def _say_exported(written: list[str], left_out: list[str]) -> None:
    if written or left_out:
        console.say(*written, *(f"left out: {reason}" for reason in left_out))


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


def _sizes(
    sizes: list[str] | None, backbone: list[str] | None, further: list[str] | None
) -> tuple[list[str], list[str]]:
    """Input sizes of the backbones, and those of models that are trained further; one for all is the backbones'."""
    fresh = [each.partition("=")[0] for each in backbone or ()]
    ours = [
        size for size in sizes or () if not further or (size.partition("=")[0] in fresh if "=" in size else bool(fresh))
    ]
    return ours, [size for size in sizes or () if size not in ours]


def _given(
    models: list[str] | None, option: str, told: dict[str, list[str] | None], *, named: bool = True
) -> dict[str, Given]:
    from whyscan.study.given import option_of, read_given

    if not models and (idle := [key for key, texts in told.items() if texts and key != "input_size"]):
        raise BadInput(
            f"{option_of(idle[0])} without {option}", "options of a model that is given", f"add {option} best=best.h5"
        )
    return read_given(models or (), option, named=named, **{key: value or () for key, value in told.items()})


def _headers(texts: list[str] | None) -> dict[str, str] | None:
    from whyscan.study.given import read_headers

    return read_headers(texts) if texts else None
