"""Guided backpropagation: only positive gradients pass a ReLU on the way back. Springenberg et al. 2015."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from whyscan.data.scan import Scan
from whyscan.explain.blank import THERE
from whyscan.explain.gradients.backward import Forward, Question, attribution, check_settings, gradients_of
from whyscan.explain.gradients.saliency import strongest
from whyscan.explain.targets import Targets
from whyscan.explain.whitebox import need_gradients
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

NO_RELU = "no ReLU in the network: the plain gradient"

_RELUS = frozenset(
    {torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu, functional.relu6, functional.relu_}
)
# functions that are a ReLU for some arguments: (name, position, usual value, needed value) of those that decide
_LEAST, _NO_MOST = ("min", 1, None, 0), ("max", 2, None, None)
_CUTS: Mapping[str, tuple[tuple[str, int, Any, Any], ...]] = {
    "hardtanh": (("min_val", 1, -1.0, 0),),  # nn.ReLU6 is one
    "threshold": (("threshold", 1, None, 0), ("value", 2, None, 0)),
    "clamp_min": (_LEAST,),
    # with an upper bound it is rather a picture's range than a layer's activation
    "clamp": (_LEAST, _NO_MOST),
    "clip": (_LEAST, _NO_MOST),
}
_SOMETIMES = {
    getattr(holder, name): needed
    for stem, needed in _CUTS.items()
    for name in (stem, stem + "_")
    for holder in (torch, Tensor, functional)
    if hasattr(holder, name)
}


class Guide:
    """A network whose ReLUs, however they are written, let only positive gradients back. It is not changed itself.

    Hooks on modules would miss `torch.relu` inside a forward method and count a module used twice once; so every torch
    function that runs is looked at, and what a ReLU returns is given a hook. That hook dies with the graph.

    Attributes:
        seen: how many ReLUs ran so far.
    """

    def __init__(self, network: Forward) -> None:
        self._network, self.seen = network, 0

    def __call__(self, pixels: Tensor) -> Any:
        with _Watch(self):
            return self._network(pixels)


class _Watch(TorchFunctionMode):
    def __init__(self, guide: Guide) -> None:
        super().__init__()
        self._guide = guide

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.requires_grad and is_relu(func, args, kwargs or {}):
            self._guide.seen += 1
            # the function's own derivative then masks what did not fire: Springenberg et al., figure 1b and equation
            # R_l = (f_l > 0) (R_l+1 > 0) R_l+1
            out.register_hook(lambda gradient: gradient.clamp_min(0))  # type: ignore[no-untyped-call]
        return out


def is_relu(function: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call cuts at 0 from below and is otherwise the identity, up to a cap as in ReLU6."""
    if function in _RELUS:
        return True
    if function not in _SOMETIMES:
        return False
    return all(
        _is(kwargs.get(name, args[at] if at < len(args) else usual), needed)
        for name, at, usual, needed in _SOMETIMES[function]
    )


def _is(given: Any, needed: float | None) -> bool:
    return given is None if needed is None else isinstance(given, int | float) and given == needed


@dataclass(frozen=True)
class GuidedBackprop:
    """The gradient with every negative one stopped at each ReLU: sharp pictures, and hardly an explanation.

    What is known of it: it mostly restores the edges of the image, nearly the same for every class, and hardly changes
    when the weights of the upper layers are replaced by random ones (Adebayo et al. 2018; Nie et al. 2018). In a
    network without ReLU (EfficientNet, ViT: SiLU, GELU) it is the plain gradient, and the diagnosis says so.

    Attributes:
        score: "logit" or "probability".
        batch: how many scans are differentiated together.
    """

    score: Score = "logit"
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, score=self.score, batch=self.batch)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan: the size of the guided gradient, the channels' maximum."""
        need_gradients(classifier, "guided backpropagation")
        guide = Guide(classifier.network)

        def use(question: Question, gradients: Tensor) -> Attribution:
            return attribution(
                classifier, question, strongest(gradients), words(gradients, guide),
                method="guided_backprop",
                quantity=f"guided gradient of the {self.score}",
                score=self.score, evaluations=1, settings={"score": self.score},
            )  # fmt: skip

        return gradients_of(
            classifier, scans, targets, self.score, batch=self.batch, progress=progress, use=use, forward=guide
        )


def words(maps: Tensor, guide: Guide) -> list[str]:
    """The diagnosis per target."""
    return [THERE if guide.seen or not bool(each.any()) else NO_RELU for each in maps]
