from __future__ import annotations

from pathlib import Path

import pytest
import torch

from whyscan.errors import BadRun
from whyscan.training import state as states
from whyscan.training.curves import EpochRow
from whyscan.training.state import Snapshot, State


def _row(epoch: int) -> EpochRow:
    return EpochRow(epoch, "head", 1 / 3, 0.5, 2 / 7, 0.25, 1e-3, 1.25, 48)


def _state() -> State:
    best = Snapshot(2, "head", 1.0, 0.9, 0.3, {"w": torch.tensor([1.0, 2.0])})
    weak = Snapshot(1, "head", 0.375, 0.8, 0.6, {"w": torch.tensor([0.5])})
    last = {"w": torch.tensor([3.0]), "count": torch.tensor(7)}
    return State({"seed": 0, "input": [48, 48]}, [_row(1), _row(2)], last, best, [weak])


def test_a_state_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    states.save(_state(), tmp_path)
    found = states.load(tmp_path)
    assert found is not None
    assert (found.about, found.rows, found.note) == (_state().about, _state().rows, "")
    assert found.best
    (weak,) = found.weak
    assert (found.best.epoch, found.best.part, weak.part, weak.accuracy) == (2, 1.0, 0.375, 0.8)
    assert torch.equal(found.best.tensors["w"], torch.tensor([1.0, 2.0]))
    assert torch.equal(found.last["count"], torch.tensor(7))


def test_only_the_newest_files_stay(tmp_path: Path) -> None:
    state = _state()
    states.save(state, tmp_path)
    state.rows.append(_row(3))
    states.save(state, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best-0002-1000.safetensors", "last-0003.safetensors", "state.json", "weak-0001-0375.safetensors"
    ]  # fmt: skip


def test_a_kill_between_the_tensors_and_their_record_loses_one_epoch_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _state()
    states.save(state, tmp_path)
    state.rows.append(_row(3))
    state.last = {"w": torch.tensor([9.0])}
    state.best = Snapshot(3, "head", 1.0, 0.95, 0.2, {"w": torch.tensor([8.0])})

    def die(path: Path, content: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(states.files, "write_json", die)
        states.save(state, tmp_path)
    found = states.load(tmp_path)
    assert found is not None and found.best is not None
    assert len(found.rows) == 2 and found.best.epoch == 2
    assert torch.equal(found.last["w"], torch.tensor([3.0]))


def test_no_state_is_none_and_clear_makes_it_so(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert states.load(folder) is None
    states.save(State({}, last={"w": torch.zeros(1)}), folder)
    assert states.load(folder) is not None
    states.clear(folder)
    assert states.load(folder) is None and not folder.exists()
    states.clear(folder)


@pytest.mark.parametrize("damage", ["no tensors", "short tensors", "not JSON", "another document"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    states.save(_state(), tmp_path)
    tensors = tmp_path / "best-0002-1000.safetensors"
    if damage == "no tensors":
        tensors.unlink()
    elif damage == "short tensors":
        tensors.write_bytes(tensors.read_bytes()[:-3])
    else:
        (tmp_path / "state.json").write_text("{" if damage == "not JSON" else '{"files": 3}')
    with pytest.raises(BadRun, match="damaged"):
        states.load(tmp_path)
