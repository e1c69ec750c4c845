"""A model's config as a graph of calls: Sequential and functional, in the dialects of Keras 2.2 to 3."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whyscan.errors import BadModel

MODELS = frozenset({"Functional", "Model", "Sequential"})


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor: which layer made it, in which of its calls, and as which of its outputs."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer. `operands` hold Refs and constants; `options` the named arguments that are no tensors."""

    layer: str
    number: int
    operands: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refs(self) -> list[Ref]:
        return [each for each in self.operands if isinstance(each, Ref)]


@dataclass(frozen=True, slots=True)
class LayerSpec:
    name: str
    kind: str
    config: Any


@dataclass(frozen=True)
class Graph:
    """One model, whose nested models are layers of it. Calls stand in an order in which they can run."""

    layers: Mapping[str, LayerSpec]
    calls: Sequence[Call]
    inputs: Sequence[Ref]
    outputs: Sequence[Ref]


def parse(model: Mapping[str, Any], where: str = "the model") -> Graph:
    """The graph of {"class_name", "config"}.

    Raises:
        BadModel: not a model, or a graph that cannot run: names twice or unknown, a circle.
    """
    kind, config = model.get("class_name"), model.get("config")
    if kind not in MODELS:
        raise BadModel(f"{where} is of the class {str(kind)[:80]!r}", f"one of {', '.join(sorted(MODELS))}",
                       "save it as a functional or sequential model")  # fmt: skip
    try:
        return _sequential(config, where) if kind == "Sequential" else _functional(config or {}, where)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise BadModel(f"the graph of {where} cannot be read ({type(error).__name__}: {str(error)[:80]})",
                       "a Keras model's config", "save the model again") from error  # fmt: skip


def _sequential(config: Any, where: str) -> Graph:
    layers: dict[str, LayerSpec] = {"": LayerSpec("", "InputLayer", {})}
    calls: list[Call] = []
    before = Ref("", 0, 0)
    for i, entry in enumerate(config if isinstance(config, list) else config["layers"]):
        spec = _layer(entry, f"{entry['class_name'].lower()}_{i}")
        if spec.kind == "InputLayer":
            continue
        _put(layers, spec, where)
        calls.append(Call(spec.name, 0, (before,)))
        before = Ref(spec.name, 0, 0)
    return Graph(layers, calls, [Ref("", 0, 0)], [before])


def _functional(config: Mapping[str, Any], where: str) -> Graph:
    layers: dict[str, LayerSpec] = {}
    calls: list[Call] = []
    for entry in config["layers"]:
        spec = _layer(entry, str(entry.get("name", "")))
        _put(layers, spec, where)
        for number, node in enumerate(entry.get("inbound_nodes") or ()):
            call = _call_3(spec.name, number, node) if isinstance(node, Mapping) else _call_2(spec.name, number, node)
            calls.append(call)
    inputs, outputs = (list(_ends(config[key])) for key in ("input_layers", "output_layers"))
    return Graph(layers, _sorted(layers, calls, outputs, where), inputs, outputs)


def _layer(entry: Mapping[str, Any], fallback: str) -> LayerSpec:
    config = entry["config"]
    own = config.get("name") if isinstance(config, Mapping) else None
    name, kind = entry.get("name") or own or fallback, entry["class_name"]
    if not isinstance(name, str) or not name or not isinstance(kind, str):
        raise ValueError(f"a layer without a name: {str(name)[:40]}")
    return LayerSpec(name, kind, config)


def _put(layers: dict[str, LayerSpec], spec: LayerSpec, where: str) -> None:
    if spec.name in layers:
        raise BadModel(f"{where} has two layers called {spec.name!r}", "a name for each", "rename one and save again")
    layers[spec.name] = spec


def _call_2(layer: str, number: int, node: Sequence[Any]) -> Call:
    """Keras 2: a list of [name, call, output, {named arguments}]; one alone may stand without the list."""
    entries = [node] if node and isinstance(node[0], str) else node
    operands: list[Any] = []
    options: dict[str, Any] = {}
    for entry in entries:
        operands.append(entry[2] if entry[0] == "_CONSTANT_VALUE" else Ref(entry[0], int(entry[1]), int(entry[2])))
        for key, value in (entry[3] if len(entry) > 3 else {}).items():
            if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str):
                operands.append(value[2] if value[0] == "_CONSTANT_VALUE" else Ref(value[0], value[1], value[2]))
            else:
                options[key] = value
    return Call(layer, number, tuple(operands), options)


def _call_3(layer: str, number: int, node: Mapping[str, Any]) -> Call:
    """Keras 3: {"args": [...], "kwargs": {...}} with tensors as objects that carry their history."""
    operands = list(_flat(node.get("args", [])))
    options: dict[str, Any] = {}
    for key, value in node.get("kwargs", {}).items():
        found = [each for each in _flat(value) if isinstance(each, Ref)]
        operands += found
        if not found and key not in ("training", "mask"):
            options[key] = value
    return Call(layer, number, tuple(operands), options)


def _flat(value: Any) -> Iterator[Any]:
    """Tensors out of their lists, constants as they are."""
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        name, call, output = value["config"]["keras_history"]
        yield Ref(name, int(call), int(output))
    elif isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, Mapping) and value.get("class_name") == "__tensor__":
        yield value["config"]["value"]
    elif value is not None:
        yield value


def _ends(value: Any) -> Iterator[Ref]:
    """The model's inputs or outputs: [name, call, output], a list of them, or a dict."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if len(value) == 3 and isinstance(value[0], str):
        yield Ref(value[0], int(value[1]), int(value[2]))
    else:
        for each in value:
            yield from _ends(each)


def _sorted(layers: Mapping[str, LayerSpec], calls: list[Call], outputs: list[Ref], where: str) -> list[Call]:
    """The calls that the outputs need, each after those whose tensors it takes (Kahn's algorithm)."""
    by_key = {(call.layer, call.number): call for call in calls}
    needed: set[tuple[str, int]] = set()
    queue = deque(outputs)
    while queue:
        ref = queue.popleft()
        if ref.layer not in layers:
            raise BadModel(f"{where} uses a layer {ref.layer!r} that it has not", "one of its layers", "save it again")
        key = (ref.layer, ref.call)
        if key in by_key and key not in needed:
            needed.add(key)
            queue.extend(by_key[key].refs)
    waiting: dict[tuple[str, int], int] = {}
    readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for key in needed:
        sources = {(ref.layer, ref.call) for ref in by_key[key].refs} & needed
        waiting[key] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(key)
    place = {key: i for i, key in enumerate(by_key)}
    ready = deque(sorted((key for key, count in waiting.items() if count == 0), key=place.__getitem__))
    done: list[Call] = []
    while ready:
        key = ready.popleft()
        done.append(by_key[key])
        for reader in readers.get(key, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    if len(done) < len(needed):
        raise BadModel(f"{where} runs in a circle", "layers that feed later ones", "save the model again")
    return done
