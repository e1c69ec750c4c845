"""One tiny valid file of every format that whyscan reads, and how it is opened."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("glioma", "meningioma", "pituitary")
SIDE = 8


@dataclass(frozen=True)
class Kind:
    """A format: the file's name, what writes a valid one, and what opens it."""

    file: str
    make: Callable[[Path], None]
    open: Callable[[Path], None]


def make(folder: Path, kinds: Sequence[str] = ()) -> dict[str, Path]:
    """Write a valid file of every kind, each in a folder of its own; {kind: file}."""
    for kind in kinds or KINDS:
        path = folder / kind / KINDS[kind].file
        path.parent.mkdir(parents=True)
        KINDS[kind].make(path)
    return existing(folder)


def existing(folder: Path) -> dict[str, Path]:
    return {kind: path for kind, each in KINDS.items() if (path := folder / kind / each.file).is_file()}


def lay(folder: Path, kind: str, valid: Path, content: bytes) -> Path:
    """Put a mutated file in the place of the valid one, beside the files that belong to it."""
    home = folder / kind
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(valid.parent, home)
    path = home / valid.name
    path.write_bytes(content)
    return path


def open_file(kind: str, path: Path) -> str:
    """Open it and use it once. Raises what whyscan raises."""
    KINDS[kind].open(path)
    return "opened"


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (24, 24), dtype=np.uint8)


def _scan(path: Path) -> None:
    import whyscan

    scan = whyscan.read_scan(path)
    assert np.isfinite(scan.pixels).all()
    assert scan.pixels.min() >= 0
    assert scan.pixels.max() <= 1


def _model(path: Path, **options: Any) -> None:
    import whyscan

    _answer(whyscan.load(path, classes=CLASSES, **{"input_size": SIDE, **options}))


def _weights_of_a_backbone(path: Path) -> None:
    _model(path, backbone="mobilenetv2_035", input_size=32)


def _folder(path: Path) -> None:
    import whyscan

    _answer(whyscan.load(path.parent))


def _answer(classifier: Any) -> None:
    scores = classifier.predict(np.full((2, 3, *classifier.input_size), 0.5, np.float32))
    assert np.isfinite(scores).all()


