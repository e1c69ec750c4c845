"""Model files made by an enemy: each is refused by name, and nothing in it ever runs."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeds

import whyscan
from whyscan.errors import BadInput, BadModel

SECRET = "the-secret-that-nobody-asked-for"


class Touch:
    """A pickle of it touches a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "outside" / "secret.txt"
    path.parent.mkdir()
    path.write_text(SECRET * 50)
    return path


def refused(path: Path, canary: Path, **options: Any) -> str:
    """The message with which a file is refused; fails if it opens or if the canary was touched."""
    with pytest.raises(BadModel) as caught:
        whyscan.load(path, **{"classes": seeds.CLASSES, "input_size": seeds.SIDE, **options})
    assert not canary.exists(), "something in the file ran"
    assert SECRET not in str(caught.value)
    return str(caught.value)


# pickles


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt", ".bin"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_bare_pickle(ending: str, protocol: int, tmp_path: Path, canary: Path) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(pickle.dumps({"weight": Touch(canary)}, protocol=protocol))
    refused(path, canary)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_in_torchs_own_formats(legacy: bool, nested: bool, tmp_path: Path, canary: Path) -> None:
    import torch

    held: Any = {"head.weight": torch.zeros(3, 4), "extra": Touch(canary)}
    path = tmp_path / "model.pt"
    torch.save({"state_dict": held} if nested else held, path, _use_new_zipfile_serialization=not legacy)
    refused(path, canary, backbone="mobilenetv2_035")


def test_a_whole_module_says_how_to_save_a_state_dict(tmp_path: Path, canary: Path) -> None:
    import torch

    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 3), path)
    assert "state_dict" in refused(path, canary, backbone="mobilenetv2_035")


def test_a_pickle_called_safetensors_or_keras(tmp_path: Path, canary: Path) -> None:
    for name in ("model.safetensors", "model.h5", "model.keras", "model.onnx"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Touch(canary)))
        refused(path, canary)


# safetensors


def _safetensors(header: bytes, length: int | None = None, body: bytes = b"\0" * 16) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + body


@pytest.mark.parametrize(
    "content",
    [
        _safetensors(b"{}", 2**63),
        _safetensors(b"{}", 2**31),
        _safetensors(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
        ),
        _safetensors(b'{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}'),
        _safetensors(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,16]}}'),
        _safetensors(
            b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
        ),
        _safetensors(b'{"a":' + b"[" * 100_000),
    ],
    ids=["2^63", "2^31", "overlap", "negative", "huge", "twice", "deep"],
)
def test_a_safetensors_header_that_lies(content: bytes, tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(path, canary, backbone="mobilenetv2_035")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architecture", "hf-hub:somebody/model"),
        ("architecture", "local-dir:/etc"),
        ("arguments", {"pretrained_cfg": {"file": "/etc/passwd"}}),
        ("arguments", {"checkpoint_path": "/etc/passwd"}),
        ("backbone", "../../outside"),
        ("input_size", [10**9, 10**9]),
        ("head", "__import__('os').system('true')"),
    ],
)
def test_a_record_that_asks_for_more_than_a_network(key: str, value: Any, tmp_path: Path, canary: Path) -> None:
    folder = seeds.make(tmp_path, ["folder"])["folder"].parent
    record = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(record | {key: value}))
    with pytest.raises(BadInput):
        whyscan.load(folder)
    assert not canary.exists()


def test_weights_that_are_not_those_of_the_record(tmp_path: Path) -> None:
    path = seeds.make(tmp_path, ["folder"])["folder"]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadModel, match="SHA-256"):
        whyscan.load(path.parent)


# Keras


