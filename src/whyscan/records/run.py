"""Run: everything a study wrote, by name. The only thing that report, viewer and export read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.records.attribution import Attribution, load_all
from whyscan.records.predictions import Predictions

RESULT_COLUMNS = (
    "stage", "model", "subset", "class", "method", "layer", "metric",
    "value", "low", "high", "n", "status", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run folder. Every path that a stage writes or a face reads is named here, once.

    ```
    run.json                 what was asked for, the versions, when
    audit/audit.json         the audit's findings
    splits.csv               one row a scan: path, label, patient, group, split, leaked, content
    models/<name>/           model.safetensors, model.json, curves.csv, curves.png, predictions.csv
    models/<name>/folds.csv  what its out-of-fold models say; they lie in models/<name>/fold<k>/
    compare/compare.json     scores, pairs, best, weak
    explain/index.json       the gallery: which scans, which files
    shortcut/shortcut.json   the check of a planted cue, where there is one
    trust/table.csv          every measured value of every explanation
    trust/scans/             the same scan by scan; of a few scans also the explanations by superpixels
    trust/attested.json      what people state about the study, with name and date, where they do
    trust/summary.json       what is made of it: verdicts and the answers to the questions
    results.csv              every measured figure, tidy
    report.html
    ```
    """

    folder: Path

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A run that exists.

        Raises:
            BadRun: the folder is missing or is not a run.
        """
        run = cls(Path(folder))
        if not run.manifest_path.is_file():
            raise BadRun(f"{folder} has no run.json", "the --out folder of a study", "check the path, or run a study")
        return run

    @property
    def manifest_path(self) -> Path:
        return self.folder / "run.json"

    @property
    def audit_path(self) -> Path:
        return self.folder / "audit" / "audit.json"

    @property
    def splits_path(self) -> Path:
        return self.folder / "splits.csv"

    @property
    def compare_path(self) -> Path:
        return self.folder / "compare" / "compare.json"

    @property
    def gallery_path(self) -> Path:
        return self.folder / "explain" / "index.json"

    @property
    def shortcut_path(self) -> Path:
        return self.folder / "shortcut" / "shortcut.json"

    @property
    def data_path(self) -> Path:
        """Says where the data set lies on this machine; no face reads it, and it may be lost."""
        return self.folder / "cache" / "data.json"

    @property
    def trust_path(self) -> Path:
        return self.folder / "trust" / "summary.json"

    @property
    def attested_path(self) -> Path:
        return self.folder / "trust" / "attested.json"

    @property
    def results_path(self) -> Path:
        return self.folder / "results.csv"

    @property
    def report_path(self) -> Path:
        return self.folder / "report.html"

    def model_folder(self, name: str) -> Path:
        """Raises BadInput where the name is more than a folder's name: it could lead out of the run."""
        files.check_name(name)
        return self.folder / "models" / name

    def attribution_path(self, scan: str, model: str, method: str) -> Path:
        """`scan` is the content hash; its first 16 digits name the folder."""
        return self.folder / "explain" / scan[:16] / model / f"{method}.npz"

    def manifest(self) -> Mapping[str, Any]:
        return _mapping(self.manifest_path)

    def audit(self) -> Mapping[str, Any] | None:
        """The audit's document, or None where that stage has not run."""
        return _mapping(self.audit_path) if self.audit_path.is_file() else None

    def comparison(self) -> Mapping[str, Any] | None:
        return _mapping(self.compare_path) if self.compare_path.is_file() else None

    def gallery(self) -> Mapping[str, Any] | None:
        return _mapping(self.gallery_path) if self.gallery_path.is_file() else None

    def shortcut(self) -> Mapping[str, Any] | None:
        """What the check of a planted cue found, or None where none was planted."""
        return _mapping(self.shortcut_path) if self.shortcut_path.is_file() else None

    def trust(self) -> Mapping[str, Any] | None:
        """What was made of the table of trust, or None where nothing was judged."""
        return _mapping(self.trust_path) if self.trust_path.is_file() else None

    def models(self) -> list[str]:
        """The names of the models that are whole, in alphabetical order."""
        return sorted(path.parent.name for path in (self.folder / "models").glob("*/model.json"))

    def model(self, name: str) -> Mapping[str, Any]:
        return _mapping(self.model_folder(name) / "model.json")

    def curves(self, name: str) -> list[dict[str, str]]:
        """One row an epoch; empty for a model that was not trained here."""
        path = self.model_folder(name) / "curves.csv"
        return files.read_rows(path) if path.is_file() else []

    def predictions(self, name: str) -> Predictions:
        return Predictions.load(self.model_folder(name) / "predictions.csv", name)

    def attributions(self, relative: str) -> list[Attribution]:
        """The attributions of one file named in the gallery.

        Raises:
            BadRun: the name leads out of the run, or the file is missing or damaged.
        """
        path = (self.folder / relative).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise BadRun(f"{relative} leads out of the run", "a path inside the run folder", "explain again")
        return load_all(path)

    def results(self) -> list[dict[str, str]]:
        """Every figure so far. Raises BadRun where the table is damaged."""
        rows = files.read_rows(self.results_path) if self.results_path.is_file() else []
        for number, row in enumerate(rows, start=2):
            if tuple(row) != RESULT_COLUMNS or None in row.values():
                raise BadRun(
                    f"{self.results_path} is damaged (row {number})",
                    f"the columns {', '.join(RESULT_COLUMNS)}",
                    "delete it and run the stages again",
                )
        return rows

    def replace_results(self, stage: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a stage's figures into results.csv in place of what that stage wrote before."""
        kept: list[Mapping[str, Any]] = [row for row in self.results() if row["stage"] != stage]
        fresh = [{**dict.fromkeys(RESULT_COLUMNS), **row, "stage": stage} for row in rows]
        files.write_rows(self.results_path, [*kept, *fresh], RESULT_COLUMNS)


def _mapping(path: Path) -> Mapping[str, Any]:
    content = files.read_json(path)
    if not isinstance(content, dict):
        raise BadRun(f"{path} is damaged (not an object)", "a JSON object", "delete it and run its stage again")
    return content