def _image(format: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from PIL import Image

        Image.fromarray(pixels()).save(path, format=format)

    return write


def _trained(path: Path) -> None:
    from whyscan.models import backbones, checkpoint

    checkpoint.save(backbones.build("mobilenetv2_035", "none", CLASSES, input_size=32), path.parent)


def _network(seed: int = 0) -> Any:
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
        return nn.Sequential(*layers).eval()


def _state_dict(path: Path) -> None:
    import torch

    from whyscan.models import torchvision_shim

    torchvision_shim.ensure()
    import timm

    torch.save(timm.create_model("mobilenetv2_035", num_classes=len(CLASSES)).state_dict(), path)


def _script(path: Path) -> None:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; its files are not gone
        torch.jit.save(torch.jit.trace(_network(), torch.zeros(1, 3, SIDE, SIDE)), path)


def _onnx(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    arrays = {
        "kernel": rng.normal(size=(4, 3, 3, 3)), "bias": rng.normal(size=4),
        "dense": rng.normal(size=(3, 4)), "offset": rng.normal(size=3),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["input", "kernel", "bias"], ["conv"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"], "relu"),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"], "pool"),
        helper.make_node("Flatten", ["pool"], ["flat"], "flat"),
        helper.make_node("Gemm", ["flat", "dense", "offset"], ["logits"], "dense", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in arrays.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def keras_config() -> dict[str, Any]:
    """A functional model: convolution, batch norm, pooling, dense softmax."""

    def layer(class_name: str, name: str, before: str | None, **config: Any) -> dict[str, Any]:
        nodes = [] if before is None else [[[before, 0, 0, {}]]]
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    layers = [
        layer("InputLayer", "input_1", None, batch_input_shape=[None, SIDE, SIDE, 3], dtype="float32", sparse=False),
        layer(
            "Conv2D", "conv", "input_1", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="same",
            data_format="channels_last", dilation_rate=[1, 1], groups=1, activation="relu", use_bias=True,
        ),
        layer("BatchNormalization", "bn", "conv", axis=[3], momentum=0.99, epsilon=0.001, center=True, scale=True),
        layer("GlobalAveragePooling2D", "pool", "bn", data_format="channels_last"),
        layer("Dense", "dense", "pool", units=3, activation="softmax", use_bias=True),
    ]  # fmt: skip
    config = {"name": "tiny", "layers": layers, "input_layers": [["input_1", 0, 0]], "output_layers": [["dense", 0, 0]]}
    return {"class_name": "Functional", "config": config}


def keras_weights() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        "conv": {"kernel": rng.normal(size=(3, 3, 3, 4)), "bias": np.zeros(4)},
        "bn": {
            "gamma": np.ones(4), "beta": np.zeros(4), "moving_mean": np.zeros(4), "moving_variance": np.ones(4),
        },
        "dense": {"kernel": rng.normal(size=(4, 3)), "bias": np.zeros(3)},
    }  # fmt: skip


def _h5(path: Path) -> None:
    write_h5(path, keras_config())


def write_h5(path: Path, config: Mapping[str, Any]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.4.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        weights = keras_weights()
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            own = group.create_group(name)
            own.attrs["weight_names"] = [f"{name}/{each}:0".encode() for each in arrays]
            for each, value in arrays.items():
                own.create_dataset(f"{name}/{each}:0", data=value.astype(np.float32))


def _keras(path: Path) -> None:
    write_keras(path, keras_config())


def write_keras(path: Path, config: Mapping[str, Any]) -> None:
    import h5py

    names = {"conv": "conv2d", "bn": "batch_normalization", "dense": "dense"}
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for name, arrays in keras_weights().items():
            for place, value in enumerate(arrays.values()):
                file.create_dataset(f"layers/{names[name]}/vars/{place}", data=value.astype(np.float32))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1", "date_saved": "2026-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", held.getvalue())


def _dicom(path: Path) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MRImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["safety"])
    found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    found.SeriesInstanceUID = found.StudyInstanceUID = generate_uid(entropy_srcs=["series"])
    found.Modality, found.PhotometricInterpretation = "MR", "MONOCHROME2"
    found.Rows = found.Columns = 24
    found.SamplesPerPixel, found.BitsAllocated, found.BitsStored, found.HighBit = 1, 16, 12, 11
    found.PixelRepresentation = 0
    found.ImagePositionPatient, found.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    found.PixelSpacing, found.WindowCenter, found.WindowWidth = [1, 1], 128, 256
    found.PixelData = pixels().astype("<u2").tobytes()
    found.save_as(path)


def _nifti(path: Path) -> None:
    import nibabel

    values = np.random.default_rng(0).integers(0, 900, (8, 9, 4)).astype(np.int16)  # so that the header is much of it
    image = nibabel.Nifti1Image(values, np.diag([-2.0, 2.0, 3.0, 1.0]))
    image.header.set_slope_inter(0.5, -10.0)
    image.header.set_qform(image.affine, 1)
    nibabel.save(image, path)


def _mat(path: Path) -> None:
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_group("cjdata")
        data["image"], data["tumorMask"] = pixels().astype(np.int16), (pixels(1) > 200).astype(np.uint8)
        data["label"], data["PID"] = np.array([[2.0]]), np.array([[80], [49]], np.uint16)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124, b" ") + b"\x00\x02IM")


def _slice_of_volume(path: Path) -> None:
    import whyscan

    scan = whyscan.read_scan(path, slice=3)
    assert np.isfinite(scan.pixels).all()
    assert scan.pixels.min() >= 0
    assert scan.pixels.max() <= 1
    assert scan.place is not None and scan.place.affine is not None and np.isfinite(scan.place.affine).all()


KINDS: Mapping[str, Kind] = {
    "png": Kind("scan.png", _image("PNG"), _scan),
    "jpeg": Kind("scan.jpg", _image("JPEG"), _scan),
    "tiff": Kind("scan.tif", _image("TIFF"), _scan),
    "folder": Kind("model.safetensors", _trained, _folder),
    "record": Kind("model.json", _trained, _folder),
    "h5": Kind("model.h5", _h5, _model),
    "keras": Kind("model.keras", _keras, _model),
    "state-dict": Kind("model.pt", _state_dict, _weights_of_a_backbone),
    "torchscript": Kind("model.pt", _script, _model),
    "onnx": Kind("model.onnx", _onnx, _model),
    "dicom": Kind("slice.dcm", _dicom, _scan),
    "mat": Kind("slice.mat", _mat, _scan),
    "nifti": Kind("volume.nii", _nifti, _slice_of_volume),
    "nifti-gz": Kind("volume.nii.gz", _nifti, _slice_of_volume),
}
