"""A made-up run and its report, shared because drawing takes a second."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import synthetic

from whyscan.records.run import Run
from whyscan.report import page


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic.make(tmp_path_factory.mktemp("run"), scans=2, size=48)


@pytest.fixture(scope="session")
def report(run: Run) -> str:
    return page.write(run).read_text(encoding="utf-8")
