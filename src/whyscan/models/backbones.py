"""Backbones: the trunks people know by name, and how a classifier is built on one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import torch
from torch import nn

from whyscan.errors import BadInput, BadModel
from whyscan.models import weights as weights_files
from whyscan.models.classifier import Classifier, Network
from whyscan.models.layers import find_layers
from whyscan.models.modes import evaluating
from whyscan.models.preprocess import IMAGENET, SYMMETRIC, Normalisation
from whyscan.records.geometry import Fit

Head = Literal["linear", "dense256"]

HUBS = ("hf-hub:", "hf_hub:", "timm:")
"""How names begin that are looked up on a hub."""

ARGUMENTS = (
    "act_layer", "bn_eps", "bn_momentum", "drop_path_rate", "drop_rate", "dynamic_img_size", "global_pool",
    "img_size", "norm_layer", "output_stride", "pad_type", "patch_size", "window_size",
)  # fmt: skip
"""The arguments of timm.create_model that a file may set: none of them opens a file or the network."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A trunk.

    Attributes:
        architecture: timm's name for it.
        input_size: side of its square input, in pixels.
        normalisation: how its pixels are scaled, unless a weights file says otherwise.
        keras: its class in keras.applications, or "" where it is not there or differs.
        arguments: of timm.create_model; those of a weights file go before them.
    """

    architecture: str
    input_size: int
    normalisation: Normalisation
    keras: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "xception": Backbone("legacy_xception", 299, SYMMETRIC, "Xception"),
        "vgg16": Backbone("vgg16", 224, IMAGENET, "VGG16"),
        "vgg19": Backbone("vgg19", 224, IMAGENET, "VGG19"),
        "resnet50": Backbone("resnet50", 224, IMAGENET, "ResNet50"),
        "resnet101": Backbone("resnet101", 224, IMAGENET, "ResNet101"),
        "inception_v3": Backbone("inception_v3", 299, SYMMETRIC, "InceptionV3"),
        "inception_resnet_v2": Backbone("inception_resnet_v2", 299, SYMMETRIC, "InceptionResNetV2"),
        "densenet121": Backbone("densenet121", 224, IMAGENET, "DenseNet121"),
        "densenet169": Backbone("densenet169", 224, IMAGENET, "DenseNet169"),
        "densenet201": Backbone("densenet201", 224, IMAGENET, "DenseNet201"),
        "mobilenetv2_035": Backbone("mobilenetv2_035", 224, IMAGENET, "MobileNetV2"),
        "mobilenetv2_100": Backbone("mobilenetv2_100", 224, IMAGENET, "MobileNetV2"),
        "mobilenetv3_large": Backbone("mobilenetv3_large_100", 224, IMAGENET, "MobileNetV3Large"),
        "efficientnet_b0": Backbone("tf_efficientnet_b0", 224, IMAGENET, "EfficientNetB0"),
        "efficientnet_b1": Backbone("tf_efficientnet_b1", 240, IMAGENET, "EfficientNetB1"),
        "efficientnet_b2": Backbone("tf_efficientnet_b2", 260, IMAGENET, "EfficientNetB2"),
        "efficientnet_b3": Backbone("tf_efficientnet_b3", 300, IMAGENET, "EfficientNetB3"),
        "efficientnet_b4": Backbone("tf_efficientnet_b4", 380, IMAGENET, "EfficientNetB4"),
        "efficientnet_b5": Backbone("tf_efficientnet_b5", 456, IMAGENET, "EfficientNetB5"),
        "efficientnet_b6": Backbone("tf_efficientnet_b6", 528, IMAGENET, "EfficientNetB6"),
        "efficientnet_b7": Backbone("tf_efficientnet_b7", 600, IMAGENET, "EfficientNetB7"),
        "efficientnetv2_s": Backbone("tf_efficientnetv2_s", 300, SYMMETRIC, "EfficientNetV2S"),
        "nasnetalarge": Backbone("nasnetalarge", 331, SYMMETRIC, "NASNetLarge"),
        "convnext_tiny": Backbone("convnext_tiny", 224, IMAGENET, "ConvNeXtTiny"),
        "vit_small": Backbone("vit_small_patch16_224", 224, SYMMETRIC),
        # the demo's: half the usual stride, so that its last maps are 8 x 8 at 128 pixels and can show a small lesion
        "small_resnet": Backbone("test_resnet", 160, SYMMETRIC, arguments={"output_stride": 16}),
        "swin_tiny": Backbone("swin_tiny_patch4_window7_224", 224, IMAGENET),
    }
)


def find_backbone(name: str) -> Backbone:
    """A backbone of the table; any model that timm has under that name (with a tag, if wanted: "resnet50.tv_in1k"); or
    that of a hub's model, whose config is fetched.

    Raises:
        BadModel: none of these; the nearest names are suggested.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith(HUBS):
        from whyscan.models.hub import find_hub  # it builds on this module

        return find_hub(name).entry
    timm = timm_library()
    known = timm.list_models()
    if name.split(".")[0] not in known or (config := timm.get_pretrained_cfg(name)) is None:
        near = difflib.get_close_matches(name, [*BACKBONES, *known], n=4, cutoff=0.5) or list(BACKBONES)[:4]
        raise BadModel(
            f"backbone {name!r} is not known", "a name of the table of backbones, or of timm", f"try {', '.join(near)}"
        )
    return Backbone(name, config.input_size[-1], Normalisation(tuple(config.mean), tuple(config.std)))


