"""The long table of a trust run: one row a measured value, from which every question is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from whyscan.errors import BadRun
from whyscan.records import files


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one explanation.

    Attributes:
        model, method, layer: who was explained and how; layer is "" for methods without one.
        source, content, group: the scan's name in the run, its hash, and its duplicate group or patient: the unit that
            is resampled.
        label, predicted: classes; label is "" where it is unknown.
        confidence: the predicted class's probability.
        target: what the explanation argues for.
        metric: the name in the table of metrics.
        within: "image", or "head" where only the head counts.
        value: the figure, or None.
        status, reason: as in Evidence.
        seconds: what the metric cost.
    """

    model: str
    method: str
    layer: str
    source: str
    content: str
    group: str
    label: str
    predicted: str
    confidence: float
    target: str
    metric: str
    within: str
    value: float | None
    status: str = "measured"
    reason: str = ""
    seconds: float = 0.0

    @property
    def right(self) -> bool | None:
        """Whether the prediction is the label; None where there is no label."""
        return self.predicted == self.label if self.label else None


COLUMNS = tuple(field.name for field in fields(Row))


def write(path: Path, rows: Sequence[Row]) -> None:
    """Raises BadRun where the file cannot be written."""
    files.write_rows(path, ({name: getattr(row, name) for name in COLUMNS} for row in rows), COLUMNS)


def read(path: Path) -> tuple[Row, ...]:
    """Raises BadRun where the table is missing or damaged."""
    try:
        return tuple(_row(row) for row in files.read_rows(path))
    except (KeyError, ValueError, TypeError) as error:
        raise BadRun(f"{path} is damaged ({error})", "a table of trust", "run `whyscan trust` again") from error


def _row(row: dict[str, str]) -> Row:
    numbers = {name: float(row[name]) for name in ("confidence", "seconds")}
    value = float(row["value"]) if row["value"] else None
    texts = {name: row[name] for name in COLUMNS if name not in (*numbers, "value")}
    return Row(**texts, **numbers, value=value)  # type: ignore[arg-type]
