"""ONNX models: answers by onnxruntime, and the graph as a torch network where it converts and agrees."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models.adopt import names, probe, scaling, square
from whyscan.models.blackbox import black_box, looks_like_probabilities
from whyscan.models.classifier import Classifier, Network, Pixels, TwoClass
from whyscan.models.layers import find_layers
from whyscan.models.onnx_check import onnx_packages, read_onnx
from whyscan.models.onnx_graph import convert, last_step
from whyscan.models.onnx_ops import UnknownOperator
from whyscan.models.onnx_pixels import usual_scaling
from whyscan.models.preprocess import Normalisation
from whyscan.records.geometry import Fit

AGREES = 1e-4
"""How far the converted network's scores may be from onnxruntime's, relative to the largest where that is above 1."""


@dataclasses.dataclass(frozen=True)
class Form:
    """What the graph takes.

    Attributes:
        name: of its input.
        channels: 3, or 1: then it is given the mean of the three.
        size: (height, width).
        one_image: whether it takes one image at a time.
    """

    name: str
    channels: int
    layout: Literal["nchw", "nhwc"]
    size: tuple[int, int]
    one_image: bool


def open_onnx(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
    scores: Literal["auto", "logit", "probability"] = "auto",
) -> Classifier:
    """A classifier from an ONNX file: a white box where its graph converts, else a black box.

    `about["white box"]` says which, and why; `about["onnxruntime difference"]` how far the two are apart on two
    images made of waves.

    Args:
        path: the file. It must hold all its tensors.
        classes: class names in the order of the output; "class 0" and so on by default.
        input_size: pixels a side, or (height, width); needed where the file leaves its input's size open.
        preprocess: "/255", "x/127.5-1", "imagenet", "caffe", "0..255", or "auto", which is mostly a guess: see
            `usual_scaling`. `about["preprocess"]` says so.
        fit: how scans are brought to that size.
        name: what it is called in tables; the file's name by default.
        scores: what the output is; "auto" looks at the last operator and at an answer.

    Raises:
        BadModel: not ONNX, not safe to open (see `onnx_check`), not a classifier of images, other class names than
            outputs; or onnx or onnxruntime is not installed.
    """
    path = Path(path)
    model, content = read_onnx(path)
    form = _form(model, path, square(input_size) if input_size is not None else None)
    scaled = scaling(preprocess, usual_scaling(model, form.name, form.layout, form.channels))
    ask = _session(content, form, scaled.normal, path)
    pixels = probe(form.size).numpy()
    answers = ask(pixels)
    if answers.ndim != 2 or len(answers) != 2 or answers.shape[1] < 1 or not np.isfinite(answers).all():
        raise BadModel(
            f"{path} answered two images with {answers.shape}", "finite scores (2, k)", "give a model that classifies"
        )
    labels = names(classes, answers.shape[1], path.name)
    sha = hashlib.sha256(content).hexdigest()
    kind = _kind(model, answers) if scores == "auto" else scores
    about = {
        "framework": "onnx", "architecture": model.graph.name,
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "layout": form.layout, "channels": form.channels, **scaled.facts(), "answer": last_step(model), "scores": kind,
        "origin": path.name, "file_sha256": sha,
    }  # fmt: skip
    shown = name or path.stem
    box = black_box(ask, labels, form.size, name=shown, scores=kind, hash=sha, fit=fit)
    try:
        white, difference = _white(model, form, scaled.normal, box, pixels)
    except (UnknownOperator, BadModel) as error:
        return dataclasses.replace(box, about=about | {"white box": f"no: {error}"})
    layers = find_layers(white, form.size)
    about |= {"white box": "yes: the graph was converted", "onnxruntime difference": difference}
    return Classifier(shown, labels, form.size, white, layers, fit, sha, about)


def _white(model: Any, form: Form, normal: Normalisation, box: Classifier, pixels: Pixels) -> tuple[nn.Module, float]:
    """The converted network with logits, and how far its probabilities or logits are from onnxruntime's."""
    graph, last = convert(model, one_image=form.one_image)
    if next(graph.parameters(), None) is None:
        raise UnknownOperator("it has no convolution and no linear layer")
    if last == "Sigmoid" and len(box.classes) > 2:
        raise UnknownOperator("a sigmoid for each of several classes, which do not exclude each other")
    graph.before = (*((_grey,) if form.channels == 1 else ()), *((_last,) if form.layout == "nhwc" else ()))
    network: nn.Module = Network(graph, nn.Identity(), normal.mean, normal.std, normal.flip).eval()
    try:
        with torch.inference_mode():
            width = network(torch.from_numpy(pixels)).shape[-1]
            if width == 1:
                network = TwoClass(network).eval()
            elif last == "Sigmoid":
                raise UnknownOperator("two sigmoids, which do not exclude each other")
            own: Tensor = network(torch.from_numpy(pixels))
            asked: Tensor = box.network(torch.from_numpy(pixels))
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, StopIteration) as error:
        raise UnknownOperator(f"the converted graph failed: {' '.join(str(error).split())[:200]}") from error
    if last in ("Softmax", "Sigmoid"):
        own, asked = own.softmax(-1), asked.softmax(-1)
    elif box.about.get("scores") != "logit" and own.shape == asked.shape and last == "LogSoftmax":
        own, asked = own.log_softmax(-1), asked.log_softmax(-1)
    if own.shape != asked.shape:
        raise UnknownOperator(f"the converted graph gives {tuple(own.shape)}, onnxruntime {tuple(asked.shape)}")
    difference = float((own - asked).abs().max() / max(1.0, float(asked.abs().max())))
    if not difference <= AGREES:
        raise UnknownOperator(f"the converted graph is {difference:.2g} away from onnxruntime")
    if last == "" and looks_like_probabilities(own.numpy()):
        raise UnknownOperator("it answers with probabilities and its last operator is no softmax that can be left out")
    return network, difference


