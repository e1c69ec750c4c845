"""Wide: what the swift methods say about scans that were drawn from all alike, so that shares are those of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whyscan.trust import names, select
from whyscan.trust.located import located
from whyscan.trust.questions.errors import errors
from whyscan.trust.questions.looks import looks
from whyscan.trust.table import Row


def wide(rows: Sequence[Row], best: str | None, weak: str | None, sampling: str | None) -> dict[str, Any]:
    """Where the maps lie, and the first two questions again: the ones that need nothing but maps and predictions."""
    return {
        "sampling": sampling,
        "scans": len({row.content for row in rows}),
        "groups": len({row.group for row in rows}),
        "known tumours": len({row.content for row in rows if row.metric == names.ENERGY and row.value is not None}),
        "methods": [
            each for each in select.methods((row.model, row.method, "") for row in rows) if not names.is_null(each)
        ],
        "localisation": [asdict(each) for each in located(rows)],
        "questions": [looks(rows, best, weak).row(), errors(rows, best).row()],
    }
