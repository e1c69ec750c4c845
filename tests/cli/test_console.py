"""What commands share: bars that go when their work is done, and no traceback for a full disk."""

from __future__ import annotations

import errno
import inspect
import json
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from whyscan.cli import console
from whyscan.cli.main import COMMANDS
from whyscan.errors import BadScan


@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "epoch.csv"), "BadRun", 3),
        (OSError("odd"), "BadRun", 3),
        (BadScan("a came", "b", "c"), "BadScan", 2),
    ],
)
def test_errors_become_a_document_and_an_exit_code(
    error: Exception, name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, console.exits(True):
        raise error
    assert end.value.code == code
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["error"] == name
    assert document["came"] in " ".join(said.err.split())
    assert "Traceback" not in said.err


def test_a_full_disk_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), console.exits(False):
        raise OSError(errno.ENOSPC, "No space left on device", "epoch.csv")
    said = capsys.readouterr()
    assert "No space left on device (epoch.csv)" in said.err
    assert not said.out


def test_an_interrupted_command_has_its_own_code_and_offers_nothing_that_it_has_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end, console.exits(False):
        raise KeyboardInterrupt
    assert end.value.code == console.INTERRUPTED
    assert capsys.readouterr().err == "Interrupted.\n"
    with pytest.raises(SystemExit), console.exits(False, console.RESUMES):
        raise KeyboardInterrupt
    assert "--resume goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_resume_is_offered_by_the_commands_that_have_it(command, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def exits(_json: bool, interrupted: str = "") -> None:
        said.append(interrupted)
        raise SystemExit

    monkeypatch.setattr(console, "exits", exits)
    parameters = inspect.signature(command).parameters
    with pytest.raises(SystemExit):
        command(**{name: "x" for name, each in parameters.items() if each.default is each.empty})
    assert ("--resume" in said[0]) == ("resume" in parameters)


def test_a_bar_goes_when_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Bars] = []

    def bars(*args: Any, **kwargs: Any) -> Bars:
        made.append(Bars(*args, **kwargs))
        return made[0]

    monkeypatch.setattr(console, "Bars", bars)
    monkeypatch.setattr(console, "Console", lambda **_: Console(force_terminal=True, quiet=True))
    with console.bars() as progress:
        progress("outer", 0, 2)
        for epoch in range(3):
            for step in range(3):
                progress(f"net, epoch {epoch + 1}", step, 3)
            assert [task.description for task in made[0].tasks] == ["outer", f"net, epoch {epoch + 1}"]
            progress(f"net, epoch {epoch + 1}", 3, 3)
            assert [task.description for task in made[0].tasks] == ["outer"]
        progress("nothing to do", 0, 0)
        progress("outer", 1, 2)
        (outer,) = made[0].tasks
        assert (outer.completed, outer.total) == (1, 2)


def test_outside_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with console.bars() as progress:
        progress("work", 1, 2)
    assert capsys.readouterr() == ("", "")
