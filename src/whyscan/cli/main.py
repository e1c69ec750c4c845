"""The `whyscan` command.

Each command reads its options, calls one function of the public API, and says what came out. The API is imported inside
of each: `whyscan --help` answers at once, without loading torch.
"""

from __future__ import annotations

import typer

import whyscan
from whyscan.cli import data_commands
from whyscan.cli.model_commands import doctor, explain, export, layers, methods
from whyscan.cli.run_commands import audit, compare, demo, report, study, train, trust

COMMANDS = (doctor, audit, train, compare, explain, layers, export, methods, report, trust, study, demo)

app = typer.Typer(
    name="whyscan",
    help="Ask an image classifier why it said that about this scan, and whether to believe the answer. "
    "Research use only; not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(whyscan.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of the program as a whole."""


for command in COMMANDS:
    app.command()(command)
app.add_typer(data_commands.app, name="data")


def main() -> None:
    app()
