"""Networks by name without their weights: what a state dict's names and shapes are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models import torchvision_shim, weights
from whyscan.models.adopt import Grey, Scaling
from whyscan.models.backbones import Backbone, find_backbone, timm_library
from whyscan.models.classifier import Classifier, Network, TwoClass
from whyscan.models.layers import find_layers
from whyscan.models.preprocess import IMAGENET, Normalisation
from whyscan.records import files
from whyscan.records.geometry import Fit

_WIDTH = 1009  # of a head that is only measured: no layer of any network has this many outputs


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A network by name.

    Attributes:
        library: "timm", "torchvision" or "monai".
        architecture: its name there.
        build: (width of the head, channels of the input) -> the network, with random weights.
        shapes: of every tensor, by name, for a head of 1009 outputs and three channels.
        input_size: (height, width) that it is used with by default.
        normalisation: what its published weights were trained with.
    """

    library: str
    architecture: str
    build: Callable[[int, int], nn.Module]
    shapes: Mapping[str, tuple[int, ...]]
    input_size: tuple[int, int]
    normalisation: Normalisation

    @property
    def heads(self) -> tuple[str, ...]:
        """The modules whose width is the number of classes; the main one last."""
        return tuple(key.rpartition(".")[0] for key, shape in self.shapes.items()
                     if key.endswith(".weight") and shape[0] == _WIDTH)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fitting:
    """A state dict laid beside a skeleton.

    Attributes:
        tensors: by the skeleton's names.
        ignored: tensors outside the prefix that the network's have in common.
        matched: how many names are the skeleton's.
    """

    skeleton: Skeleton
    tensors: Mapping[str, Tensor]
    ignored: tuple[str, ...]
    matched: int

    def width(self, path: Path) -> int:
        """How many outputs the head in the file has.

        Raises:
            BadModel: it has none that can be found.
        """
        for head in reversed(self.skeleton.heads):
            if (weight := self.tensors.get(f"{head}.weight")) is not None and weight.ndim:
                return int(weight.shape[0])
        head = self.skeleton.heads[-1] if self.skeleton.heads else "a head"
        inside = [key for key in self.tensors if key.startswith(f"{head.partition('.')[0]}.")]
        raise BadModel(
            f"{path} holds no {head}.weight for {self.skeleton.architecture}, "
            f"of whose {len(self.skeleton.shapes)} tensors it has {self.matched}"
            + (
                f"; its head is {', '.join(inside[:6])}, and what stands between its layers is not in the file"
                if inside
                else ""
            ),
            "the network's own head",
            "name the backbone that it is for, or build the network and pass it to whyscan.load",
        )


def skeletons(backbone: str) -> list[Skeleton]:
    """The networks of that name, in the libraries that have one.

    Raises:
        BadModel: none has; or monai is asked for and not installed.
    """
    torchvision_shim.ensure()
    library, _, name = backbone.rpartition(":")
    if library not in ("", "timm", "torchvision", "monai"):
        raise BadModel(f"backbone {backbone!r}", "timm:, torchvision: or monai: before its name", "leave it out")
    if library == "monai":
        return [_monai(name)]
    found = [] if library == "timm" else [each for each in [_torchvision(name)] if each]
    if library != "torchvision" and (not found or _is_timm(name)):
        found.insert(0, skeleton_of(find_backbone(name)))
    if not found:
        raise BadModel(f"backbone {backbone!r}", "a name of torchvision.models.list_models()", "correct the name")
    return found


def fitting(skeleton: Skeleton, tensors: Mapping[str, Tensor]) -> Fitting:
    """The state dict under the prefix ("module.", "model.net." ...) under which most names are the skeleton's."""
    parts = [key.split(".") for key in tensors]
    prefixes = {""} | {".".join(part[:i]) + "." for part in parts for i in range(1, min(len(part), 4))}
    keys = skeleton.shapes.keys()
    score = {prefix: sum(f"{prefix}{key}" in tensors for key in keys) for prefix in prefixes}
    best = max(sorted(prefixes, key=len), key=lambda prefix: score[prefix])
    chosen = {key[len(best) :]: value for key, value in tensors.items() if key.startswith(best)}
    ignored = tuple(key for key in tensors if not key.startswith(best))
    head = skeleton.heads[-1] if skeleton.heads else ""
    return Fitting(skeleton, _renamed_head(chosen, head), ignored, score[best])