def choose(backbone: str, weights: str | Path) -> tuple[Backbone, weights_files.WeightsFile | None]:
    """A backbone and the weights file for it, None for "imagenet" and "none": all that can be checked in a moment.

    Of a hub's model "imagenet" stands for the weights that lie beside its config.

    Raises:
        BadModel: an unknown backbone, a weights file that cannot be read or belongs to another architecture, or no
            ImageNet weights of that name.
    """
    if backbone.startswith(HUBS) and weights == "imagenet":
        from whyscan.models.hub import find_hub  # it builds on this module

        found = find_hub(backbone)
        return found.entry, weights_files.read_weights(found.weights)
    entry = find_backbone(backbone)
    if weights == "imagenet":
        _check_has_weights(entry.architecture)
    if weights in ("imagenet", "none"):
        return entry, None
    file = weights_files.read_weights(Path(weights))
    _check_same(file, backbone, entry)
    return entry, file


def build(
    backbone: str,
    weights: str | Path,
    classes: Sequence[str],
    *,
    name: str | None = None,
    input_size: int | None = None,
    fit: Fit = "stretch",
    head: Head = "linear",
    seed: int = 0,
) -> Classifier:
    """A classifier with a fresh head on a trunk.

    Args:
        backbone: a name of `BACKBONES`, any of timm's, or a hub's ("hf-hub:owner/name").
        weights: "imagenet" (from timm's hub), "none" (random, from `seed`), or a .safetensors file. What a file
            says of itself (model, arguments, normalisation) is used, and must agree with `backbone`.
        classes: two or more names.
        name: what it is called in tables; the backbone's name by default.
        input_size: side of the square input in pixels; the backbone's own by default.
        head: "linear", or "dense256" = Dense(256, ReLU), dropout, Dense(k).
        seed: of the random weights. The global generator is left as it was.

    Raises:
        BadModel: an unknown backbone, or weights that cannot be had or do not fit.
        BadInput: the classes, the head or the input size cannot be used.
    """
    entry, file = choose(backbone, weights)
    normalisation = (file and file.normalisation) or entry.normalisation
    arguments = {**entry.arguments, **((file and file.arguments) or {})}
    size = input_size or entry.input_size
    arguments |= _grid_argument(entry.architecture, size)
    about = {
        "backbone": backbone,
        "architecture": entry.architecture,
        "arguments": arguments,
        "head": head,
        "mean": normalisation.mean,
        "std": normalisation.std,
        "origin": str(weights) if file is None else backbone if weights == "imagenet" else file.path.name,
        "training": None,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(about, (size, size), classes, pretrained=weights == "imagenet" and file is None)
    if file is not None:
        weights_files.put(network.trunk, file.tensors, str(file.path))
    return assemble(network, name or backbone, classes, (size, size), fit, about)


def assemble(
    network: Network,
    name: str,
    classes: Sequence[str],
    input_size: tuple[int, int],
    fit: Fit,
    about: Mapping[str, Any],
    sha256: str | None = None,
) -> Classifier:
    """A network in eval mode, with its layers and its hash, as a Classifier."""
    network.eval()
    layers = find_layers(network, input_size, about["architecture"])
    digest = sha256 or weights_files.digest(network)
    return Classifier(name, tuple(classes), input_size, network, layers, fit, digest, about)


def make_network(
    about: Mapping[str, Any], input_size: tuple[int, int], classes: Sequence[str], *, pretrained: bool = False
) -> Network:
    """The network that a record describes, with random weights from the global generator (or timm's own).

    Args:
        about: `architecture`, `arguments`, `head`, `mean` and `std`.

    Raises:
        BadInput: the classes, the head or the input size cannot be used.
        BadModel: timm does not know the architecture or the arguments, or cannot fetch its weights.
    """
    names = list(classes)
    if len(names) < 2 or len(set(names)) != len(names) or not all(isinstance(each, str) and each for each in names):
        raise BadInput(f"classes {names}", "two or more different names", "check the folders or the list of classes")
    if about["head"] not in get_args(Head):
        raise BadInput(f"head {about['head']!r}", f"one of {', '.join(get_args(Head))}", "choose one of these")
    trunk = _make_trunk(about["architecture"], about["arguments"], pretrained)
    network = Network(trunk, nn.Identity(), about["mean"], about["std"])
    try:
        with evaluating(network), torch.inference_mode():
            width = network.features(torch.zeros(1, 3, *input_size)).shape[1]
    except (RuntimeError, AssertionError, ValueError) as error:
        raise BadInput(
            f"{about['architecture']} cannot take an input of {input_size[0]} x {input_size[1]} pixels ({error})",
            "a size that its grid divides, large enough to leave something after all its strides",
            "leave the input size at its default",
        ) from error
    network.head = _make_head(about["head"], width, len(names))
    return network


def _make_head(kind: str, width: int, classes: int) -> nn.Module:
    if kind == "dense256":
        return nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes))
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes))


