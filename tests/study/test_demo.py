"""The demo keeps its promises: good models, explanations in the lesion, the planted shortcut flagged."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyscan import api
from whyscan.records.run import Run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.demo(tmp_path_factory.mktemp("demo") / "run")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_demo_keeps_its_promises(demo: Run) -> None:
    comparison = demo.comparison()
    assert comparison is not None
    accuracy = {
        (row["model"], row["subset"]): row["value"] for row in comparison["scores"] if row["metric"] == "accuracy"
    }
    assert accuracy[comparison["best"], "holdout"] >= 0.9
    assert accuracy[comparison["best"], "test-clean"] >= 0.9

    over_chance = [
        row for row in demo.results() if row["metric"] == "mean energy in lesion minus chance"
        and row["model"] == comparison["best"]
    ]  # fmt: skip
    assert all(float(row["low"]) > 0.03 for row in over_chance) and over_chance

    shortcut = demo.shortcut()
    assert shortcut is not None
    assert shortcut["verdict"] == "fail"
    assert shortcut["fall"]["low"] > 0.5
    page = demo.report_path.read_text()
    assert shortcut["text"] in page
    assert Path("shortcut") / "models" / "misled" / "model.json" in {
        path.relative_to(demo.folder) for path in demo.folder.rglob("model.json")
    }
