"""The tables of trust for the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from whyscan.trust import names
from whyscan.trust.summary import summarise
from whyscan.trust.table import Row

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import results

    return results


def row(method: str, scan: int, metric: str, value: float | None, within: str = "image") -> Row:
    status, reason = ("measured", "") if value is not None else ("skipped", "the map is blank")
    return Row("net", method, "", f"s{scan}", f"c{scan}", f"g{scan}", "a", "a", 0.9, "a", metric, within, value, status,
               reason)  # fmt: skip


def test_every_metric_is_a_column_of_its_family_with_interval_groups_direction_and_chance(tables: ModuleType) -> None:
    rows = [row("null: random", i, names.ENERGY, 0.1) for i in range(8)]
    for i in range(8):
        rows += [row("lime", i, names.ENERGY, 0.215 + i / 100), row("lime", i, names.ENERGY_CHANCE, 0.05)]
        rows += [row("lime", i, "road", 0.5 + i / 100, within) for within in ("image", "head")]
        rows += [row("lime", i, "evaluations", 1300.0 + i), row("rise", i, "road", None)]
        rows += [row("lime", i, "sensitivity-n", -0.5 - i / 100)]
    found = dict(tables.metric_tables(summarise(rows)))
    assert list(found) == [
        "Trust: localisation", "Trust: faithfulness", "Trust: faithfulness, inside the head only", "Trust: cost",
    ]  # fmt: skip
    place, faith = found["Trust: localisation"], found["Trust: faithfulness"].splitlines()
    assert "Energy in lesion (higher; n = 8)" in place
    assert re.search(r"\| lime \| 0.25 \[0.2\d, 0.2\d\], chance 0.05 \|", place)
    assert place.index("| lime |") < place.index("| null: random |")
    assert "ROAD (lower; n = 8)" in faith[0] and "Sensitivity-n (higher; n = 8)" in faith[0]
    assert any(line.startswith("| net | lime | 0.5") and "\N{MINUS SIGN}0.5" in line for line in faith)
    assert any("| net | rise | not measured: the map is blank |" in line for line in faith)
    assert any(line.startswith("- ROAD: mean probability") for line in faith)
    assert "| lime | 1,304 [1,30" in found["Trust: cost"]


def test_energy_by_outcome_and_class(tables: ModuleType) -> None:
    rows = [row(method, i, names.ENERGY, 0.2 + i / 100) for method in ("null: random", "lime") for i in range(8)]
    lines = tables.place_table(summarise(rows)).splitlines()
    assert "all scans" in lines[0] and "wrong" in lines[0]
    assert lines[2].startswith("| net | lime | 23.5 [2") and "(n = 8)" in lines[2] and "null: random" in lines[3]


def test_an_older_summary_has_no_such_tables(tables: ModuleType) -> None:
    assert tables.metric_tables({"methods": []}) == []
