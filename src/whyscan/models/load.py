"""The one door for models: a file, a run's model folder, a service, or a network in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn

from whyscan.checks import one_of
from whyscan.errors import BadInput, BadModel
from whyscan.models import checkpoint
from whyscan.models.adopt import Scaling, scaling
from whyscan.models.backbones import HUBS
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier
from whyscan.models.classnames import class_names, names_beside
from whyscan.models.device import find_device
from whyscan.models.hub import is_hub, open_hub
from whyscan.models.kind import kind_of
from whyscan.models.module import open_module
from whyscan.models.preprocess import IMAGENET, Normalisation, find_normalisation
from whyscan.records.geometry import Fit

Size = int | tuple[int, int]
_UNSAID = "imagenet, a guess: a module does not say how its pixels are scaled; pass preprocess=... if otherwise"

ADDRESSES = ("http://", "https://")
"""How the address of a service begins."""


def load(
    model: str | Path | nn.Module | Callable[..., Any],
    *,
    classes: Sequence[str] | str | Path | None = None,
    input_size: Size | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
    scores: Literal["auto", "logit", "probability"] = "auto",
    backbone: str | None = None,
    device: str | None = None,
    protocol: Literal["npy", "tf-serving"] | None = None,
    headers_from_env: Mapping[str, str] | None = None,
) -> Classifier:
    """Open a model. What a file is, its content says; nothing in it ever runs.

    Args:
        model: a folder of `whyscan train` (or its model.json); a Keras file (.keras, .h5); ONNX; a state dict (.pt,
            .pth, .safetensors) with `backbone`; a TorchScript or torch.export program; "hf-hub:owner/name" or
            "timm:NAME", which are fetched, or a folder of a hub's config.json and model.safetensors; the http(s)
            address of a service; an nn.Module from normalised images (n, 3, h, w) to logits (n, k), or (n, 1) for two
            classes with one sigmoid output; or a function from pixels to probabilities, see `black_box`.
        classes: the class names in the order of the scores, or a file of them: text, CSV or JSON. A model folder knows
            its own. By default a labels.txt, classes.json or class_indices.json beside the file, or what the file says.
        input_size: pixels a side, or (height, width). Model folders and most files know their own.
        preprocess: "/255", "x/127.5-1", "imagenet", "caffe", "0..255", or "auto": "imagenet" for a module, for files
            what they say or what is usual for them; `about` and `whyscan doctor` say which it was.
        fit: how scans are brought to that size: "stretch" or "pad".
        name: what it is called in tables; the file's name by default.
        scores: what a module, a program or a service answers with. "auto" is "logit" for a module and "probability"
            for a function or a service, and finds it out for ONNX and programs. Of "probability" (the last step is a
            softmax or a sigmoid) the logarithm is taken; but where a model is certain, gradients have vanished in
            that last step, and only a module without it brings them back.
        backbone: which network a state dict is for: a name of `whyscan`, timm or torchvision.
        device: where it computes: "cpu", "cuda", "cuda:1", "mps"; by default where its weights are, which is the CPU
            for a file. A module is moved itself.
        protocol: what a service speaks: "npy" (the default) or "tf-serving", see `http_box`.
        headers_from_env: for a service, a header -> the environment variable that holds its value, for keys that belong
            in no file: {"Authorization": "MODEL_KEY"}. The key itself is never shown or written.

    Raises:
        BadInput: a fit or scores that are not known, a device that is not here, a variable that is not set, or what
            is for a service only, of something else.
        BadModel: not a model, damaged, carrying code, classes or input size missing, class names that are not as many
            as the head is wide, or answers that are not what was said.
    """
    place = None if device is None else find_device(device)
    one_of(get_args(Fit), fit=fit)
    one_of(("auto", "logit", "probability"), scores=scores)
    if isinstance(preprocess, str) and preprocess not in ("auto", "inside"):
        find_normalisation(preprocess)  # a wrong name is said before anything is opened
    names = None if classes is None else class_names(classes)
    service = {"protocol": protocol, "headers_from_env": headers_from_env}
    if not is_service(model) and (idle := [key for key, value in service.items() if value]):
        option = {"protocol": "--protocol", "headers_from_env": "--header-from-env"}[idle[0]]
        mend = f"leave {idle[0]} ({option}) out"
        raise BadInput(f"{idle[0]} of a model that is no service", "the address of a service", mend)
    service = {key: value for key, value in service.items() if value}
    classifier = _of_any_kind(model, names, input_size, preprocess, fit, name, scores, backbone, service)
    if place is not None:
        classifier.network.to(place)
    return classifier


def is_service(model: object) -> bool:
    """Whether this is the address of a service."""
    return isinstance(model, str) and model.startswith(ADDRESSES)


def is_elsewhere(model: object) -> bool:
    """Whether this is a text that is no path: the address of a service, or a hub's name."""
    return isinstance(model, str) and model.startswith((*ADDRESSES, *HUBS))


