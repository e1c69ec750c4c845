"""The report: one HTML file made from a saved run, without models, data, scripts or a network."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from whyscan.records import files
from whyscan.records.run import Run
from whyscan.render import colour, overlay
from whyscan.report import (
    captions,
    comparison,
    findings,
    gallery,
    provenance,
    shortcut,
    states,
    summary,
    training,
    trust,
    turned,
)
from whyscan.report.words import LEVELS, Names, private


def write(run: Run) -> Path:
    """Make RUN/report.html anew. The same run gives the same bytes.

    Returns:
        The path of the report.

    Raises:
        BadRun: the run has no manifest, a stage's document is damaged, or the folder cannot be written to.
    """
    files.write_text(run.report_path, html(run))
    return run.report_path


def html(run: Run) -> str:
    """The page as text. A stage that has not run is said to be missing."""
    manifest, audit, compared, index = run.manifest(), run.audit(), run.comparison(), run.gallery()
    misled, judged = run.shortcut(), run.trust()
    names = Names.of(files.read_rows(run.splits_path) if run.splits_path.is_file() else [])
    content: dict[str, Any] = {
        "data": private(str(manifest.get("data") or (audit or {}).get("name") or "unnamed data")),
        "date": provenance.date(manifest),
        "version": str(manifest.get("whyscan", "")),
        "asked": provenance.asked(manifest),
        "short": summary.section(audit, compared, index, misled, judged),
        "audit": findings.section(audit, names) if audit else None,
        "training": training.section(run, compared),
        "comparison": comparison.section(compared) if compared else None,
        "trust": trust.section(judged) | {"turned": turned.section(run, judged, names)} if judged else None,
        "gallery": gallery.section(run, index, names) if index else None,
        "states": states.states(judged, index),
        "shortcut": shortcut.section(run, misled) if misled else None,
        "provenance": provenance.section(run, manifest, audit, compared, index),
    }
    return _environment().get_template("report.html").render(**content)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("whyscan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("whyscan.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    shades = {
        "for": colour.hexadecimal(colour.FOR),
        "against": colour.hexadecimal(colour.AGAINST),
        "none": colour.hexadecimal(overlay.bar(signed=True, steps=3)[1]),
    }
    made.filters["soft"] = _soft
    made.globals.update(captions=captions, levels=LEVELS, style=Markup(style), colours=shades)
    return made


def _soft(name: str) -> Markup:
    """A name that may break after an underscore, where a column is narrow."""
    return Markup("_<wbr>").join(name.split("_"))