def _make_trunk(architecture: str, arguments: Mapping[str, Any], pretrained: bool) -> nn.Module:
    """timm's model without its classifier: normalised pixels -> pooled features (n, d)."""
    timm = timm_library()
    _check_arguments(architecture, arguments)
    if pretrained:
        _check_has_weights(architecture)
    try:
        trunk = timm.create_model(architecture, pretrained=pretrained, num_classes=0, **arguments)
    except TypeError as error:
        raise BadModel(
            f"{architecture} does not take the arguments {dict(arguments)} ({error})",
            "arguments of timm.create_model",
            "correct them in the weights file's metadata",
        ) from error
    except Exception as error:  # the hub's client raises a dozen kinds, from three libraries
        if not pretrained:
            raise
        raise BadModel(
            f"the ImageNet weights of {architecture} could not be fetched ({type(error).__name__}: {error})",
            "a connection to timm's hub, or the weights in its cache",
            "connect this machine to the network, or give a local .safetensors file as weights",
        ) from error
    if architecture.startswith("vgg"):
        # Two 4096-wide layers hold 120 of VGG16's 134 million weights; transfer learning pools before them.
        trunk.pre_logits = nn.Identity()
    return cast(nn.Module, trunk)


def _check_arguments(architecture: str, arguments: Mapping[str, Any]) -> None:
    if timm_library().is_model(architecture) is False:
        raise BadModel(f"architecture {architecture!r} is not in timm", "a name of timm.list_models()", "update timm")
    odd = sorted(set(arguments).difference(ARGUMENTS))
    if odd:
        raise BadModel(
            f"arguments {', '.join(odd)} for {architecture}", f"some of {', '.join(sorted(ARGUMENTS))}", "remove them"
        )


def _check_same(file: weights_files.WeightsFile, backbone: str, entry: Backbone) -> None:
    theirs, ours = file.architecture, entry.architecture
    if theirs and theirs.split(".")[0] != ours.split(".")[0]:
        raise BadModel(
            f"{file.path} holds weights of {theirs}", f"weights of {ours} for the backbone {backbone}",
            "choose the backbone that the weights were made for",
        )  # fmt: skip


def _grid_argument(architecture: str, size: int) -> dict[str, int]:
    """Transformers with a fixed grid of tokens must be told the size that they will see."""
    config = timm_library().get_pretrained_cfg(architecture)
    return {"img_size": size} if config.fixed_input_size and size != config.input_size[-1] else {}


def _check_has_weights(architecture: str) -> None:
    if not timm_library().get_pretrained_cfg(architecture).has_weights:
        raise BadModel(
            f"timm has no ImageNet weights for {architecture}", "weights", "give a .safetensors file, or 'none'"
        )


def timm_library() -> Any:
    """timm, which wants a part of torchvision that this torch may not have."""
    from whyscan.models import torchvision_shim

    torchvision_shim.ensure()
    import timm

    return timm
