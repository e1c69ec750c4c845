"""Items of checklists, and the files of a run that can show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Attributes:
        number: as published.
        section: under which it stands.
        asks: what is asked, in our words.
        files: patterns of files of the run that show it.
        attest: what a person must say all the same; "" where the files are enough.
    """

    number: str
    section: str
    asks: str
    files: tuple[str, ...] = ()
    attest: str = ""


AUDIT, SPLITS, COMPARE = "audit/audit.json", "splits.csv", "compare/compare.json"
MODEL, CURVES, PREDICTIONS = "models/*/model.json", "models/*/curves.csv", "models/*/predictions.csv"
RUN, RESULTS, REPORT = "run.json", "results.csv", "report.html"
WEIGHTS = "models/*/model.safetensors"
TRUST, TABLE, GALLERY, SHORTCUT = (
    "trust/summary.json",
    "trust/table.csv",
    "explain/index.json",
    "shortcut/shortcut.json",
)
