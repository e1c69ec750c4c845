"""A Keras file as a classifier: a white box whose layers have their Keras names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.adopt import FROM_OUTSIDE, Grey, names, square
from whyscan.models.classifier import Classifier, Layer, Network, TwoClass
from whyscan.models.keras.convert import network_of
from whyscan.models.keras.network import KerasNetwork
from whyscan.models.keras.recognise import PAPERS, architecture, scales_inside
from whyscan.models.keras.spec import KerasFile, LayerPath
from whyscan.models.layers import find_layers
from whyscan.models.preprocess import RAW, UNIT, Normalisation, find_normalisation, name_of
from whyscan.records.geometry import Fit


def open_keras(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
) -> Classifier:
    """Open a .h5 or .keras file. Neither Keras nor TensorFlow is needed, and nothing in the file runs.

    Args:
        path: a whole model, architecture and weights.
        classes: class names in the order of the head; the file's own, else "class 0" and so on.
        input_size: pixels a side, or (height, width); the file's own by default.
        preprocess: "/255", "x/127.5-1", "imagenet", "caffe", "0..255", "inside" (the graph scales its pixels itself,
            so it is given 0..255), or "auto": "inside" where the graph starts with such a layer, else "/255".
        fit: how scans are brought to that size.
        name: what it is called in tables; the file's name by default.

    Raises:
        BadModel: the file is damaged, holds a layer that is not known, no one-output classifier, other class names
            than the head is wide, or leaves its input size open.
    """
    from whyscan.models.keras.read import read

    path = Path(path)
    file = read(path)
    return classifier_of(
        file, classes=classes, input_size=input_size, preprocess=preprocess, fit=fit, name=name or path.stem
    )


def classifier_of(
    file: KerasFile,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] | None = None,
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str = "model",
) -> Classifier:
    """The classifier of a file that was read; see `open_keras`."""
    size = None if input_size is None else square(input_size)
    trunk = network_of(file.config, file.weights, version=file.version, input_size=size)
    if trunk.channels not in (1, 3):
        raise BadModel(f"{name} takes images of {trunk.channels} channels", "1 or 3", FROM_OUTSIDE)
    _check_head(trunk, name)
    given = classes if classes is not None else file.classes or None
    labels = label(trunk)
    kind = architecture(path[-1] for path in labels.values())
    chosen, reason = _preprocessing(preprocess, trunk, kind)
    inner = nn.Sequential(Grey(), trunk) if trunk.channels == 1 else trunk
    network: nn.Module = Network(inner, nn.Identity(), chosen.mean, chosen.std, chosen.flip)
    if trunk.width == 1:
        network = TwoClass(network)
    network.eval()
    about: dict[str, Any] = {
        "framework": "keras", "version": file.version, "format": file.format, "architecture": kind,
        "answer": trunk.answer, "preprocess": reason, "preprocess_name": name_of(chosen), "mean": list(chosen.mean),
        "std": list(chosen.std), "channels": trunk.channels, "bgr": chosen.flip, "file_sha256": file.sha256,
    }  # fmt: skip
    return Classifier(
        name, names(given, trunk.width, name), trunk.input_size, network, listed(network, trunk.input_size), fit,
        weights.digest(network), about,
    )  # fmt: skip


def label(network: KerasNetwork) -> dict[nn.Module, LayerPath]:
    """Give every module its Keras name as `label`, with its models' names before it where two layers share it.

    Returns:
        The paths by module, nested models included.
    """
    paths = dict(_all(network, ()))
    counts = Counter(path[-1] for path in paths.values())
    for module, path in paths.items():
        object.__setattr__(module, "label", path[-1] if counts[path[-1]] == 1 else "/".join(path))
    return paths


def _all(network: KerasNetwork, before: LayerPath) -> list[tuple[nn.Module, LayerPath]]:
    found: list[tuple[nn.Module, LayerPath]] = []
    for name in network.keys:
        module = network.layer(name)
        found.append((module, (*before, name)))
        if isinstance(module, KerasNetwork):
            found += _all(module, (*before, name))
    return found


def listed(network: nn.Module, input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """The convolutions by their Keras names, each with the output that Keras gives it: after its activation."""
    try:
        found = find_layers(network, input_size)
    except RuntimeError as error:
        raise BadModel(f"the network failed on {input_size[0]} x {input_size[1]} pixels ({str(error)[:160]})",
                       "a size that it can take", "leave input_size (--input-size) out") from error  # fmt: skip
    out = []
    for layer in found:
        unit = layer.path.rpartition(".")[0]
        out.append(replace(layer, name=network.get_submodule(unit).label, path=unit))  # type: ignore[arg-type]
    return tuple(out)


def _check_head(trunk: KerasNetwork, name: str) -> None:
    if trunk.answer == "sigmoid" and trunk.width > 1:
        raise BadModel(
            f"{name} ends in {trunk.width} sigmoids: every class has a probability of its own (several may be right)",
            "one softmax, or one sigmoid for two classes",
            f"retrain it with a softmax, or {FROM_OUTSIDE}, and divide its answers by their sum",
        )  # fmt: skip
    if trunk.width == 1 and trunk.answer != "sigmoid":
        raise BadModel(f"{name} ends in one number after {trunk.answer}", "two or more, or one sigmoid",
                       "whyscan explains classifiers: save one")  # fmt: skip


def _preprocessing(asked: str | Normalisation, trunk: KerasNetwork, kind: str) -> tuple[Normalisation, str]:
    """The scaling, and the sentence that says where it comes from."""
    if isinstance(asked, Normalisation):
        return asked, f"{name_of(asked)}: as asked for"
    layer = scales_inside(trunk)
    if asked == "inside" or (asked == "auto" and layer):
        return RAW, f"0..255: the graph scales them itself ({layer or 'as asked for'})"
    if asked != "auto":
        return find_normalisation(asked), f"{asked}: as asked for"
    if kind in PAPERS:
        return UNIT, (
            f"/255, a guess: the file does not say, and most people train on pixels / 255, but {kind}'s own "
            f"preprocess_input is {PAPERS[kind]}; check with `whyscan doctor MODEL --data DIR`"
        )
    return UNIT, "/255, a guess: the file does not say; check with `whyscan doctor MODEL --data DIR`"
