"""Words: how figures, names and free text are put for people, without telling where they were or who they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from whyscan.render.numerals import fixed

SUBSETS = {
    "train": "training",
    "validation": "validation (models were selected on it)",
    "holdout": "holdout",
    "test": "official test",
    "test-leaked": "official test, leaked part",
    "test-clean": "official test, clean part",
    "excluded": "excluded",
}
METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "recall": "Recall",
    "auroc": "AUROC",
    "loss": "Loss (cross-entropy)",
    "ece": "Calibration error (ECE)",
}
METHODS = {"gradcam": "Grad-CAM, last layer", "gradcam-layers": "Grad-CAM, every layer", "lime": "LIME", "shap": "SHAP"}
LEVELS = {"fail": "Fail", "warn": "Warning", "note": "Note", "ok": "OK"}

_SHARES = {"accuracy", "macro_f1", "recall"}
_POSIX = re.compile(r"(?<![\w./\\~-])(?:~|\.{0,2})/(?:[^\s/,;:'\"]+/)+([^\s/,;:'\"]*)")
_WINDOWS = re.compile(r"\b[A-Za-z]:[\\/](?:[^\s\\/,;'\"]+[\\/])*([^\s\\/,;'\"]*)")


def is_share(metric: str) -> bool:
    """Whether a metric is put in per cent."""
    return metric in _SHARES or "energy" in metric or "share" in metric


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{fixed(100 * value, digits)} %"


def number(value: float | None) -> str:
    """Three significant digits, for the ends of a colour bar: 0.00123, 4.57, 1.2e-06."""
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value for a cell of a table.

    Attributes:
        text: the value, or "not measured".
        interval: its interval, or "".
        note: the reason why it was not measured, or how many scans it rests on.
        own: what is said of this cell alone, because the rest of its column differs.
        few: it rests on too few groups to tell anything.
    """

    text: str
    interval: str = ""
    note: str = ""
    measured: bool = True
    own: tuple[str, ...] = ()
    few: bool = False


def figure(row: Mapping[str, Any] | None) -> Figure:
    """A row of Evidence fields, with its metric."""
    if row is None:
        return Figure("–", measured=False)
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    if value is None:
        return Figure("not measured", note=str(row.get("reason") or ""), measured=False)
    scale, unit = (100, " %") if is_share(str(row.get("metric", ""))) else (1, "")
    digits = 1 if unit else 3
    interval = "" if low is None or high is None else f"{fixed(low * scale, digits)} to {fixed(high * scale, digits)}"
    return Figure(
        f"{fixed(value * scale, digits)}{unit}", interval, f"n = {row['n']}" if row.get("n") is not None else ""
    )


def points(row: Mapping[str, Any]) -> Figure:
    """A difference of two shares, in percentage points, with its sign."""
    if row.get("difference") is None:
        return Figure("not measured", measured=False)
    low, high = row.get("low"), row.get("high")
    ends = "" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f}"
    return Figure(f"{100 * row['difference']:+.1f} points".replace("-", "−"), ends.replace("-", "−"))


def p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def private(text: str) -> str:
    """Free text without the folders of the machine it was written on: a path is cut to its last part."""
    if PurePosixPath(text).is_absolute():
        return PurePosixPath(text).name
    if PureWindowsPath(text).is_absolute():
        return PureWindowsPath(text).name
    return _POSIX.sub(r"\1", _WINDOWS.sub(r"\1", text))


def flat(document: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A free-form JSON value as (dotted name, text) rows. Rows about patients and secrets are left out."""
    if isinstance(document, Mapping):
        rows: list[tuple[str, str]] = []
        for key, value in document.items():
            if not re.search(r"patient|token|password|secret", str(key), re.IGNORECASE):
                rows += flat(value, f"{prefix} › {key}" if prefix else str(key))
        return rows
    if isinstance(document, list | tuple):
        if any(isinstance(item, Mapping | list) for item in document):
            return [row for i, item in enumerate(document, 1) for row in flat(item, f"{prefix} {i}")]
        return [(prefix, ", ".join(plain(item) for item in document) or "none")]
    return [(prefix, plain(document))]


def plain(value: Any) -> str:
    if value is None or value == "":
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = private(str(value))
    return f"{text[:16]}…" if re.fullmatch(r"[0-9a-f]{40,}", text) else text


@dataclass(frozen=True)
class Names:
    """Scan names that may be shown: one that holds a patient's id is replaced by a number of its own.

    Attributes:
        patients: the ids that the data set gave; they are never shown.
        numbers: each scan's number, by its name.
    """

    patients: frozenset[str]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, str]]) -> Names:
        """Take the ids from the rows of splits.csv."""
        table = list(rows)
        numbers = {row.get("path", ""): number for number, row in enumerate(table, 1)}
        return cls(frozenset(row["patient"] for row in table if row.get("patient")), numbers)

    def show(self, path: str) -> str:
        tokens = set(re.split(r"[^A-Za-z0-9]+", path)) | set(path.split("/")) | {path.rsplit("/", 1)[-1].split(".")[0]}
        if self.patients.isdisjoint(tokens) and not any(len(p) > 3 and p in path for p in self.patients):
            return private(path)
        return f"scan {self.numbers.get(path, 0)} of splits.csv"
