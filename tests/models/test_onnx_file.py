"""ONNX files: torch and onnxruntime are the oracles, and hostile files are refused before either runs them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

import whyscan
from whyscan.data.scan import Scan
from whyscan.errors import BadModel
from whyscan.models.doctor import examine
from whyscan.models.onnx_file import open_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
MEAN, STD = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def network(library: str, name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        make = timm.create_model if library == "timm" else torchvision.models.get_model
        return make(name, num_classes=4).eval()


def export(module: nn.Module, path: Path, *, free: bool = False) -> Path:
    axes = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}} if free else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = (torch.zeros(1, 3, 64, 64),)
        torch.onnx.export(module, example, path, dynamo=False, input_names=["x"], output_names=["y"], **axes)
    return path


def pixels() -> torch.Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("library", "name"),
    [("torchvision", "resnet18"), ("torchvision", "squeezenet1_1"), ("torchvision", "mobilenet_v2"),
     ("timm", "mobilenetv3_small_050"), ("timm", "convnext_atto"), ("timm", "test_resnet")],
)  # fmt: skip
@pytest.mark.parametrize("free", [False, True])
def test_a_graph_becomes_the_network_it_was(tmp_path: Path, library: str, name: str, free: bool) -> None:
    module = network(library, name)
    classifier = open_onnx(export(module, tmp_path / "m.onnx", free=free), classes=list("abcd"))
    with torch.no_grad():
        expected = module((pixels() - MEAN) / STD).numpy()
    assert classifier.white_box and classifier.layers
    assert classifier.about["onnxruntime difference"] < 1e-5
    assert np.abs(classifier.logits(pixels().numpy()) - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_a_last_softmax_or_sigmoid_is_cut(tmp_path: Path) -> None:
    module = network("timm", "test_resnet")
    with torch.no_grad():
        expected = module((pixels() - MEAN) / STD).numpy()
    classifier = open_onnx(export(nn.Sequential(module, nn.Softmax(1)).eval(), tmp_path / "m.onnx"))
    assert classifier.white_box and np.allclose(classifier.logits(pixels().numpy()), expected, atol=1e-5)
    assert examine(classifier).head == "softmax over 4; the logits before it are used"
    one = nn.Sequential(module, nn.Linear(4, 1), nn.Sigmoid()).eval()
    with torch.no_grad():
        expected = one((pixels() - MEAN) / STD).numpy()[:, 0]
    classifier = open_onnx(export(one, tmp_path / "one.onnx"))
    assert classifier.white_box and np.allclose(classifier.predict(pixels().numpy())[:, 1], expected, atol=1e-6)


def test_gradcam_of_the_graph_is_that_of_the_network(tmp_path: Path) -> None:
    module = network("torchvision", "resnet18")
    inside = whyscan.load(module, classes=list("abcd"), input_size=64)
    graph = open_onnx(export(module, tmp_path / "m.onnx"), classes=list("abcd"))
    rows = np.random.default_rng(0).random((64, 64), np.float32)
    scan = _scan(rows)
    maps = [whyscan.explain(each, scan, method="gradcam", targets="b") for each in (inside, graph)]
    first, second = (np.asarray(each.values) for each in maps)
    assert first.max() > 0 and np.abs(first - second).max() <= 1e-5 * np.abs(first).max()


def _scan(rows: np.ndarray) -> Scan:
    return Scan(np.repeat(rows[None], 3, 0), "c")


def graph_of(nodes: list[Any], tensors: list[Any] = (), shape: tuple[Any, ...] = ("n", 3, 8, 8), **extra: Any) -> Any:
    made = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("x", 1, shape)],
        [onnx.helper.make_tensor_value_info("y", 1, None)], list(tensors),
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("mine", 1)]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=9, **extra)


def node(op: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    return onnx.helper.make_node(op, list(inputs), [out], **attributes)


def array(name: str, values: Any) -> Any:
    return onnx.numpy_helper.from_array(np.asarray(values), name)


def test_channels_last_same_padding_and_means_of_what_is_inside(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    nodes = [
        node("Transpose", "x", out="a", perm=[0, 3, 1, 2]),
        node("Conv", "a", "k", out="b", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("AveragePool", "b", out="c", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
        node("Pad", "c", "pads", out="d"),
        node("MaxPool", "d", out="e", kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
        node("ReduceMean", "e", out="f", axes=[2, 3], keepdims=0), node("Softmax", "f"),
    ]  # fmt: skip
    tensors = [array("k", kernel), array("pads", np.array([0, 0, 1, 0, 0, 0, 0, 2]))]
    onnx.save(graph_of(nodes, tensors, ("n", 9, 7, 3)), tmp_path / "m.onnx")
    classifier = open_onnx(tmp_path / "m.onnx", preprocess="/255")
    assert classifier.white_box and classifier.input_size == (9, 7) and classifier.about["layout"] == "nhwc"
    assert len(classifier.layers) == 1


def test_an_operator_without_a_module_leaves_a_black_box_with_the_reason(tmp_path: Path) -> None:
    nodes = [node("GlobalLpPool", "x", out="a"), node("Flatten", "a")]
    onnx.save(graph_of(nodes), tmp_path / "m.onnx")
    classifier = open_onnx(tmp_path / "m.onnx")
    assert not classifier.white_box and "GlobalLpPool" in classifier.about["white box"]
    assert classifier.predict(np.ones((2, 3, 8, 8), np.float32)).shape == (2, 3)


def test_a_graph_without_weights_is_a_black_box(tmp_path: Path) -> None:
    onnx.save(graph_of([node("GlobalAveragePool", "x", out="a"), node("Flatten", "a")]), tmp_path / "m.onnx")
    classifier = open_onnx(tmp_path / "m.onnx")
    assert not classifier.white_box and "no convolution" in classifier.about["white box"]


@pytest.mark.parametrize("shape", [("n", 1, 8, 8), ("n", 8, 8, 1)])
def test_a_graph_of_one_channel_is_given_the_mean_of_the_three(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    kernel = np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32)
    last = shape[-1] == 1
    nodes = [*([node("Transpose", "x", out="t", perm=[0, 3, 1, 2])] if last else []),
             node("Conv", "t" if last else "x", "k", out="b"), node("GlobalAveragePool", "b", out="c"),
             node("Flatten", "c")]  # fmt: skip
    onnx.save(graph_of(nodes, [array("k", kernel)], shape), tmp_path / "m.onnx")
    classifier = open_onnx(tmp_path / "m.onnx")
    images = np.random.default_rng(1).random((2, 3, 8, 8), np.float32)
    with torch.no_grad():
        grey = torch.from_numpy(images).mean(1, keepdim=True)
        expected = nn.functional.conv2d(grey, torch.from_numpy(kernel)).mean((2, 3)).numpy()
    assert classifier.white_box and classifier.about["channels"] == 1
    np.testing.assert_allclose(classifier.logits(images), expected, atol=1e-5)
    black = graph_of([node("GlobalLpPool", "x", out="a", p=1), node("Flatten", "a")], (), ("n", 1, 8, 8))
    black.graph.node[1].output[0] = "f"
    black.graph.node.append(node("Concat", "f", "f", axis=1))
    onnx.save(black, tmp_path / "black.onnx")
    sums = images.mean(1).sum((1, 2))
    np.testing.assert_allclose(open_onnx(tmp_path / "black.onnx", preprocess="/255").logits(images)[:, 0], sums, 1e-4)


def test_two_channels_are_refused(tmp_path: Path) -> None:
    onnx.save(graph_of([node("Flatten", "x")], (), ("n", 2, 8, 8)), tmp_path / "m.onnx")
    with pytest.raises(BadModel, match=r"takes 2 channels\. Expected: 3, or 1"):
        open_onnx(tmp_path / "m.onnx")


def pooled(first: list[Any], tensors: list[Any], shape: tuple[Any, ...], producer: str) -> Any:
    """The first steps, from "x" to "f", then a convolution and a pool."""
    kernel = array("k", np.ones((4, 1 if 1 in shape else 3, 1, 1), np.float32))
    nodes = [*first, node("Conv", "f", "k", out="g"), node("GlobalAveragePool", "g", out="h"), node("Flatten", "h")]
    return graph_of(nodes, [kernel, *tensors], shape, producer_name=producer)


FLIPPED = [node("Transpose", "x", out="f", perm=[0, 3, 1, 2])]
SAME = [node("Identity", "x", out="f")]


@pytest.mark.parametrize(
    ("first", "value", "shape", "producer", "says"),
    [
        (SAME, None, ("n", 3, 8, 8), "pytorch", "imagenet, a guess: "),
        (SAME, None, ("n", 1, 8, 8), "pytorch", "/255, a guess: "),
        (SAME, None, ("n", 3, 8, 8), "keras2onnx", "/255, a guess: "),
        (FLIPPED, None, ("n", 8, 8, 3), "tf2onnx", "/255, a guess: "),
        (FLIPPED, None, ("n", 8, 8, 3), "", "/255, a guess: "),
        ([node("Mul", "x", "c", out="t"), node("Transpose", "t", out="f", perm=[0, 3, 1, 2])], 1 / 255,
         ("n", 8, 8, 3), "tf2onnx", "0..255: the graph scales them itself (Mul)"),
        ([node("Div", "x", "c", out="f")], 127.5, ("n", 3, 8, 8), "pytorch", "0..255: the graph scales them itself"),
        ([node("Sub", "x", "c", out="f")], 103.9, ("n", 3, 8, 8), "pytorch", "0..255: the graph scales them itself"),
        ([node("Sub", "x", "c", out="f")], 0.45, ("n", 3, 8, 8), "pytorch", "imagenet, a guess: "),
        ([node("Div", "x", "c", out="f")], 0.5, ("n", 3, 8, 8), "pytorch", "imagenet, a guess: "),
        ([node("Mul", "x", "c", out="f")], 2.0, ("n", 3, 8, 8), "pytorch", "imagenet, a guess: "),
        ([node("Div", "c", "x", out="f")], 200.0, ("n", 3, 8, 8), "pytorch", "imagenet, a guess: "),
    ],
)  # fmt: skip
def test_the_scaling_is_guessed_from_where_the_graph_comes_from(
    tmp_path: Path, first: list[Any], value: float | None, shape: tuple[Any, ...], producer: str, says: str
) -> None:
    tensors = [] if value is None else [array("c", np.float32(value))]
    onnx.save(pooled(first, tensors, shape, producer), tmp_path / "m.onnx")
    about = open_onnx(tmp_path / "m.onnx").about
    assert about["preprocess"].startswith(says) and about["preprocess"].startswith(about["preprocess_name"])
    assert ("whyscan doctor MODEL --data DIR" in about["preprocess"]) == ("a guess" in says)


def test_a_damaged_constant_and_a_circle_end_in_a_named_error(tmp_path: Path) -> None:
    torn = onnx.TensorProto(name="c", data_type=1, dims=[3], raw_data=b"12")
    (tmp_path / "torn.onnx").write_bytes(
        pooled([node("Mul", "x", "c", out="f")], [torn], ("n", 3, 8, 8), "").SerializeToString()
    )
    circle = pooled([node("Identity", "x", out="x")], [], ("n", 3, 8, 8), "").SerializeToString()
    (tmp_path / "circle.onnx").write_bytes(circle)
    for name in ("torn", "circle"):
        with pytest.raises(BadModel, match=name):
            open_onnx(tmp_path / f"{name}.onnx")


def external() -> Any:
    tensor = onnx.TensorProto(name="k", data_type=1, dims=[4], data_location=1)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return graph_of([node("Add", "x", "k")], [tensor])


def looped() -> Any:
    body = onnx.helper.make_graph([], "b", [], [])
    return graph_of([node("Loop", "x", "x", "x", body=body)])


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (external, "another file"),
        (lambda: graph_of([node("Run", "x", domain="mine")]), "domain 'mine'"),
        (lambda: graph_of([node("EPContext", "x", domain="com.microsoft")]), "EPContext"),
        (looped, "graph inside"),
        (lambda: graph_of([node("Flatten", "x")], functions=[onnx.helper.make_function(
            "mine", "f", [], [], [], [onnx.helper.make_opsetid("", 17)])]), "functions"),
        (lambda: graph_of([node("ConstantOfShape", "s", out="a"), node("Add", "a", "x")],
                          [array("s", np.array([1, 2**40]))]), "shape"),
        (lambda: graph_of([node("Add", "x", "k")], [onnx.TensorProto(name="k", data_type=1, dims=[2**40])]),
         "tensor of"),
    ],
)  # fmt: skip
def test_hostile_graphs_are_refused(tmp_path: Path, made: Callable[[], Any], says: str) -> None:
    (tmp_path / "m.onnx").write_bytes(made().SerializeToString())
    with pytest.raises(BadModel, match=says):
        open_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"onnx?"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(BadModel, match=r"m\.onnx"):
        open_onnx(tmp_path / "m.onnx")
