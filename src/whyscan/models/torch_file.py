"""PyTorch weights from elsewhere: a state dict (.pt, .pth, .ckpt, .bin, .safetensors) and the name of its network.

Nothing in such a file runs: pickles are read by torch's restricted unpickler (`weights_only=True`), which makes
tensors, numbers and plain containers, and there is no other way in.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.adopt import Scaling, guess, names, readable, scaling, square
from whyscan.models.classifier import Classifier
from whyscan.models.preprocess import Normalisation, name_of, stated
from whyscan.models.skeleton import Skeleton, assembled, fitting, skeletons
from whyscan.records.geometry import Fit

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
_INSIDE = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
_SAVE = "where the model was made, run torch.save(model.state_dict(), 'weights.pth') and give that file"


def open_weights(
    path: str | Path,
    *,
    backbone: str | None = None,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
) -> Classifier:
    """A classifier from a file of weights. It is a white box.

    Args:
        path: a state dict, alone or inside a checkpoint; prefixes such as "module." and "model." are taken off.
        backbone: a name of the table of backbones, of timm, of torchvision.models ("torchvision:..." if only that one
            is meant) or "monai:DenseNet121"; None where the metadata of a .safetensors file says it.
        classes: class names in the order of the head; "class 0" and so on by default.
        input_size: pixels a side, or (height, width); that of the backbone by default.
        preprocess: "auto": what the file says, else what the backbone's published weights were trained with; or a
            name such as "/255", "x/127.5-1", "imagenet", "caffe".
        fit: how scans are brought to that size.
        name: what it is called in tables; the file's name by default.

    Raises:
        BadModel: not a state dict, a pickle that holds more than tensors, a backbone that is unknown or missing,
            weights that do not fit it (which are missing, unexpected or of another shape), other class names than the
            head is wide.
    """
    path = Path(path)
    tensors, metadata = read_state(path)
    backbone = backbone or metadata.get("timm_model") or metadata.get("backbone") or None
    if backbone is None:
        raise BadModel(
            f"{path} does not say which network its {len(tensors)} tensors are for",
            "the name of a backbone, such as resnet50",
            'name it: backbone="resnet50" (--backbone resnet50; study, train: --model-backbone NAME=resnet50)',
        )
    options = [fitting(skeleton, tensors) for skeleton in skeletons(backbone)]
    best = max(options, key=lambda option: option.matched)
    file_says = stated(metadata, path)
    skeleton: Skeleton = best.skeleton
    auto = Scaling(file_says, f"{name_of(file_says)}: the file says so") if file_says else _usual(skeleton)
    size = square(input_size or skeleton.input_size)
    width = best.width(path)
    return assembled(
        best,
        names(classes, width, path.name),
        size,
        scaling(preprocess, auto),
        fit=fit,
        name=name or path.stem,
        origin=path,
        backbone=backbone,
    )


def _usual(skeleton: Skeleton) -> Scaling:
    if skeleton.library == "monai":
        return guess(skeleton.normalisation, "MONAI's own bundles scale pixels to [0, 1]")
    published = f"the published weights of {skeleton.architecture} were trained with it"
    return guess(skeleton.normalisation, f"{published} (yours may not have been)")


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, and the metadata of a .safetensors file.

    Raises:
        BadModel: missing, too large, damaged, or not a state dict.
    """
    readable(path)
    if path.suffix == ".safetensors":
        return weights.read_tensors(path)
    _check_archive(path)
    state = _state_of(_unpickled(path), path)
    spread = sum(value.numel() * value.element_size() for value in state.values())
    if spread > 2 * path.stat().st_size:
        raise BadModel(
            f"{path} spreads {path.stat().st_size} bytes over tensors of {spread}",
            "tensors as large as the file",
            _SAVE,
        )
    return state, {}


def _check_archive(path: Path) -> None:
    """Refuses TorchScript and exported programs, which are programs, and archives that grow when unpacked."""
    if not zipfile.is_zipfile(path):
        return  # torch's format before 1.6: a plain pickle, read by the same unpickler
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    inside = {entry.filename.partition("/")[2] for entry in entries}
    if "constants.pkl" in inside or "models/model.json" in inside:
        raise BadModel(
            f"{path} holds a program (TorchScript or torch.export)",
            "a state dict",
            "open it without backbone (--backbone)",
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise BadModel(f"{path} holds compressed entries", "an archive as torch.save writes it", _SAVE)


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # a stranger's bytes raise anything: KeyError, struct.error, RecursionError...
        if found := re.search(r"(?:GLOBAL|Unsupported global:?|class) ([\w.]+(?: [\w.]+)?)", str(error)):
            raise BadModel(
                f"{path} holds more than tensors (it asks for {found[1].removeprefix('GLOBAL ')}): "
                "a pickled module can run code when it is opened",
                "a state dict",
                _SAVE,
            ) from error
        raise _damaged(path, error) from error


def _state_of(value: Any, path: Path, depth: int = 0) -> dict[str, Tensor]:
    """The mapping of names to tensors, in the value or up to two levels inside it."""
    if isinstance(value, Mapping):
        for key in _INSIDE if depth < 2 else ():
            if isinstance(value.get(key), Mapping):
                return _state_of(value[key], path, depth + 1)
        found = {k: v.detach() for k, v in value.items() if isinstance(k, str) and isinstance(v, Tensor)}
        if found and all(tensor.layout == torch.strided and not tensor.is_quantized for tensor in found.values()):
            return found
    came = f"a dict of {', '.join(map(repr, list(value)[:6]))}" if isinstance(value, Mapping) else type(value).__name__
    raise BadModel(f"{path} holds {came}", "a state dict: names and tensors", _SAVE)


def _damaged(path: Path, error: Exception) -> BadModel:
    reason = " ".join(str(error).split())[:160]
    return BadModel(f"{path} cannot be read ({type(error).__name__}: {reason})", "a state dict as torch.save writes it",
                    "copy the file again")  # fmt: skip
