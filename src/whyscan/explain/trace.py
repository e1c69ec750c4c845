"""One trace: a forward and one backward pass per target capture every requested layer for a whole batch.

Grad-CAM and its family are functions of (activation, gradient). The trace hands each layer's pair to such a
kernel the moment its gradient exists, so that only small maps outlive a backward pass, not the gradients of
forty layers times four classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from whyscan.errors import BadModel, BadTarget
from whyscan.explain.checkpointing import checkpoints_refused, refuse_without_gradient
from whyscan.models.layout import laid_out
from whyscan.models.modes import plain_float32

R = TypeVar("R")
Kernel = Callable[[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]], R]
"""(a layer's output, the gradient of one target's score there) -> whatever is to be kept of them."""

Rows = Float[Tensor, "t k"] | Float[Tensor, "n t k"]
"""Targets as weights of the logits: one-hot for a class, +1 and -1 for a contrast."""

RowsOf = Callable[[Float[Tensor, "n k"]], Rows]
"""Targets that depend on the logits of this very forward pass, such as "the predicted class"."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Logits (n, k), activations {path: (n, c, h, w)} and gradients {path: (t, n, c, h, w)}, shallow to deep."""

    logits: Float[Tensor, "n k"]
    activations: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Seen:
    """Logits (n, k), every layer's output, shallow to deep, and how often each layer ran."""

    logits: Float[Tensor, "n k"]
    activations: Mapping[str, Tensor]
    runs: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Reduced(Generic[R]):
    """Logits (n, k) and, by path, what the kernel made of each target."""

    logits: Float[Tensor, "n k"]
    results: Mapping[str, Sequence[R]]


def trace(network: nn.Module, pixels: Float[Tensor, "n c h w"], paths: Sequence[str], targets: Rows) -> Trace:
    """Keep everything. For many layers and targets use `tracing` with a kernel: it needs far less memory.

    Args:
        network: pixels -> logits (n, k); left as it was found.
        pixels: one batch.
        paths: dotted names of modules. Of a module that runs several times, the last run counts.
        targets: rows of logit weights, for the whole batch or one set per image.
    """
    activations: dict[str, Tensor] = {}
    with tracing(network, paths) as run:
        reduced = run(pixels, targets, lambda _, gradient: gradient, activations)
    gradients = {path: torch.stack(list(each)) for path, each in reduced.results.items()}
    return Trace(reduced.logits, activations, gradients)


@contextmanager
def tracing(network: nn.Module, paths: Sequence[str]) -> Iterator[Tracer]:
    """A tracer for any number of batches; mode, requires_grad and hooks are restored whatever is raised inside.

    Raises:
        BadTarget: a path is not a module of the network.
    """
    modules = dict(network.named_modules())  # walked through once, because some networks run nearly as fast
    unknown = [path for path in paths if path not in modules]
    if unknown or not paths:
        came = f"module {unknown[0]!r} is not in the network" if unknown else "no layer was asked for"
        raise BadTarget(came, "dotted names of its modules", "take the names from classifier.layers")
    training = [(module, module.training) for module in modules.values()]
    own = (parameter for module in modules.values() for parameter in module._parameters.values())
    needing = [parameter for parameter in own if parameter is not None and parameter.requires_grad]
    tracer = Tracer(network, modules, paths)
    try:
        if any(mode for _, mode in training):
            network.eval()
        for parameter in needing:
            parameter.requires_grad_(False)
        yield tracer
    finally:
        tracer.remove_hooks()
        for parameter in needing:
            parameter.requires_grad_(True)
        for module, mode in training:
            if module.training != mode:
                module.training = mode


