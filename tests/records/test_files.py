from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whyscan.errors import BadRun
from whyscan.records import files


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    files.write_bytes(path, b"old")

    def interrupted() -> None:
        with files.atomic(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == ["a.bin"]  # nothing is left beside it


def test_a_file_has_the_permissions_that_the_umask_grants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "ä")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadRun, match=r"could not be written.*another --out"):
        files.write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(BadRun, match="could not be written"):
        files.write_text(tmp_path / "file" / "b" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadRun, match="could not be written"):
        files.write_text(tmp_path / "folder", "x")


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def full() -> None:
        with files.atomic(tmp_path / "a.bin"):
            raise OSError(28, "No space left on device")

    with pytest.raises(BadRun, match="No space left on device"):
        full()
    assert list(tmp_path.iterdir()) == []


def test_json_there_and_back(tmp_path: Path) -> None:
    content = {"b": [1, 2.5, None], "a": "Größe"}
    files.write_json(tmp_path / "a.json", content)
    assert files.read_json(tmp_path / "a.json") == content
    assert "Größe" in (tmp_path / "a.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert files.read_json(tmp_path / "a.json") == content


def test_rows_there_and_back(tmp_path: Path) -> None:
    rows = [{"a": 'x,"y"\nz', "b": 1}, {"a": None, "b": 2.5}]
    files.write_rows(tmp_path / "a.csv", rows, ["a", "b"])
    assert files.read_rows(tmp_path / "a.csv") == [{"a": 'x,"y"\nz', "b": "1"}, {"a": "", "b": "2.5"}]
    with pytest.raises(ValueError, match="fields not in"):
        files.write_rows(tmp_path / "a.csv", [{"c": 1}], ["a"])


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for read in (files.read_json, files.read_rows):
        with pytest.raises(BadRun, match="missing"):
            read(tmp_path / "none")
        (tmp_path / "bad").write_bytes(b'{"a": "\xff\xfe')
        with pytest.raises(BadRun, match="damaged"):
            read(tmp_path / "bad")


def test_sha256_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


HOLD = """
import os, sys
from pathlib import Path
from whyscan.records import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
    os._exit(9)  # dies without tidying up
"""


def test_a_second_process_is_kept_out_and_a_dead_one_leaves_no_lock(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(BadRun, match="another process"), files.locked(run):
            pass
        process.communicate()
    assert process.returncode == 9
    with files.locked(run):
        pass


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadRun, match="could not be written"), files.locked(tmp_path / "file"):
        pass


def test_what_cannot_be_deleted_or_moved_is_named(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    files.write_text(tmp_path / "full" / "a", "a")
    with pytest.raises(BadRun, match="full could not be written"):
        files.remove(tmp_path / "full")  # a folder is no file
    with pytest.raises(BadRun, match="b could not be written"):
        files.rename(tmp_path / "gone", tmp_path / "b")
    files.remove(tmp_path / "gone")
    files.rename(tmp_path / "full" / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "a"


def test_a_place_that_cannot_be_written_to_is_known_before_any_work(tmp_path: Path) -> None:
    files.check_writable(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadRun, match="file is a file"):
            files.check_writable(place)
    if Path("/proc").is_dir():
        with pytest.raises(BadRun, match="/proc could not be written"):
            files.check_writable(Path("/proc/none"))