def _of_any_kind(
    model: str | Path | nn.Module | Callable[..., Any],
    names: tuple[str, ...] | None,
    input_size: Size | None,
    preprocess: str | Normalisation,
    fit: Fit,
    name: str | None,
    scores: Literal["auto", "logit", "probability"],
    backbone: str | None,
    service: Mapping[str, Any],
) -> Classifier:
    if isinstance(model, nn.Module):
        if names is None or input_size is None:
            mend = 'pass both: classes=["no tumour", "tumour"], input_size=224'
            raise BadModel("a module without class names or input size", "both", mend)
        scaled = scaling(preprocess, Scaling(IMAGENET, _UNSAID))
        answers = "logit" if scores == "auto" else scores
        return open_module(model, names, _square(input_size), scaled, fit=fit, name=name or "model", scores=answers)
    if callable(model) or is_service(model):
        return _asked(model, names, input_size, preprocess, fit, name, scores, service)
    if is_hub(model):
        if backbone is not None or scores != "auto":
            raise BadModel(
                "backbone or scores for a model of a hub",
                "neither",
                "leave backbone and scores (--backbone, --scores) out: its config says both",
            )
        return open_hub(model, classes=names, input_size=input_size, preprocess=preprocess, fit=fit, name=name)
    path = Path(model)
    if _is_folder(path):
        return _own(path, names)
    if names is None and (found := names_beside(path)) is not None:
        names = found[0]
    return _open(path, names, input_size, preprocess, fit, name or path.stem, scores, backbone)


def _open(
    path: Path,
    names: tuple[str, ...] | None,
    size: Size | None,
    preprocess: str | Normalisation,
    fit: Fit,
    name: str,
    scores: Literal["auto", "logit", "probability"],
    backbone: str | None,
) -> Classifier:
    """The readers are imported when they are needed: each brings a library of its own."""
    given: dict[str, Any] = {"classes": names, "preprocess": preprocess, "fit": fit, "name": name}
    match kind_of(path):
        case "keras":
            from whyscan.models.keras.classifier import open_keras

            return open_keras(path, input_size=size, **given)
        case "onnx":
            from whyscan.models.onnx_file import open_onnx

            return open_onnx(path, input_size=size, scores=scores, **given)
        case "weights":
            from whyscan.models.torch_file import open_weights

            return open_weights(path, input_size=size, backbone=backbone, **given)
        case "program":
            from whyscan.models.script_file import open_script

            if size is None:
                came = f"{path.name}, a program that does not say the size of its images"
                raise BadModel(came, "pixels a side", "say them: input_size=224 (--input-size 224)")
            return open_script(path, input_size=size, scores=scores, **given)


def _own(path: Path, names: tuple[str, ...] | None) -> Classifier:
    classifier = checkpoint.load(path)
    if names is not None and names != classifier.classes:
        raise BadModel(
            f"classes {', '.join(names)}",
            f"the model's own, {', '.join(classifier.classes)}",
            "leave classes (--classes) out",
        )
    return classifier


def _is_folder(path: Path) -> bool:
    """A model folder of ours, or one of the two files that lie in it; a folder without either has its own error."""
    if path.name in ("model.json", "model.safetensors"):
        return path.name == "model.json" or (path.parent / "model.json").is_file()
    return path.is_dir() and not (path / "saved_model.pb").is_file()


def _asked(
    model: Any,
    names: tuple[str, ...] | None,
    size: Size | None,
    preprocess: str | Normalisation,
    fit: Fit,
    name: str | None,
    scores: Literal["auto", "logit", "probability"],
    service: Mapping[str, Any],
) -> Classifier:
    """A function or a service, which is given pixels in [0, 1] and scales them itself."""
    if names is None or size is None:
        raise BadModel(
            f"a {'function' if callable(model) else 'service'} without class names or input size", "both",
            'say both: classes=["a", "b"] (--classes a,b) and input_size=224 (--input-size 224)',
        )  # fmt: skip
    if preprocess != "auto":
        raise BadModel(f"preprocess {preprocess!r} for a black box", "auto", "let it scale its pixels itself")
    answers: Literal["logit", "probability"] = "probability" if scores == "auto" else scores
    if callable(model):
        called = name or str(getattr(model, "__name__", "black box"))
        return black_box(model, names, size, name=called, scores=answers, fit=fit)
    from whyscan.models.http_box import http_box

    return http_box(str(model), names, size, scores=answers, name=name, fit=fit, **service)


def _square(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
