"""An ONNX file read as data: nothing outside it is opened, and nothing but the standard's own operators is let in.

Everything is checked on the parsed message, before onnxruntime sees a byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whyscan.errors import BadModel
from whyscan.models.adopt import readable

LIMIT = 2**31 - 1
"""The largest message that protobuf can hold, in bytes."""

_NODES = 50_000
_BLOWN_UP = 2**27  # elements of one tensor inside the graph, such as one made out of nothing by ConstantOfShape
_STANDARD = ("", "ai.onnx")
# of onnxruntime's own operators those that its optimiser and quantiser write; others, EPContext say, open files
_OWN = (
    "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "FastGelu", "BiasGelu", "QuickGelu", "QLinearAdd", "QLinearMul",
    "QLinearConcat", "QLinearSigmoid", "QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearSoftmax", "QGemm",
)  # fmt: skip
_REFUSED = ("If", "Loop", "Scan", "SequenceMap", "Optional")


def onnx_packages() -> tuple[Any, Any]:
    """The modules onnx and onnxruntime.

    Raises:
        BadModel: one of them is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise BadModel(
            f"an ONNX file, but {error.name} is not installed", "onnx and onnxruntime", "pip install 'whyscan[onnx]'"
        ) from error
    return onnx, onnxruntime


def read_onnx(path: Path) -> tuple[Any, bytes]:
    """The parsed model and its bytes.

    Raises:
        BadModel: missing, damaged, too large; tensors in other files; operators that are not the standard's; functions
            or graphs inside the graph.
    """
    onnx, _ = onnx_packages()
    content = readable(path, LIMIT).read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's own class, which differs from one implementation to the next
        raise BadModel(
            f"{path} is not ONNX ({type(error).__name__})", "an ONNX model", "copy the file again"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise BadModel(f"{path} holds no graph", "an ONNX model", "copy the file again")
    check(model, path, len(content))
    return model, content


def check(model: Any, path: Path, size: int) -> None:
    """Refuses what a stranger's graph must not hold; see `read_onnx`."""
    if model.functions:
        raise _refused(path, f"functions of its own ({model.functions[0].name!r})", "export it without them")
    if len(model.graph.node) > _NODES:
        raise _refused(path, f"{len(model.graph.node)} nodes", "a graph of at most 50000 can be opened")
    for node in model.graph.node:
        own = node.domain == "com.microsoft" and node.op_type in _OWN
        if node.domain not in _STANDARD and not own:
            raise _refused(
                path, f"operator {node.op_type} of the domain {node.domain!r}", "export it without custom code"
            )
        inner = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if inner or node.op_type in _REFUSED:
            raise _refused(
                path, f"a graph inside the graph ({node.op_type} {node.name!r})", "export it without branches"
            )
    if model.graph.sparse_initializer or model.training_info:
        raise _refused(path, "sparse tensors or training steps", "export the network alone")
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise _refused(
                path, f"a tensor whose values are in another file ({tensor.name!r})", "save it as one file: "
                "onnx.save_model(onnx.load(path), 'one.onnx', save_as_external_data=False)"
            )  # fmt: skip
        if any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > 8 * size + 64:
            raise _refused(path, f"a tensor of {list(tensor.dims)} ({tensor.name!r})", "copy the file again")
    _check_shapes(model, path)


def _check_shapes(model: Any, path: Path) -> None:
    """Refuses a small file that asks for gigabytes: every shape that can be told without running it is looked at."""
    onnx, _ = onnx_packages()
    try:
        told = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # onnx's own class, or protobuf's
        raise _refused(
            path, f"shapes that cannot be ({' '.join(str(error).split())[:160]})", "export it again"
        ) from error
    for value in (*told.value_info, *told.input, *told.output):
        sides = [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
        if any(side < 0 for side in sides) or math.prod(sides) > _BLOWN_UP:
            raise _refused(path, f"a step whose output has the shape {sides}", "give a smaller model")


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _refused(path: Path, what: str, mend: str) -> BadModel:
    return BadModel(f"{path} holds {what}", "one plain graph of the standard's operators, all in one file", mend)
