"""Weights are data: safetensors files are read as tensors, never as code, and checked before they are used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.preprocess import Normalisation, stated

HEADS = ("classifier.", "fc.", "head.", "last_linear.", "logits.", "pre_logits.", "aux_logits.", "AuxLogits.")
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """A weights file and what it says of itself.

    Attributes:
        tensors: name -> values, the names as in the timm trunk.
        architecture: timm's name of the model they belong to, or "" where the file does not say.
        arguments: what timm.create_model must be given for the weights to mean what they meant.
        normalisation: how their pixels were scaled, or None where the file does not say.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    architecture: str = ""
    arguments: Mapping[str, Any] | None = None
    normalisation: Normalisation | None = None


def read_weights(path: Path) -> WeightsFile:
    """Read a safetensors file: a trunk of timm's, or the model.safetensors of a run, whose trunk is taken.

    The metadata may hold `timm_model`, `timm_kwargs` (a JSON object) and `input` ("224 RGB x/127.5-1").

    Raises:
        BadModel: missing, damaged, not safetensors, or its metadata cannot be understood.
    """
    tensors, metadata = read_tensors(path)
    if any(name.startswith("trunk.") for name in tensors):
        tensors = {name.removeprefix("trunk."): value for name, value in tensors.items() if name.startswith("trunk.")}
    try:
        arguments = json.loads(metadata.get("timm_kwargs", "{}"))
        if not isinstance(arguments, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise BadModel(
            f"{path}: its metadata's timm_kwargs is damaged ({error})", "a JSON object", "write the file again"
        ) from error
    return WeightsFile(path, tensors, metadata.get("timm_model", ""), arguments, stated(metadata, path))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, and its metadata.

    Raises:
        BadModel: missing, damaged or not safetensors.
    """
    if not path.is_file():
        raise BadModel(f"{path} is not a file", "a .safetensors file", "check the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadModel(
            f"{path} cannot be read as safetensors ({error})",
            "a whole .safetensors file (pickled .pt, .pth and .bin files are refused: they can run code)",
            "copy the file again, or convert it to safetensors",
        ) from error


def put(module: nn.Module, tensors: Mapping[str, Tensor], origin: str, *, ignore: tuple[str, ...] = HEADS) -> None:
    """Load tensors into a module, every one of them or none.

    Batch counters of batch normalisation may be missing: they have no part in the output.

    Args:
        origin: where the tensors come from, for the error.
        ignore: tensors whose names begin so may be there without being asked for; by default classification heads.

    Raises:
        BadModel: names or shapes do not fit, or a value is not finite; lists the first few with counts.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unknown = [name for name in tensors if name not in own and not name.startswith(ignore)]
    shapes = [
        f"{name} {tuple(value.shape)} for {tuple(own[name].shape)}"
        for name, value in tensors.items()
        if name in own and value.shape != own[name].shape
    ]
    faults = [
        f"{len(found)} {kind} ({', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''})"
        for kind, found in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if found
    ]
    if faults:
        raise BadModel(
            f"{origin} does not fit the architecture: {'; '.join(faults)}",
            f"the {len(own)} tensors of {type(module).__name__}",
            "name the backbone that the weights were made for",
        )
    bad = [name for name, value in tensors.items() if name in own and not torch.isfinite(value).all()]
    if bad:
        raise BadModel(
            f"{origin} holds NaN or infinity in {len(bad)} tensors ({', '.join(bad[:_SHOWN])})",
            "finite weights",
            "use another checkpoint",
        )
    module.load_state_dict({name: tensors.get(name, value) for name, value in own.items()})


def serialise(module: nn.Module) -> bytes:
    """A module's tensors as safetensors; the same values give the same bytes."""
    return save({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()})


def digest(module: nn.Module) -> str:
    """SHA-256 of `serialise(module)`: of the model.safetensors that would be written."""
    return hashlib.sha256(serialise(module)).hexdigest()
