"""The ledger keeps what was finished, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyscan.study.ledger import Ledger, digest


def test_a_finished_piece_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.jsonl").piece("audit", {"seed": 0}):
        pass
    again = Ledger(tmp_path / "ledger.jsonl")
    assert again.done("audit", {"seed": 0})
    assert not again.done("audit", {"seed": 1})
    assert not again.done("train", {"seed": 0})


def test_a_piece_that_failed_is_not_done(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(RuntimeError), ledger.piece("audit", {}):
        raise RuntimeError
    assert not ledger.done("audit", {})
    assert not (tmp_path / "ledger.jsonl").exists()


def test_a_line_torn_by_a_crash_is_ignored_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path).piece("audit", {}):
        pass
    path.write_text(path.read_text() + '{"piece": "train x", "ke')
    ledger = Ledger(path)
    assert ledger.done("audit", {})
    with ledger.piece("train y", {}):
        pass
    assert Ledger(path).done("train y", {})
    assert not Ledger(path).done("train x", {})


def test_a_piece_made_from_something_else_replaces_the_old_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for seed in (0, 1):
        with ledger.piece("audit", {"seed": seed}):
            pass
    again = Ledger(tmp_path / "ledger.jsonl")
    assert again.done("audit", {"seed": 1})
    assert not again.done("audit", {"seed": 0})
    assert set(again.seconds()) == {"audit"}


def test_the_order_of_the_ingredients_does_not_matter() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
