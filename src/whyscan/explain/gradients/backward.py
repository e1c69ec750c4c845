"""Gradients at the pixels: one forward pass, and one backward pass per target, for a whole batch.

Saliency, integrated gradients, SmoothGrad, gradient SHAP and guided backpropagation are sums of such gradients. The
pixels are those before the model's normalisation, in [0, 1], so a gradient is a change of score per unit of brightness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from whyscan.checks import at_least, one_of, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadModel
from whyscan.explain.blank import NO_GRADIENT, SATURATED, THERE
from whyscan.explain.checkpointing import checkpoints_refused
from whyscan.explain.targets import Targets, check, facts, resolve, stacked
from whyscan.explain.whitebox import INSTEAD, need_gradients
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier
from whyscan.models.modes import evaluating, plain_float32
from whyscan.progress import Progress
from whyscan.records.attribution import Attribution, Score
from whyscan.records.geometry import Geometry

R = TypeVar("R")
Forward = Callable[[Tensor], Any]
"""Pixels (n, c, h, w) -> logits (n, k): a network, or one with something switched on around it."""

Weights = Float[Tensor, "t k"] | Float[Tensor, "n t k"]
"""Targets as weights of the logits, for the whole batch or one set per image."""


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Eval mode, and no gradients for parameters; all is as before afterwards, whatever is raised inside."""
    needing = [parameter for parameter in network.parameters() if parameter.requires_grad]
    with evaluating(network):
        try:
            for parameter in needing:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in needing:
                parameter.requires_grad_(True)


def score_values(logits: Float[Tensor, "n k"], weights: Weights, score: Score) -> Float64[Tensor, "n t"]:
    """What the targets' scores are: weighted logits, or weighted probabilities."""
    values = logits.double()
    if score == "probability":
        values = values.softmax(1)
    return (weights.to(values) * values[:, None]).sum(2)


def score_rows(logits: Float[Tensor, "n k"], weights: Weights, score: Score) -> Float[Tensor, "n t k"]:
    """The derivatives of the targets' scores by the logits."""
    rows = weights.to(logits.device).expand(len(logits), *weights.shape[-2:])
    return (softmax_slopes(logits, rows) if score == "probability" else rows).to(logits)


def softmax_slopes(logits: Float[Tensor, "n k"], weights: Weights) -> Float64[Tensor, "n t k"]:
    """The derivatives of weighted probabilities w . p by the logits: p_i (w_i - w . p); of one class, p_t (e_t - p).

    In float64 and without a difference of nearly equal numbers, so that also what is far below float32's 1 - p can be
    told from nothing.
    """
    p = logits.double().softmax(1)[:, None]
    wide = weights.to(p).expand(len(p), *weights.shape[-2:])
    # weights count from that of the likeliest class, which changes nothing but that a sure model's 1 - p is then a sum
    # of small numbers
    wide = wide - wide.gather(2, p.argmax(2, keepdim=True).expand(*wide.shape[:2], 1))
    return p * (wide - (wide * p).sum(2, keepdim=True))