def _lambda(canary: Path) -> list[dict[str, Any]]:
    code = base64.b64encode(marshal.dumps(compile(f"open({str(canary)!r}, 'w')", "f", "exec"))).decode()
    marshalled = {"class_name": "__lambda__", "config": {"code": code}}
    imported = {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"}
    return [
        {"class_name": "Lambda", "config": {"name": "evil", "function": [code, None, None], "function_type": "lambda"}},
        {
            "class_name": "Lambda",
            "config": {"name": "evil", "function": marshalled},
            "module": "keras.layers",
        },
        {"class_name": "Activation", "config": {"name": "evil", "activation": marshalled}},
        {"class_name": "Activation", "config": {"name": "evil", "activation": imported}},
        {"class_name": "TFSMLayer", "config": {"name": "evil", "filepath": "/etc"}, "module": "keras.layers"},
        {"class_name": "Popen", "config": {"name": "evil", "args": ["touch", str(canary)]}, "module": "subprocess"},
        {"class_name": "Mine", "config": {"name": "evil"}, "module": "mine", "registered_name": "mine>Mine"},
        {"class_name": "TorchModuleWrapper", "config": {"name": "evil", "module": code}, "module": "keras.layers"},
    ]  # fmt: skip


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("write", [seeds.write_h5, seeds.write_keras], ids=["h5", "keras"])
@pytest.mark.parametrize("nested", [False, True])
def test_code_in_a_keras_graph(
    place: int, write: Callable[..., None], nested: bool, tmp_path: Path, canary: Path
) -> None:
    config = seeds.keras_config()
    evil = _lambda(canary)[place] | {"name": "evil", "inbound_nodes": [[["pool", 0, 0, {}]]]}
    if nested:
        inner = [{"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [None, 4]}}, evil]
        evil = {
            "class_name": "Sequential", "name": "evil", "config": {"name": "evil", "layers": inner},
            "inbound_nodes": [[["pool", 0, 0, {}]]],
        }  # fmt: skip
    config["config"]["layers"].insert(4, evil)
    config["config"]["layers"][5]["inbound_nodes"] = [[["evil", 0, 0, {}]]]
    path = tmp_path / ("model.h5" if write is seeds.write_h5 else "model.keras")
    write(path, config)
    said = refused(path, canary)
    assert "evil" in said or _lambda(canary)[place]["class_name"] in said, said


@pytest.mark.parametrize("depth", [1_000, 200_000])
def test_json_that_is_nested_too_deep(depth: int, tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        archive.writestr("config.json", '{"class_name":' + "[" * depth + "]" * depth + "}")
        archive.writestr("model.weights.h5", b"")
    refused(path, canary)


def _archive(path: Path, change: Callable[[zipfile.ZipFile], None]) -> None:
    seeds.write_keras(path, seeds.keras_config())
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # zipfile minds a name that comes twice
        change(archive)


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("config.json", "{}")


def _climbs(archive: zipfile.ZipFile) -> None:
    archive.writestr("../../outside.txt", "climbed")


def _absolute(archive: zipfile.ZipFile) -> None:
    archive.writestr("/etc/whyscan", "absolute")


def _bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("assets/zeros", b"\0" * 300_000_000)


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("assets/link")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


@pytest.mark.parametrize("change", [_twice, _climbs, _absolute, _bomb, _link])
def test_an_archive_that_climbs_out_or_swells(change: Callable[..., None], tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "box" / "box" / "model.keras"
    path.parent.mkdir(parents=True)
    _archive(path, change)
    before = set(tmp_path.rglob("*"))
    refused(path, canary)
    assert set(tmp_path.rglob("*")) == before


def test_weights_of_a_keras_archive_that_swell(tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        archive.writestr("config.json", json.dumps(seeds.keras_config()))
        archive.writestr("model.weights.h5", b"\0" * 400_000_000)
    refused(path, canary)


# HDF5


@pytest.mark.parametrize("kind", ["external", "soft", "soft-out", "storage", "virtual", "fill"])
def test_hdf5_that_points_elsewhere(kind: str, tmp_path: Path, canary: Path, secret: Path) -> None:
    import h5py

    other = tmp_path / "outside" / "other.h5"
    with h5py.File(other, "w") as file:
        file["kernel"] = np.full((4, 3), 7.0, np.float32)
    path = seeds.make(tmp_path / "seeds", ["h5"])["h5"]
    with h5py.File(path, "r+") as file:
        group = file["model_weights/dense/dense"]
        del group["kernel:0"]
        if kind == "external":
            group["kernel:0"] = h5py.ExternalLink(str(other), "/kernel")
        elif kind == "soft":
            group["kernel:0"] = h5py.SoftLink("/model_weights/conv/conv/kernel:0")
        elif kind == "soft-out":
            group["outside"] = h5py.ExternalLink(str(other), "/")
            group["kernel:0"] = h5py.SoftLink("outside/kernel")
        elif kind == "storage":
            group.create_dataset("kernel:0", (4, 3), np.float32, external=[(str(secret), 0, 48)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4, 3), np.float32)
            layout[...] = h5py.VirtualSource(str(other), "kernel", (4, 3))
            group.create_virtual_dataset("kernel:0", layout)
        else:  # nothing is stored, and everything is filled in
            group.create_dataset("kernel:0", (2**20, 2**20), np.float32, chunks=(1024, 1024), fillvalue=1.0)
    refused(path, canary)


# ONNX


@pytest.mark.parametrize("location", ["/etc/passwd", "../outside/secret.txt", "beside.bin"])
def test_onnx_external_data(location: str, tmp_path: Path, canary: Path, secret: Path) -> None:
    import onnx

    path = seeds.make(tmp_path / "seeds", ["onnx"])["onnx"]
    model = onnx.load(path)
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "432"}.items():
        entry = kernel.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    (path.parent / "beside.bin").write_bytes(b"\0" * 432)
    refused(path, canary)


@pytest.mark.parametrize("domain", ["com.evil", "ai.onnx.contrib"])
def test_onnx_operators_of_somebody(domain: str, tmp_path: Path, canary: Path) -> None:
    import onnx

    path = seeds.make(tmp_path / "seeds", ["onnx"])["onnx"]
    model = onnx.load(path)
    model.graph.node[1].domain, model.graph.node[1].op_type = domain, "PyOp"
    model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    path.write_bytes(model.SerializeToString())
    refused(path, canary)


def test_onnx_that_declares_more_than_it_holds(tmp_path: Path, canary: Path) -> None:
    import onnx

    path = seeds.make(tmp_path / "seeds", ["onnx"])["onnx"]
    model = onnx.load(path)
    model.graph.initializer[0].dims[0] = 2**40
    path.write_bytes(model.SerializeToString())
    refused(path, canary)


# TorchScript and torch.export


def test_torchscript_that_writes_a_file(tmp_path: Path, canary: Path) -> None:
    import torch

    path = tmp_path / "model.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; its files are not gone
        module = torch.jit.ScriptModule()
        module.define(f'def forward(self, x):\n    torch.save(x, "{canary}")\n    return x.mean((2, 3))\n')
        torch.jit.save(module, path)
    refused(path, canary)


def test_an_archive_that_is_called_export_and_holds_a_pickle(tmp_path: Path, canary: Path) -> None:
    import torch

    class Tiny(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(Tiny(), (torch.zeros(1, 3, seeds.SIDE, seeds.SIDE),)), path)
    held = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(held, "w") as changed:
        for info in archive.infolist():
            content = archive.read(info)
            # every member that torch might unpickle is replaced by one that touches the canary
            pickled = content[:2] == b"PK" or content[:1] == b"\x80" or info.filename.endswith(".pt")
            changed.writestr(info.filename, _torch_pickle(canary) if pickled else content)
    path.write_bytes(held.getvalue())
    try:
        whyscan.load(path, classes=seeds.CLASSES, input_size=seeds.SIDE)
    except BadModel as error:
        assert SECRET not in str(error)
    assert not canary.exists()


def _torch_pickle(canary: Path) -> bytes:
    import torch

    held = io.BytesIO()
    torch.save(Touch(canary), held)
    return held.getvalue()
