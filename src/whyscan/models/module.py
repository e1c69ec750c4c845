"""A network in memory, any nn.Module, as a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.adopt import Scaling
from whyscan.models.blackbox import Answers, check_probabilities, looks_like_probabilities
from whyscan.models.classifier import Classifier, Network, TwoClass
from whyscan.models.layers import find_layers
from whyscan.models.modes import device_of, evaluating
from whyscan.records.geometry import Fit


def open_module(
    module: nn.Module,
    classes: Sequence[str] | None,
    size: tuple[int, int],
    scaled: Scaling,
    *,
    fit: Fit = "stretch",
    name: str = "model",
    scores: Answers = "logit",
) -> Classifier:
    """A classifier around a module from normalised images (n, 3, h, w) to scores. The module stays as it is.

    Args:
        classes: None numbers them.
        scores: what the module answers with; of "probability" the logarithm is taken.

    Raises:
        BadModel: the head has another width than there are classes, or it answers with something else than `scores`.
    """
    if scores not in ("logit", "probability"):
        raise BadModel(f"scores {scores!r}", '"logit" or "probability"', "say which of them the module answers with")
    normal = scaled.normal
    network: nn.Module = Network(module, nn.Identity(), normal.mean, normal.std, normal.flip)
    answers = _probe(network, size)
    width = answers.shape[1]
    if classes is None:
        classes = [f"class {i}" for i in range(max(width, 2))]
    if not (width == len(classes) or (width == 1 and len(classes) == 2)):
        raise BadModel(
            f"{len(classes)} classes: {', '.join(classes)}", f"{width}, the width of the head", "name as many"
        )
    if scores == "probability":
        check_probabilities(answers, "the module")
        network = LogProbabilities(network)
    elif looks_like_probabilities(answers) or (width == 1 and isinstance(list(module.modules())[-1], nn.Sigmoid)):
        raise BadModel(
            "the module answered with what look like probabilities",
            "logits",
            'leave out its last softmax or sigmoid, or pass scores="probability"',
        )
    elif width == 1:
        network = TwoClass(network)
    return Classifier(
        name, tuple(classes), size, network, find_layers(network, size), fit=fit, hash=weights.digest(network),
        about={"framework": "pytorch", "architecture": type(module).__name__, **scaled.facts()},
    )  # fmt: skip


class LogProbabilities(nn.Module):
    """A network that answers with probabilities (n, k), or (n, 1) for the second of two classes, as logits.

    Raises:
        BadModel: at a call: what came is no probabilities, whose logarithm would be taken of something else.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        answers: Tensor = self.network(pixels)
        if _is_exact(answers):
            check_probabilities(answers.detach().cpu().numpy(), "the module")
        both = answers if answers.shape[1] > 1 else torch.cat([1 - answers, answers], dim=1)
        return both.clamp_min(torch.finfo(torch.float32).eps).log()


def _is_exact(answers: Tensor) -> bool:
    """Whether these are the network's own answers: a faster copy's are rounded, and while one is traced for an engine
    a check would become a part of it. Both are compared with the network's own anyway."""
    rounded = answers.dtype != torch.float32 or torch.is_autocast_enabled(answers.device.type)
    return not (rounded or torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def _probe(network: nn.Module, size: tuple[int, int]) -> np.ndarray:
    """What it says of a black, a grey and a white image, (3, k)."""
    levels = torch.tensor([0.0, 0.5, 1.0], device=device_of(network)).view(3, 1, 1, 1)
    try:
        with evaluating(network), torch.inference_mode():
            out = network(levels.expand(3, 3, *size))
    except (RuntimeError, ValueError, TypeError) as error:
        wide = all(parameter.dtype == torch.float32 for parameter in network.parameters())
        mend = "check input_size" if wide else "its weights are not float32: pass model.float()"
        first = next((each for each in network.modules() if isinstance(each, nn.Conv2d)), None)
        if first is not None and first.in_channels == 1:
            mend = "it takes one channel: wrap it in a module whose forward is net(x.mean(1, keepdim=True))"
        raise BadModel(f"the module failed on (3, 3, {size[0]}, {size[1]}): {error}", "logits", mend) from error
    if isinstance(out, Mapping):
        came = f"the module answered with a dict of {', '.join(map(repr, out))}"
        raise BadModel(came, "a tensor of logits (n, k)", "wrap the module so that it returns the one with the logits")
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != 3:
        came = f"the module answered 3 images with {type(out).__name__} {tuple(getattr(out, 'shape', ()))}"
        raise BadModel(came, "a tensor of logits (n, k)", "wrap the module so that it returns its logits")
    return np.asarray(out.float().cpu().numpy())