def input_gradients(
    forward: Forward,
    pixels: Float[Tensor, "n c h w"],
    weights: Weights | Callable[[Float[Tensor, "n k"]], Weights],
    score: Score = "logit",
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n t c h w"]]:
    """Logits, and the gradient of each target's score by the pixels, in float32. Call it inside `frozen`.

    Args:
        weights: targets, or a function that gives them for this batch's logits.

    Raises:
        BadModel: the logits or gradients are not finite, or no gradient arrives at the pixels: also where a checkpoint
            is in its way.
    """
    with torch.inference_mode(False), torch.enable_grad(), plain_float32(pixels.device):
        leaf = pixels.detach().to(torch.float32, copy=True).requires_grad_(True)
        logits = _checked(forward(leaf.clone()))  # a network that begins with something in place must not change a leaf
        final = logits.detach()
        rows = score_rows(final, weights(final) if callable(weights) else weights, score)
        count = rows.shape[1]
        with checkpoints_refused():
            found = [
                torch.autograd.grad((logits * rows[:, t]).sum(), leaf, retain_graph=t + 1 < count, allow_unused=True)[0]
                for t in range(count)
            ]
    gradients = torch.stack([torch.zeros_like(leaf) if each is None else each for each in found], 1).detach()
    if not bool(torch.isfinite(gradients).all()):
        raise BadModel("a gradient at the pixels is NaN or infinite", "finite gradients", "check the weights for NaN")
    return final, gradients


def _checked(logits: Any) -> Tensor:
    if not isinstance(logits, Tensor) or logits.ndim != 2 or not bool(torch.isfinite(logits).all()):
        shape = f" of shape {tuple(logits.shape)}, not all finite" if isinstance(logits, Tensor) else ""
        came = f"the network answered with a {type(logits).__name__}{shape}"
        raise BadModel(came, "finite logits (n, k)", "check the model")
    if not logits.requires_grad:
        came = "no gradient leads from the network's answer to its pixels"
        raise BadModel(came, "a network that can be differentiated", INSTEAD)
    return logits


@dataclass(frozen=True, eq=False)
class Question:
    """One scan on the model's grid, and what is asked about it.

    Attributes:
        pixels: (c, h, w) on the model's device.
        logits: (k,) the model's answer.
        weights: (t, k) the targets as weights of the logits.
    """

    scan: Scan
    geometry: Geometry
    pixels: Float[Tensor, "c h w"]
    logits: Float32[np.ndarray, " k"]
    names: tuple[str, ...]
    weights: Float[Tensor, "t k"]


def ask(classifier: Classifier, scan: Scan, targets: Targets) -> Question:
    """One forward pass, without gradients."""
    pixels, geometry = classifier.prepare(scan)
    logits = classifier.logits(pixels)[0]
    names, rows = resolve(classifier, targets, logits, scan.label)
    own, weights = (torch.from_numpy(each).to(classifier.device) for each in (pixels[0], rows))
    return Question(scan, geometry, own, logits, names, weights)


def one_by_one(
    title: str,
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    progress: Progress,
    explain: Callable[[Question], Attribution],
) -> list[Attribution]:
    """What `explain` makes of each scan, with the network frozen: for methods whose batches are of one scan.

    Raises:
        BadModel: the classifier is a black box.
        BadTarget: a target does not exist; said before any work is done.
    """
    need_gradients(classifier, title)
    for scan in scans:
        check(classifier, targets, scan.label)
    found = []
    with frozen(classifier.network):
        for scan in scans:
            found.append(explain(ask(classifier, scan, targets)))
            progress(title, len(found), len(scans))
    return found


def gradients_of(
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    score: Score,
    *,
    batch: int,
    progress: Progress,
    use: Callable[[Question, Float[Tensor, "t c h w"]], R],
    forward: Forward | None = None,
) -> list[R]:
    """What `use` makes of each scan and its gradients, from one forward pass of `forward` (the network) per batch.

    A callback and not a generator, which would leave the network frozen for as long as somebody holds on to it.
    """
    found: list[R] = []

    def work(piece: slice) -> list[tuple[Question, Tensor]]:
        return _differentiate(classifier, scans[piece], targets, score, forward or classifier.network)

    with frozen(classifier.network):
        for some in halving(work, len(scans), batch):
            found += [use(question, gradients) for question, gradients in some]
            progress("gradients", len(found), len(scans))
    return found


def _differentiate(
    classifier: Classifier, scans: Sequence[Scan], targets: Targets, score: Score, forward: Forward
) -> list[tuple[Question, Float[Tensor, "t c h w"]]]:
    """One batch."""
    prepared = [classifier.prepare(scan) for scan in scans]
    pixels = torch.from_numpy(np.concatenate([pixels for pixels, _ in prepared])).to(classifier.device)
    asked: list[tuple[tuple[str, ...], Float32[np.ndarray, "t k"]]] = []

    def weights(logits: Tensor) -> Tensor:
        for row, scan in zip(logits.cpu().numpy(), scans, strict=True):
            asked.append(resolve(classifier, targets, row, scan.label))
        return torch.from_numpy(stacked([rows for _, rows in asked]))

    logits, gradients = input_gradients(forward, pixels, weights, score)
    found = []
    for i, (scan, (names, rows)) in enumerate(zip(scans, asked, strict=True)):
        own = torch.from_numpy(rows).to(classifier.device)
        question = Question(scan, prepared[i][1], pixels[i], logits[i].cpu().numpy(), names, own)
        found.append((question, gradients[i, : len(names)]))
    return found


def attribution(
    classifier: Classifier,
    question: Question,
    maps: Float[Tensor, "t h w"],
    words: Sequence[str] = (),
    *,
    score: Score = "logit",
    **more: Any,
) -> Attribution:
    """An Attribution of maps on the model's grid.

    Args:
        words: the diagnosis; where it is left out or says "there" of a blank map, the reason is found.
    """
    values = maps.to("cpu", torch.float32).numpy()
    given = words or [THERE] * len(values)
    diagnosis = tuple(
        _why_blank(question, t, score) if word == THERE and not values[t].any() else word
        for t, word in enumerate(given)
    )
    about = facts(classifier, question.scan, question.geometry, question.logits, question.names)
    return Attribution(maps=values, diagnosis=diagnosis, score=score, **about, **more)


def _why_blank(question: Question, t: int, score: Score) -> str:
    rows = score_rows(torch.from_numpy(question.logits)[None], question.weights[t : t + 1].cpu(), score)
    return NO_GRADIENT if bool(rows.any()) else SATURATED


def check_settings(settings: Any, *, score: Score = "logit", **at_least_one: int) -> None:
    """Raises BadInput for an unknown score, or what is no whole number of 1 or more."""
    plain(settings)
    one_of(("logit", "probability"), score=score)
    at_least(1, **at_least_one)