def _renamed_head(tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """The head by its own name where it was replaced by Sequential(Dropout, Linear), which is the same in eval mode."""
    inside = {
        key.rpartition(".")[0]
        for key in tensors
        if head and key.startswith(f"{head}.") and key.count(".") == head.count(".") + 2
    }
    if len(inside) != 1 or f"{head}.weight" in tensors:
        return dict(tensors)
    (place,) = inside
    return {
        key.replace(place, head, 1) if key.startswith(f"{place}.") else key: value for key, value in tensors.items()
    }


def assembled(
    fit_of: Fitting,
    classes: Sequence[str],
    input_size: tuple[int, int],
    scaled: Scaling,
    *,
    fit: Fit,
    name: str,
    origin: Path,
    backbone: str,
) -> Classifier:
    """The network with the file's weights.

    Raises:
        BadModel: tensors are missing, unexpected, of another shape or not finite; or the size cannot be used.
    """
    skeleton, width = fit_of.skeleton, fit_of.width(origin)
    channels = _channels(fit_of)
    try:
        with torch.random.fork_rng(devices=[]):
            trunk = skeleton.build(width, channels)
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise BadModel(f"{skeleton.architecture} with {width} outputs and {channels} channels ({error})",
                       "a network that can be built", "name another backbone") from error  # fmt: skip
    tensors = {key: value.float() if value.is_floating_point() else value for key, value in fit_of.tensors.items()}
    weights.put(trunk, tensors, str(origin), ignore=())
    inner = nn.Sequential(Grey(), trunk) if channels == 1 else trunk
    normal = scaled.normal
    network: nn.Module = Network(inner, nn.Identity(), normal.mean, normal.std, normal.flip)
    if width == 1:
        network = TwoClass(network)
    network.eval()
    try:
        timm_name = skeleton.architecture if skeleton.library == "timm" else ""
        layers = find_layers(network, input_size, "" if channels == 1 or width == 1 else timm_name)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise BadModel(f"{skeleton.architecture} failed on {input_size[0]} x {input_size[1]} pixels ({error})",
                       "a size that it can take", "leave input_size out") from error  # fmt: skip
    about = {
        "framework": "pytorch", "library": skeleton.library, "architecture": skeleton.architecture,
        "backbone": backbone, **scaled.facts(), "channels": channels, "origin": origin.name,
        "file_sha256": files.sha256(origin), "ignored": list(fit_of.ignored[:20]),
    }  # fmt: skip
    return Classifier(name, tuple(classes), input_size, network, layers, fit, weights.digest(network), about)


def _channels(fit_of: Fitting) -> int:
    """1 where the first convolution of the file reads one channel and the skeleton's three; else 3."""
    for key, shape in fit_of.skeleton.shapes.items():
        if len(shape) == 4 and shape[1] == 3 and key in fit_of.tensors:
            value = fit_of.tensors[key]
            return 1 if value.ndim == 4 and value.shape[1] == 1 else 3
    return 3


def _shapes(build: Callable[[int, int], nn.Module]) -> dict[str, tuple[int, ...]]:
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build(_WIDTH, 3).state_dict().items()}


def _is_timm(name: str) -> bool:
    try:
        find_backbone(name)
    except BadModel:
        return False
    return True


def skeleton_of(entry: Backbone) -> Skeleton:
    """The skeleton of a network of timm."""
    timm = timm_library()

    def build(width: int, channels: int) -> nn.Module:
        made = timm.create_model(entry.architecture, num_classes=width, in_chans=channels, **entry.arguments)
        return cast(nn.Module, made)

    size = (entry.input_size, entry.input_size)
    return Skeleton("timm", entry.architecture, build, _shapes(build), size, entry.normalisation)


def _torchvision(name: str) -> Skeleton | None:
    from torchvision import models

    if name not in models.list_models(module=models):
        return None

    def build(width: int, channels: int) -> nn.Module:
        extra: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        made = models.get_model(name, weights=None, num_classes=width, **extra)
        return made if channels == 3 else _one_channel(made)

    default = getattr(models.get_model_weights(name), "DEFAULT", None)
    crop = default.transforms().crop_size[0] if default is not None else 224
    return Skeleton("torchvision", name, build, _shapes(build), (crop, crop), IMAGENET)


def _one_channel(module: nn.Module) -> nn.Module:
    path, first = next((path, each) for path, each in module.named_modules() if isinstance(each, nn.Conv2d))
    parent, _, name = path.rpartition(".")
    kernel, stride = cast(tuple[int, int], first.kernel_size), cast(tuple[int, int], first.stride)
    padding = cast(tuple[int, int], first.padding)
    made = nn.Conv2d(1, first.out_channels, kernel, stride, padding, bias=first.bias is not None)
    setattr(module.get_submodule(parent), name, made)
    return module


def _monai(name: str) -> Skeleton:
    try:
        from monai.networks import nets  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise BadModel(f"monai:{name}, but monai is not installed", "monai", "pip install monai") from error
    if not isinstance(maker := getattr(nets, name, None), type):
        raise BadModel(f"monai:{name}", "a network of monai.networks.nets, such as DenseNet121", "correct the name")

    def build(width: int, channels: int) -> nn.Module:
        return cast(nn.Module, maker(spatial_dims=2, in_channels=channels, out_channels=width))

    unit = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # MONAI's bundles scale to [0, 1]
    return Skeleton("monai", name, build, _shapes(build), (224, 224), unit)
