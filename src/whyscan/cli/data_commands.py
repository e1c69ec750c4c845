"""`whyscan data ...`: bring data sets in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whyscan.cli import console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to make.")]


def fetch(
    name: Annotated[str, typer.Argument(help="Which data set: brain-tumor-mri.")],
    out: Out,
    given: Annotated[
        Path | None, typer.Option("--from", help="A folder or zip that was downloaded already; no network is used.")
    ] = None,
    json: Json = False,
) -> None:
    """Bring a published data set here: resumable, and checked by SHA-256 before it takes its place."""
    with console.exits(json, console.AGAIN), console.bars() as progress:
        from whyscan import api

        found = api.fetch_data(name, out, given=given, progress=progress)
    if json:
        console.say_json(found)
        return
    masks = f", {found['masks']} masks" if found["masks"] else ""
    console.say(f"{found['data']}: {found['scans']} scans{masks}, each file as it was published", found["note"])
    console.say("", f"next: whyscan audit {out} --out runs/audit")


def import_(
    kind: Annotated[str, typer.Argument(help="Of which data set the files are: figshare (Cheng et al.).")],
    folder: Annotated[Path, typer.Argument(help="The folder of .mat files, or of the zips that they come in.")],
    out: Out,
    window: Annotated[
        str | None, typer.Option("--window", help="CENTRE,WIDTH, full (the default) or percentile.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a data set with masks and patients of files that are not images."""
    with console.exits(json), console.bars() as progress:
        from whyscan import api
        from whyscan.data.dicom_window import parse_window

        found = api.import_data(kind, folder, out, window=parse_window(window), progress=progress)
    if json:
        console.say_json(found)
    else:
        console.say(f"{found['table']}: {found['scans']} scans, {found['new']} of them new")
        console.say(*(f"{each['file']}: {each['error']}" for each in found["failed"]))
        console.say("", f"next: whyscan audit {found['table']} --out runs/audit")
    if found["failed"]:
        raise SystemExit(1)


app = typer.Typer(
    help="Bring data sets in: fetch a published one, or import files that are not images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("fetch")(fetch)
app.command("import")(import_)
