"""Evidence: a measured value with its interval, or the reason why it was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["measured", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One figure of a study. "Not measured" is never 0: it is a reason.

    Attributes:
        value: the figure, or None where it was not measured.
        low, high: its interval (95 % unless the place that made it says otherwise), or None.
        n: how many independent units (scans, or groups where they were resampled by group) it rests on.
        reason: why it was not measured; empty where it was.
        status: "measured", "skipped" (it could not apply) or "failed" (it was tried and went wrong).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""
    status: Status = "measured"

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status == "measured"):
            raise ValueError(f"{self.status} evidence with value {self.value}")
        if self.value is None and not self.reason:
            raise ValueError("evidence that was not measured needs a reason")

    @classmethod
    def skipped(cls, reason: str, n: int | None = None) -> Evidence:
        return cls(None, n=n, reason=reason, status="skipped")

    @classmethod
    def failed(cls, reason: str, n: int | None = None) -> Evidence:
        return cls(None, n=n, reason=reason, status="failed")

    def text(self, digits: int = 3) -> str:
        """For people: `0.953 [0.931, 0.971]`, or the reason."""
        if self.value is None:
            return f"not measured: {self.reason}"
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def row(self) -> dict[str, Any]:
        """The fields, for a JSON document or a row of a table."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Evidence:
        return cls(**{field: row[field] for field in cls.__dataclass_fields__ if field in row})
