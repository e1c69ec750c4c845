"""The processes that look at a file first: they are ended by what they compute, not by how busy the machine is."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import fuzz
import h5py
import pytest
import seeds

from whyscan.data import hdf5
from whyscan.errors import BadModel
from whyscan.models import script_file

SPIN = "while True: pass"
WAIT = "import time; time.sleep(2.5)"


def stand_in(folder: Path, original: Path, code: str) -> Path:
    """The probe as it is, but for what it does once its limit is set."""
    text = original.read_text()
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("    limit(int(sys.argv[1]))"))
    lines.insert(place + 1, f"    exec({code!r})")
    (folder / original.name).write_text("\n".join(lines))
    return folder / "reader.py"


@pytest.fixture
def held(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["numbers"] = [1.0, 2.0]
    return tmp_path / "model.h5"


def test_an_hdf5_file_that_never_ends_is_refused(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Path(hdf5.__file__).with_name("hdf5_probe.py")
    monkeypatch.setattr(hdf5, "__file__", str(stand_in(held.parent, probe, SPIN)))
    monkeypatch.setattr(hdf5, "PATIENCE_S", 0)
    with pytest.raises(BadModel, match="no answer in 0 s"), hdf5.opened(str(held), "model.h5", BadModel):
        pass


def test_an_hdf5_file_that_waits_for_its_turn_is_read(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Path(hdf5.__file__).with_name("hdf5_probe.py")
    monkeypatch.setattr(hdf5, "__file__", str(stand_in(held.parent, probe, WAIT)))
    monkeypatch.setattr(hdf5, "PATIENCE_S", 0)
    with hdf5.opened(str(held), "model.h5", BadModel) as file:
        assert list(file["numbers"]) == [1.0, 2.0]


def test_a_program_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds.KINDS["torchscript"].make(path := tmp_path / "model.pt")
    assert zipfile.is_zipfile(path)
    seeds.open_file("torchscript", path)
    probe = Path(script_file.__file__).with_name("script_probe.py")
    monkeypatch.setattr(script_file, "__file__", str(stand_in(tmp_path, probe, SPIN)))
    monkeypatch.setattr(script_file, "PATIENCE_S", 0)
    with pytest.raises(BadModel, match="no answer in 0 s"):
        seeds.open_file("torchscript", path)


def test_a_small_file_for_which_the_library_took_a_gigabyte(tmp_path: Path) -> None:
    """The fuzzer's find 1032 of seed 104: 17 kB, and a name that lies at a wrong place of the heap."""
    valid = seeds.make(tmp_path / "valid", ["h5"])["h5"]
    path = seeds.lay(tmp_path / "mutated", "h5", valid, fuzz.mutated(valid, "h5", 1032, 104))
    worker = fuzz.Worker(tmp_path / "valid")
    try:
        found = worker.ask("h5", 1032, path)
    finally:
        worker.stop()
    assert found.word == "refused", found
    assert found.memory < 2e8


def test_a_file_in_memory_is_looked_at_first_as_well(held: Path) -> None:
    content = held.read_bytes()
    with hdf5.opened(io.BytesIO(content), "model.keras", BadModel) as file:
        assert list(file["numbers"]) == [1.0, 2.0]
    with pytest.raises(BadModel, match="damaged"), hdf5.opened(io.BytesIO(content[:600]), "model.keras", BadModel):
        pass
