"""The tables of the phantom benchmark, on rows whose answers were planted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from whyscan.trust import names
from whyscan.trust.table import Row

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCANS = 12


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import phantoms_table

    return phantoms_table


def rows_of(world: str, method: str, metric: str, value: Callable[[int], float | None]) -> list[Row]:
    return [
        Row(world, method, "", "", f"scan {i}", f"head {i}", "", "tumour", 1.0, "tumour", metric, "image", value(i))
        for i in range(SCANS)
    ]


def nulls(world: str, metric: str, level: float) -> list[Row]:
    return [row for name in names.NULLS for row in rows_of(world, names.NULL + name, metric, lambda _: level)]


def test_a_lesion_is_found_by_what_beats_the_best_null(tables: ModuleType) -> None:
    rows = nulls("lesion", tables.FOUND, 0.1)
    rows += rows_of("lesion", names.NULL + "centre", tables.FOUND, lambda i: 0.5 + 0.01 * i)
    rows += rows_of("lesion", "better", tables.FOUND, lambda i: 0.7 + 0.01 * i + 0.002 * (-1) ** i)
    rows += rows_of("lesion", "as the centre", tables.FOUND, lambda i: 0.5 + 0.01 * (SCANS - 1 - i))
    measured = tables.Measured(rows)
    better, same = (tables.finds(measured, "lesion", method) for method in ("better", "as the centre"))
    assert better.value == pytest.approx(0.2) and better.low > 0
    assert same.value == pytest.approx(0) and same.low < 0 < same.high
    assert "| better | 1 of 1 |" in tables.text(rows, {"lesion": (SCANS, 20)})
    assert "| as the centre | 0 of 1 |" in tables.text(rows, {"lesion": (SCANS, 20)})


def test_a_trace_is_no_find(tables: ModuleType) -> None:
    """A tiny share is surely above none, and still nothing that a reader sees."""
    rows = nulls("lesion", tables.FOUND, 0.0) + rows_of("lesion", "a trace", tables.FOUND, lambda i: 0.001 + 1e-5 * i)
    assert tables.finds(tables.Measured(rows), "lesion", "a trace").low > 0
    assert "| a trace | 0 of 1 |" in tables.text(rows, {"lesion": (SCANS, 20)})


def test_a_cue_is_found_by_what_holds_it_only_where_it_is_used(tables: ModuleType) -> None:
    rows = nulls("border", tables.FOUND, 0.0)
    for method, unaware in (("reads the model", 0.1), ("reads the scan", 0.6)):
        rows += rows_of("border", method, tables.FOUND, lambda i: 0.6 + 0.01 * i)
        rows += rows_of("border" + tables.NOT_USED, method, tables.FOUND, lambda i, at=unaware: at + 0.01 * i)
    measured = tables.Measured(rows)
    assert tables.finds(measured, "border", "reads the model").value == pytest.approx(0.5)
    assert tables.finds(measured, "border", "reads the scan").value == pytest.approx(0)  # though the nulls hold nothing
    assert measured.worlds == ["border"], "the control is no world of its own"


def test_only_scans_that_both_measured_are_laid_beside_each_other(tables: ModuleType) -> None:
    rows = rows_of("lesion", names.NULL + "edges", tables.FOUND, lambda i: 0.1 if i < 6 else None)
    rows += rows_of("lesion", "a", tables.FOUND, lambda i: 0.3 if i < 6 else 9.0)
    assert tables.finds(tables.Measured(rows), "lesion", "a").value == pytest.approx(0.2)
    assert tables.finds(tables.Measured(rows), "lesion", "never ran") is None


@pytest.mark.parametrize(("metric", "good"), [("insertion auc", 1.0), ("deletion auc", -1.0)])
def test_a_metric_is_a_judge_when_it_prefers_the_truth(tables: ModuleType, metric: str, good: float) -> None:
    """Whether more of it is better or less; a tie is half a win."""
    rows = rows_of("lesion", tables.TRUTH, metric, lambda _: 0.0)
    rows += rows_of("lesion", names.NULL + "edges", metric, lambda _: -good)
    rows += rows_of("lesion", names.NULL + "random", metric, lambda i: -good if i < 3 else good)
    rows += rows_of("lesion", names.NULL + "centre", metric, lambda _: 0.0)
    for method, found in (("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4)):
        rows += rows_of("lesion", method, tables.FOUND, lambda _, at=found: at)
        rows += rows_of("lesion", method, metric, lambda _, at=found: good * at**2)
    told = tables.validity(tables.Measured(rows), metric)
    assert told[names.NULL + "edges"] == (1.0, SCANS)
    assert told[names.NULL + "random"] == (3 / SCANS, SCANS)
    assert told[names.NULL + "centre"] == (0.5, SCANS)
    assert told[names.NULL + "intensity"] is None
    assert told["methods"] == (pytest.approx(1.0), 1)


def test_every_row_reaches_the_summary(tables: ModuleType) -> None:
    rows = rows_of("lesion", "a", tables.FOUND, lambda i: i / 10)
    (line,) = tables.summary_rows(rows)
    assert (line["mean"], line["scans"]) == ("0.55", SCANS)
    assert float(line["low"]) < 0.55 < float(line["high"])
