"""The commands that ask a model, or what was written of one, outside of a study."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from whyscan.cli import console
from whyscan.cli.options import (
    Answers,
    Classes,
    FitOption,
    GivenSize,
    Headers,
    Json,
    ModelBackbone,
    Objects,
    OneAnswer,
    OneBackbone,
    OneClasses,
    OneFit,
    OneScaling,
    OneSize,
    Preprocess,
    Protocol,
    Seed,
    Threshold,
    given_of,
    headers_of,
    own_process,
)


def doctor(
    model: Annotated[str, typer.Argument(help="A model's file or folder, a hub's name, or a service's URL.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Labelled scans: which scaling and class order fit them?")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write doctor.json, .txt and .png there.")] = None,
    classes: OneClasses = None,
    input_size: OneSize = None,
    preprocess: OneScaling = "auto",
    fit: OneFit = "stretch",
    scores: OneAnswer = "auto",
    backbone: OneBackbone = None,
    protocol: Protocol = None,
    header_from_env: Headers = None,
    scans: Annotated[int, typer.Option("--scans", min=1, help="How many labelled scans are tried.")] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Say what a model is, what can be explained of it and, with data, what its answers fit."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        own_process()
        asked = {"classes": classes, "input_size": input_size, "preprocess": preprocess, "fit": fit,
                 "scores": scores, "backbone": backbone, "protocol": protocol,
                 "headers_from_env": headers_of(header_from_env)}  # fmt: skip
        opening = {name: value for name, value in asked.items() if value not in (None, "auto", "stretch")}
        found = api.doctor(model, data, out=out, scans=scans, seed=seed, progress=progress, **opening)
    if json:
        console.say_json(found)
        return
    console.say(*found["text"])


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
    classes: OneClasses = None,
    input_size: OneSize = None,
    preprocess: OneScaling = "auto",
    fit: OneFit = "stretch",
    scores: OneAnswer = "auto",
    backbone: OneBackbone = None,
    device: Annotated[str | None, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1 or mps.")] = None,
    protocol: Protocol = None,
    header_from_env: Headers = None,
    series: Annotated[int | None, typer.Option("--series", min=0, help="DICOM: which series of a folder.")] = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Which frame or page, from 0.")] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="DICOM, NIfTI, MATLAB: CENTRE,WIDTH, a number or name, full, percentile."),
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
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="The NPZ files alone, no PNG of each.")] = False,
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
            "backbone": backbone, "device": device, "protocol": protocol,
            "headers_from_env": headers_of(header_from_env),
        }  # fmt: skip
        own_process()
        written = explain_files(
            model, scans, out, tuple(method or ("gradcam",)), layers=layers or None,
            targets=targets or "all", label=label,
            series=series, frame=frame, window=parse_window(window), plane=plane, slices=slices, volume=volume,
            options=options, opening=opening, agree=consensus, draw=not no_pictures, seed=seed,
            progress=progress,
        )  # fmt: skip
        records = [Path(file) for entry in written["scans"] for file in entry["files"] if file.endswith(".npz")]
        if wanted and records:
            also = formats.export(
                records, wanted, out=out, sources=scans, objects=objects, threshold=threshold, progress=progress
            )
            written |= {"exported": also["files"], "left_out": also["left_out"]}
    console.say_json(written) if json else _say_explained(written)
    if written["failed"]:
        raise SystemExit(1)


def layers(
    model: Annotated[list[str], typer.Argument(help="Models' files or folders, or NAME=...: one or several.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled scans: a folder per class, or a CSV.")],
    out: Annotated[Path, typer.Option("--out", help="A folder for tables and a picture of each model.")],
    scans: Annotated[int, typer.Option("--scans", min=1, help="How many scans are explained.")] = 40,
    classes: Classes = None,
    input_size: GivenSize = None,
    preprocess: Preprocess = None,
    fit: FitOption = None,
    scores: Answers = None,
    model_backbone: ModelBackbone = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Why only some layers' maps light up: how often they are blank, why, and what each layer contributes."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api

        own_process()
        told = {"classes": classes, "input_size": input_size, "preprocess": preprocess, "fit": fit, "scores": scores}
        models = given_of(model, "MODEL", told | {"model_backbone": model_backbone}, named=False)
        found = api.layers(models, data, out, scans=scans, seed=seed, progress=progress)
    if json:
        console.say_json(found)
        return
    console.say(*found["text"], "", *found["files"])


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
    with console.exits(json, console.WRITTEN), console.bars() as progress:
        from whyscan.export import formats

        written = formats.export(
            records, to, out=out, sources=source or (), objects=objects, threshold=threshold, progress=progress
        )
    if json:
        console.say_json(written)
    else:
        _say_exported(written["files"], written["left_out"])


def methods(json: Json = False) -> None:
    """List the methods of explanation, what each needs, and its settings."""
    with console.exits(json):
        from whyscan.explain.methods import describe

        table = describe()
    if json:
        console.say_json({"methods": table})
        return
    for row in table:
        advice = " (recommended)" if row["recommended"] else f" (but {row['caution']})" if row["caution"] else ""
        needs = "the network" if row["white_box"] else "answers only"
        finds = "not asked" if row["finds"] is None else ", ".join(row["finds"]) or "none"
        settings = ", ".join(f"{name}={value}" for name, value in row["settings"].items())
        console.say(
            f"{row['name']}: {row['title']} ({needs}{', any layer' if row['layered'] else ''})",
            f"  planted reasons found: {finds}{advice}",
            f"  {settings}",
        )


def _say_explained(written: dict[str, Any]) -> None:
    from whyscan.study import told
    from whyscan.study.doctor_words import unserving_lines

    for entry in written["scans"]:
        console.say(
            f"{entry['source']}: {entry['predicted']} ({entry['probability']:.3f})",
            *(f"  {each}" for each in told.lines(entry["maps"]) + entry["files"]),
        )
    entries = Counter(entry["source"] for entry in written["scans"] + written["failed"])
    for said, alike in groupby(written["failed"], lambda entry: _why(entry, alone=entries[entry["source"]] == 1)):
        first, *more = [entry["source"] for entry in alike]  # slices of one volume, mostly
        console.note(f"{first}{f' and {len(more)} more' if more else ''}: {said}")
    for line in unserving_lines(written["unserving"]):
        console.note(f"--layers all: {line}")
    _say_warnings(written["scans"])
    _say_volumes(written["volumes"])
    _say_exported(written.get("exported", []), written.get("left_out", []))


def _why(failed: dict[str, Any], *, alone: bool) -> str:
    """An entry that is alone is of the whole scan: no method made anything of it, all for the same reason."""
    return f"{'' if alone else ', '.join(failed['methods']) + ': '}{failed['error']}"


def _say_volumes(volumes: list[dict[str, Any]]) -> None:
    for each in volumes:
        left = f"; {len(each['empty'])} with hardly any tissue left out" if each["empty"] else ""
        console.say(f"{each['name']}: {each['sentence']}{left}", *(f"  {file}" for file in each["files"]))


def _say_warnings(scans: list[dict[str, Any]]) -> None:
    from whyscan.records.reading import warnings

    if found := warnings([(each["source"], tuple(each["reading"])) for each in scans]):
        console.say(*found)


def _say_exported(written: list[str], left_out: list[str]) -> None:
    if written or left_out:
        console.say(*written, *(f"left out: {reason}" for reason in left_out))
