"""What kind of model a file is, by its first bytes; its ending is only asked where those say nothing."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Literal

from whyscan.errors import BadModel

Kind = Literal["keras", "weights", "program", "onnx"]
"""A Keras file, tensors by name, a TorchScript or torch.export program, an ONNX graph."""

LIMIT = 8 * 2**30
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ENDINGS: dict[str, Kind] = {
    ".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".onnx": "onnx", ".pt": "weights", ".pth": "weights",
    ".ckpt": "weights", ".bin": "weights", ".safetensors": "weights", ".pt2": "program",
}  # fmt: skip
READABLE = "a model folder of `whyscan train`, .keras, .h5, .onnx, .pt, .pth, .pt2 or .safetensors"


def kind_of(path: Path) -> Kind:
    """Raises BadModel for what is no model file, is empty, larger than 8 GiB, or of a kind that is not read."""
    if path.is_dir():
        raise _refused_folder(path)
    if not path.is_file():
        raise BadModel(f"{path} is missing", READABLE, "check the path")
    size = path.stat().st_size
    if not 0 < size <= LIMIT:
        raise BadModel(f"{path} is {size} bytes long", f"1 to {LIMIT} bytes", "copy the file again")
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_HDF5):
        return "keras"
    if head.startswith(b"PK\x03\x04"):
        return _of_archive(path)
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or _is_safetensors(head, size):
        return "weights"
    _refuse_known(path, head)
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42"):
        return "onnx"  # field 1, the version, then one of the fields that follow it
    if kind := _ENDINGS.get(path.suffix.lower()):
        return kind  # damaged, perhaps: its own reader says how
    raise BadModel(f"{path} is not a model file that is known", READABLE, "save the model as one of these")


def _of_archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadModel(f"{path} is a damaged archive ({error})", READABLE, "copy the file again") from error
    inside = {name.rpartition("/")[2] for name in names}
    if "config.json" in inside and any(name.endswith((".h5", ".npz")) for name in names):
        return "keras"
    if "constants.pkl" in inside or "archive_format" in inside or any("models/model.json" in name for name in names):
        return "program"
    if "data.pkl" in inside:
        return "weights"
    raise BadModel(
        f"{path} is an archive of {', '.join(names[:4]) or 'nothing'}", READABLE, "give the model's own file"
    )


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size


def _refuse_known(path: Path, head: bytes) -> None:
    if head[4:8] == b"TFL3":
        raise BadModel(f"{path} is a TensorFlow Lite model", READABLE, "give the Keras model that it was made from")
    if head.startswith(b"version https://git-lfs"):
        raise BadModel(f"{path} is a Git LFS pointer, not the model", "the file itself", "run git lfs pull")
    if head.lstrip()[:1] == b"<":
        raise BadModel(f"{path} is a web page, not a model", "the file itself", "download it again")


def _refused_folder(path: Path) -> BadModel:
    if (path / "saved_model.pb").is_file():
        mend = 'where the model was made, run model.save("model.keras")'
        return BadModel(f"{path} is a TensorFlow SavedModel, which is a program", READABLE, mend)
    return BadModel(f"{path} is a folder without model.json", READABLE, "check the path")