class Tracer:
    """Made by `tracing`. Calling it runs one batch."""

    def __init__(self, network: nn.Module, modules: Mapping[str, nn.Module], paths: Sequence[str]) -> None:
        self._network, self._modules = network, {path: modules[path] for path in paths}
        self._protected = _followed_in_place(modules.values(), self._modules)
        self._handles: list[RemovableHandle] = []

    def __call__(
        self,
        pixels: Float[Tensor, "n c h w"],
        targets: Rows | RowsOf,
        kernel: Kernel[R] | Mapping[str, Kernel[R]],
        activations: dict[str, Tensor] | None = None,
    ) -> Reduced[R]:
        """Run one batch in float32.

        Args:
            pixels: the batch.
            targets: rows of logit weights, or a function that gives them for this batch's logits.
            kernel: called once per layer and target, without autograd; or one kernel per layer, by its path.
            activations: if given, filled with every layer's output, shallow to deep.

        Raises:
            BadTarget: a layer did not run, or its output is not one tensor.
            BadModel: the logits are not finite (n, k), or a checkpoint is in the way of gradients.
        """
        with torch.inference_mode(False), torch.enable_grad(), plain_float32(pixels.device):
            captured, logits = self._forward(pixels.float(), differentiate=True)
            final = logits.detach()
            rows = targets(final) if callable(targets) else targets
            rows = rows.to(final).expand(len(final), *rows.shape[-2:])
            layers = {path: captured.tensors[path] for path in captured.order()}
            results: dict[str, list[R]] = {path: [] for path in layers}
            kernels = kernel if isinstance(kernel, Mapping) else dict.fromkeys(layers, kernel)
            for t in range(rows.shape[1]):
                keep = t + 1 < rows.shape[1]
                _backward((logits * rows[:, t]).sum(), layers, captured.leaves, kernels, results, keep)
        if activations is not None:
            activations.update({path: tensor.detach() for path, tensor in layers.items()})
        return Reduced(final, results)

    def look(self, pixels: Float[Tensor, "n c h w"]) -> Seen:
        """One forward pass in float32 and nothing else: for methods that need no gradient. Raises as a call does."""
        with torch.inference_mode(False), torch.no_grad(), plain_float32(pixels.device):
            captured, logits = self._forward(pixels.float(), differentiate=False)
        return Seen(logits, captured.tensors, captured.runs)

    def _forward(self, pixels: Tensor, *, differentiate: bool) -> tuple[_Captured, Tensor]:
        pixels = laid_out(self._network, pixels)
        captured = _Captured(self._protected, differentiate)
        while True:
            try:
                for path, module in self._modules.items():
                    self._handles.append(module.register_forward_hook(captured.hook(path)))
                logits: Any = self._network(pixels)
            finally:
                self.remove_hooks()
            changed = captured.changed_in_place()
            if not changed:
                break
            # an in-place operation that no module announces; known from now on, so it costs one pass in all
            self._protected |= changed
            captured = _Captured(self._protected, differentiate)
        missing = [path for path in self._modules if path not in captured.tensors]
        if missing:
            raise BadTarget(f"layer {missing[0]!r} did not run or gave no tensor", "a layer on the way", "leave it out")
        if not isinstance(logits, Tensor) or logits.ndim != 2 or not bool(torch.isfinite(logits).all()):
            shape = f" of shape {tuple(logits.shape)}, not all finite" if isinstance(logits, Tensor) else ""
            raise BadModel(
                f"the network answered with a {type(logits).__name__}{shape}", "finite logits (n, k)", "check the model"
            )
        return captured, logits

    def remove_hooks(self) -> None:
        while self._handles:
            self._handles.pop().remove()


class _Captured:
    """What the hooks saw during one forward pass."""

    def __init__(self, protected: set[str], differentiate: bool) -> None:
        self._protected, self._differentiate = protected, differentiate
        self.tensors: dict[str, Tensor] = {}
        self.runs: dict[str, int] = {}
        self.leaves: list[Tensor] = []
        """Where differentiation ends."""
        self._versions: dict[str, int] = {}

    def hook(self, path: str) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            if not isinstance(output, Tensor):
                return None
            if self._differentiate:
                refuse_without_gradient()
            self.runs[path] = self.runs.get(path, 0) + 1
            self.tensors.pop(path, None)  # a later run of a shared module also moves it to the end of the order
            # nothing above has asked for gradients yet: differentiation ends here and never goes below
            leaf = self._differentiate and not output.requires_grad
            if leaf:
                output = output.detach().requires_grad_(True)
                # also if the module runs again: what comes after its first run needs a gradient because of this one
                self.leaves.append(output)
            self.tensors[path], self._versions[path] = output, output._version
            # autograd refuses in-place changes of a leaf, and elsewhere they would overwrite the layer's own output
            return output.clone() if leaf or path in self._protected else None

        return keep

    def changed_in_place(self) -> set[str]:
        return {path for path, tensor in self.tensors.items() if tensor._version != self._versions[path]}

    def order(self) -> list[str]:
        """Paths in order of execution."""
        return list(self.tensors)


def _backward(
    score: Tensor,
    layers: Mapping[str, Tensor],
    leaves: Sequence[Tensor],
    kernels: Mapping[str, Kernel[R]],
    results: Mapping[str, list[R]],
    keep_graph: bool,
) -> None:
    """Differentiate one score; as each layer's gradient comes by, append its kernel's answer to its results."""
    found: dict[str, R] = {}

    def arrive(path: str, gradient: Tensor) -> None:
        with torch.no_grad():
            found[path] = kernels[path](layers[path].detach(), gradient)

    def hook(path: str) -> Callable[[Tensor], None]:
        return lambda gradient: arrive(path, gradient)

    handles = [tensor.register_hook(hook(path)) for path, tensor in layers.items()]  # type: ignore[no-untyped-call]
    try:
        if score.requires_grad:
            with checkpoints_refused():
                torch.autograd.grad(score, leaves, retain_graph=keep_graph, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    for path, tensor in layers.items():
        if path not in found:  # the score does not depend on it
            arrive(path, torch.zeros_like(tensor))
        results[path].append(found[path])


def _followed_in_place(modules: Iterable[nn.Module], layers: Mapping[str, nn.Module]) -> set[str]:
    """Layers whose next neighbour works in place, as far as modules tell. A wrong guess costs a copy, no more."""
    leaves = [module for module in modules if not module._modules]
    after = {id(one): two for one, two in pairwise(leaves)}
    return {path for path, module in layers.items() if getattr(after.get(id(module)), "inplace", False)}
