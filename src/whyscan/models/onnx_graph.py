"""An ONNX graph as a torch network that can be looked into: one module a node, called as the node is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from whyscan.models.onnx_ops import Node, UnknownOperator
from whyscan.models.onnx_table import attributes, build, tensor

_LAST = {"Softmax": "probability", "Sigmoid": "probability", "LogSoftmax": "logit"}


@dataclass(frozen=True)
class Step:
    """One call: the module, the values that go in and the one that comes out."""

    module: str
    inputs: tuple[str, ...]
    output: str


class Graph(nn.Module):
    """(n, c, h, w) or (n, h, w, c), whatever the graph takes -> what it gives."""

    def __init__(self, modules: dict[str, nn.Module], steps: Sequence[Step], taken: str, given: str) -> None:
        super().__init__()
        self.before: tuple[Callable[[Tensor], Tensor], ...] = ()
        for name, module in modules.items():
            self.add_module(name, module)
        self._steps, self._taken, self._given = tuple(steps), taken, given
        self._last = {name: i for i, step in enumerate(steps) for name in step.inputs}

    def forward(self, x: Tensor) -> Tensor:
        for change in self.before:
            x = change(x)
        values = {self._taken: x}
        for i, step in enumerate(self._steps):
            values[step.output] = getattr(self, step.module)(*(values[name] for name in step.inputs))
            for name in step.inputs:
                if self._last[name] == i and name != self._given:
                    values.pop(name, None)
        return values[self._given]


def convert(model: Any, *, one_image: bool, cut: bool = True) -> tuple[Graph, str]:
    """The network of a checked model, and what its last step was: "Softmax", "Sigmoid", "LogSoftmax" or "".

    Args:
        model: an onnx.ModelProto that `onnx_check.check` let in.
        one_image: whether the file was written for a batch of one.
        cut: whether a last Softmax, LogSoftmax or Sigmoid is left out, which gives the logits.

    Raises:
        UnknownOperator: something that there is no module for; the message says what.
    """
    graph, opset = model.graph, max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    constants = {each.name: tensor(each) for each in graph.initializer}
    inputs = [each.name for each in graph.input if each.name not in constants]
    if len(inputs) != 1 or len(graph.output) < 1:
        raise UnknownOperator(f"{len(inputs)} inputs")
    given = graph.output[0].name
    nodes, last = _without_last(list(graph.node), given) if cut else (list(graph.node), ("", given))
    modules: dict[str, nn.Module] = {}
    steps: list[Step] = []
    for proto in nodes:
        if proto.domain not in ("", "ai.onnx"):
            raise UnknownOperator(f"operator {proto.op_type} of {proto.domain}")
        found = attributes(proto) | {"one_is_batch": one_image}
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _constant(found)
            continue
        if (any(proto.output[1:]) and proto.op_type != "Dropout") or not proto.output:
            raise UnknownOperator(f"{proto.op_type} with {len(proto.output)} outputs")
        node = Node(proto.op_type, found, [constants.get(name) for name in proto.input], opset)
        computed = tuple(name for name in proto.input if name and name not in constants)
        module = build(node).eval()
        if not computed:
            constants[proto.output[0]] = _folded(module, node)
            continue
        name = _name(proto, modules)
        modules[name] = module
        steps.append(Step(name, computed, proto.output[0]))
    if last[1] not in {step.output for step in steps}:
        raise UnknownOperator("an output that is not computed")
    return Graph(modules, steps, inputs[0], last[1]).eval(), last[0]


def _constant(found: dict[str, Any]) -> Tensor:
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if key in found:
            return found[key] if isinstance(found[key], Tensor) else torch.tensor(found[key])
    raise UnknownOperator("a Constant that is no number")


def _folded(module: nn.Module, node: Node) -> Tensor:
    """The value of a node all of whose inputs are constants."""
    from whyscan.models.onnx_ops import Fixed

    values = [value for value in node.constants if value is not None]
    with torch.no_grad():
        out: Tensor = module() if isinstance(module, Fixed) else module(*values[:1])
    return out.detach()


def last_step(model: Any) -> str:
    """What the answer's last step is, in lower case, where it is one of those that are left out; else ""."""
    _, (kind, _) = _without_last(list(model.graph.node), model.graph.output[0].name)
    return kind.lower()


def _without_last(nodes: list[Any], given: str) -> tuple[list[Any], tuple[str, str]]:
    """The nodes before a last softmax or sigmoid, with its kind and the name of what it was given."""
    makers = {name: node for node in nodes for name in node.output}
    node = makers.get(given)
    passed: list[Any] = []
    while node is not None and node.op_type == "Identity":
        passed.append(node)
        node = makers.get(node.input[0])
    if node is None or node.op_type not in _LAST:
        return nodes, ("", given)
    return [each for each in nodes if each is not node and each not in passed], (node.op_type, node.input[0])


def _name(proto: Any, taken: dict[str, nn.Module]) -> str:
    """The node's own name as a module's: "/layer1/conv1/Conv" -> "layer1_conv1_Conv"."""
    said = proto.name if isinstance(proto.name, str) else ""  # bytes where a damaged name is not UTF-8
    text = re.sub(r"\W+", "_", said or f"{proto.op_type}_{len(taken)}").strip("_") or proto.op_type
    text = text if not hasattr(nn.Module, text) else f"{text}_"
    name, count = text, 1
    while name in taken:
        count += 1
        name = f"{text}_{count}"
    return name
