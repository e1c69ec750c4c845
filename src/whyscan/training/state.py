"""What a training needs to go on after it was killed: tensors as safetensors, the rest as JSON, never a pickle.

Tensor files have names of their own for every epoch, and `state.json`, which names them, takes its place last:
whatever moment the process dies in, the folder holds one whole state.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.training.curves import EpochRow

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Weights worth keeping.

    Attributes:
        epoch, phase: when.
        part: how much of that epoch had been learned, in (0, 1]; below 1 only while the head learns alone.
        accuracy, loss: on the validation scans.
        tensors: by their names in the network; what is missing is as the training found it.
    """

    epoch: int
    phase: str
    part: float
    accuracy: float
    loss: float
    tensors: Tensors = field(repr=False)

    @property
    def mark(self) -> str:
        return f"{self.epoch:04}-{round(self.part * 1000):04}"


@dataclass
class State:
    """A training's memory.

    Attributes:
        about: settings, data, backbone: what must be the same for a training to go on.
        rows: the finished epochs.
        last: weights and optimiser after the last of them.
        best: of the highest validation accuracy, the lower loss deciding ties.
        weak: those that may become the weak model: see `weak.shortlist`.
        note: why the training ended before its time; empty where it did not.
    """

    about: Mapping[str, Any]
    rows: list[EpochRow] = field(default_factory=list)
    last: Tensors = field(default_factory=dict)
    best: Snapshot | None = None
    weak: list[Snapshot] = field(default_factory=list)
    note: str = ""


def save(state: State, folder: Path) -> None:
    """Raises BadRun where the folder cannot be written to."""
    last = f"last-{len(state.rows):04}.safetensors"
    files.write_bytes(folder / last, _bytes(state.last))
    document: dict[str, Any] = {
        "about": state.about,
        "rows": [asdict(row) for row in state.rows],
        "note": state.note,
        "last": last,
        "best": None if state.best is None else _write("best", state.best, folder),
        "weak": [_write("weak", each, folder) for each in state.weak],
    }
    files.write_json(folder / "state.json", document)
    named = {last, *(each["file"] for each in (document["best"], *document["weak"]) if each)}
    for old in folder.glob("*.safetensors"):
        if old.name not in named:
            files.remove(old)


def _write(role: str, snapshot: Snapshot, folder: Path) -> dict[str, Any]:
    name = f"{role}-{snapshot.mark}.safetensors"
    if not (folder / name).is_file():
        files.write_bytes(folder / name, _bytes(snapshot.tensors))
    return {"file": name, **{key: getattr(snapshot, key) for key in ("epoch", "phase", "part", "accuracy", "loss")}}


def load(folder: Path) -> State | None:
    """The state of an interrupted training, or None where there is none.

    Raises:
        BadRun: it is damaged.
    """
    if not (folder / "state.json").is_file():
        return None
    document = files.read_json(folder / "state.json")
    try:
        return State(
            document["about"],
            [EpochRow(**row) for row in document["rows"]],
            load_file(folder / document["last"]),
            None if document["best"] is None else _read(document["best"], folder),
            [_read(each, folder) for each in document["weak"]],
            document["note"],
        )
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise BadRun(
            f"{folder} is damaged ({error})", "the state of a training", f"delete {folder} and resume: it is made anew"
        ) from error


def _read(entry: Mapping[str, Any], folder: Path) -> Snapshot:
    rest = {key: value for key, value in entry.items() if key != "file"}
    return Snapshot(**rest, tensors=load_file(folder / entry["file"]))


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _bytes(tensors: Tensors) -> bytes:
    return to_bytes({name: tensor.detach().contiguous() for name, tensor in tensors.items()})
