from __future__ import annotations

import errno
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from whyscan.records import files
from whyscan.training import curves
from whyscan.training.curves import COLUMNS, EpochRow

ROW = EpochRow(1, "head", 0.5, 0.75, 0.625, 0.7, 1e-3, 2.5, 48)
ROWS = [ROW, replace(ROW, epoch=2, phase="finetune", validation_accuracy=0.8)]


def test_the_table_has_a_row_an_epoch(tmp_path: Path) -> None:
    curves.write_csv(tmp_path / "curves.csv", ROWS)
    table = files.read_rows(tmp_path / "curves.csv")
    assert tuple(table[0]) == COLUMNS
    assert [row["phase"] for row in table] == ["head", "finetune"]
    assert (table[1]["epoch"], float(table[1]["validation_accuracy"]), table[0]["images"]) == ("2", 0.8, "48")


def test_the_picture_is_a_png_that_opens(tmp_path: Path) -> None:
    curves.write_picture(tmp_path / "curves.png", ROWS, "a model", 2)
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG" and min(image.size) > 100


def test_tensorboard_reads_back_what_it_was_told(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with curves.board(tmp_path / "events", ROWS[:1]) as tell:
        tell(ROWS[1])
    with curves.board(tmp_path / "events", ROWS[:1]) as tell:  # as after a kill: the second epoch comes again
        tell(ROWS[1])
    found = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, pytest.approx(e.value)) for e in found.Scalars("accuracy/validation")] == [(1, 0.7), (2, 0.8)]
    assert len(found.Scalars("loss/train")) == 2


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with curves.board(tmp_path / "events", ROWS) as tell:
        tell(ROW)
    assert not (tmp_path / "events").exists()


def test_the_events_do_not_name_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with curves.board(tmp_path / "events", ROWS):
        pass
    (found,) = (tmp_path / "events").iterdir()
    assert found.name == "events.out.tfevents.0.whyscan"
    assert socket.gethostname().encode() not in found.read_bytes()


@pytest.mark.parametrize("at", ["open", "write", "close"])
def test_a_full_disk_stops_the_events_and_not_the_training(
    tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    class Full:
        def refuse(self, moment: str) -> None:
            told.append(moment)
            if moment == at:
                raise OSError(errno.ENOSPC, "No space left on device")

        def __init__(self) -> None:
            self.refuse("open")

        def add_scalar(self, *arguments: object) -> None:
            self.refuse("write")

        def flush(self) -> None:
            pass

        def close(self) -> None:
            self.refuse("close")

    monkeypatch.setattr(curves, "_writer", lambda folder: Full())
    with curves.board(tmp_path / "events", ROWS[:1]) as tell:
        tell(ROWS[1])
    assert told.count("write") == {"open": 0, "write": 1, "close": 10}[at]
    assert ("No space left" in caplog.text) == (at != "close")