def _grey(x: Tensor) -> Tensor:
    return x.mean(1, keepdim=True)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _kind(model: Any, answers: np.ndarray) -> Literal["logit", "probability"]:
    """A last softmax or sigmoid tells; else whether every row is one of probabilities."""
    if last_step(model) in ("softmax", "sigmoid"):
        return "probability"
    return "probability" if looks_like_probabilities(np.asarray(answers, np.float32)) else "logit"


def _form(model: Any, path: Path, size: tuple[int, int] | None) -> Form:
    """The layout by where the channels are; a size that is left open must be given, one that is fixed must agree."""
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    sides = [side.dim_value or None for side in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(sides) != 4 or inputs[0].type.tensor_type.elem_type != 1 or not model.graph.output:
        raise BadModel(
            f"{path} takes {len(inputs)} inputs, the first of shape {sides}",
            "one float32 image (n, 3, h, w) or (n, h, w, 3), or of one channel",
            "export it with one image as its input",
        )  # fmt: skip
    last = sides[3] in (1, 3) and sides[1] not in (1, 3)
    channels, height, width = (sides[3], sides[1], sides[2]) if last else (sides[1], sides[2], sides[3])
    if channels not in (1, 3):
        came = f"{path} takes {channels or 'any number of'} channels"
        raise BadModel(came, "3, or 1 for grey images", "export it for three channels or one")
    fixed = (int(height or (size[0] if size else 0)), int(width or (size[1] if size else 0)))
    if 0 in fixed:
        raise BadModel(f"{path} leaves the size of its input open", "a size", "pass input_size=...")
    if size is not None and size != fixed:
        raise BadModel(f"input_size {size}", f"{fixed}, which the file fixes", "leave input_size out")
    if max(fixed) > 4096 or (sides[0] or 1) != 1:
        raise BadModel(f"{path} takes {sides}", "one image or any number, at most 4096 a side", "export it again")
    return Form(inputs[0].name, channels, "nhwc" if last else "nchw", fixed, sides[0] == 1)


def _session(content: bytes, form: Form, normal: Normalisation, path: Path) -> Callable[[Pixels], np.ndarray]:
    """pixels in [0, 1] -> what onnxruntime answers; from the bytes, so that no path leads out of the file."""
    _, ort = onnx_packages()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = max(1, torch.get_num_threads()), 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes derive from Exception directly
        raise BadModel(f"{path} is refused by onnxruntime ({' '.join(str(error).split())[:200]})", "a valid ONNX model",
                       "export it again") from error  # fmt: skip

    def ask(pixels: Pixels) -> np.ndarray:
        x = normal.apply(pixels)
        x = x.mean(1, keepdims=True) if form.channels == 1 else x
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1) if form.layout == "nhwc" else x, np.float32)
        parts = [x[i : i + 1] for i in range(len(x))] if form.one_image else [x]
        try:
            return np.concatenate([session.run(None, {form.name: part})[0] for part in parts])
        except Exception as error:
            raise BadModel(
                f"{path} failed ({' '.join(str(error).split())[:200]})", "scores", "check input_size"
            ) from error

    return ask
