"""Why a map is blank: one word per layer and target. *Dark* is not *unused*, and there are several ways to be dark."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

THERE = "there"
NEGATIVE = "negative everywhere"
"""The layer speaks only against the target, so that ReLU, or the choice of positive gradients, leaves nothing."""
DEAD = "dead activation"
FLAT = "constant activation"
"""Every channel has the same value everywhere: no place stands out. For methods without gradients."""
NO_GRADIENT = "no gradient"
CLASS_TOKEN = "only the class token is read"
"""The network reads nothing but the first tokens of this layer's output; its grid has no gradient."""
BELOW_FLOAT = "below float resolution"
BELOW_EPS = "below eps"
"""The recipe's: the map would be below its eps also if softmax were not saturated."""
SATURATED = "softmax saturated"
"""The recipe's: the same map made from the logit's gradient is above eps; p (1 - p) pushes it below."""

WORDS = (THERE, NEGATIVE, DEAD, FLAT, NO_GRADIENT, CLASS_TOKEN, BELOW_FLOAT, BELOW_EPS, SATURATED)

ROUNDING = 1e-5
"""A sum that is smaller than this part of its terms' magnitudes is rounding error in float32, after a backward pass."""

EPS = 1e-8
"""What the notebook recipe adds to a map's range before it divides by it."""


def diagnose(
    signed: Float[Tensor, "h w"], activation: Float[Tensor, "c h w"], gradient: Float[Tensor, "c h w"] | None = None
) -> str:
    """Whether a map is there and, if it is blank, which step emptied it.

    Args:
        signed: the map before ReLU.
        activation, gradient: what it was made of; looked at only where it is blank. No gradient where the method
            needs none, or where it gave every channel's weight and some are not 0.
    """
    low, high = map(float, signed.aminmax())
    smallest = float(torch.finfo(signed.dtype).tiny)
    if high > smallest:
        return THERE
    if low < -smallest:
        return NEGATIVE
    return _why_zero(activation != 0, activation, gradient)


def diagnose_product(
    signed: Float[Tensor, "h w"], activation: Float[Tensor, "c h w"], gradient: Float[Tensor, "c h w"] | None
) -> str:
    """The same for gradient times activation, whose channels can cancel so well that only rounding errors are left.

    Where a layer norm follows, the score does not change with the length of the activation, and the products add up
    to 0 at every place, whatever the image.
    """
    word = diagnose(signed, activation, gradient)
    if word == THERE and gradient is not None:
        rounding = ROUNDING * float((gradient * activation).abs().sum(0).max())
        return word if float(signed.abs().max()) > rounding else BELOW_FLOAT
    return word


def diagnose_guided(
    signed: Float[Tensor, "h w"], activation: Float[Tensor, "c h w"], gradient: Float[Tensor, "c h w"] | None
) -> str:
    """The same for the recipe's weighted sum, whose range is scaled and whose sign does not matter."""
    if span(signed) > float(torch.finfo(signed.dtype).tiny):
        return THERE
    return _why_zero(activation > 0, activation, gradient)


def diagnose_recipe(word: str, span: float, factor: float, eps: float = EPS) -> str:
    """What the recipe's scaling, (x - min) / (max - min + eps), leaves of a map.

    The scaled map's brightest place has range / (range + eps). Below 0.5, which is where the range is below eps, the
    picture is counted as blank: it is visibly dark, and ten times less range makes it black.

    Args:
        word: what `diagnose_guided` said.
        span: the map's range if it were made from the logit's gradient.
        factor: the size of the softmax's gradient, p (1 - p) for a class; the recipe's own range is span * factor.
    """
    if word != THERE or span * factor >= eps:
        return word
    return SATURATED if span >= eps else BELOW_EPS


def span(signed: Float[Tensor, "h w"]) -> float:
    """A map's range."""
    low, high = signed.aminmax()
    return float(high - low)


def _why_zero(active: Tensor, activation: Tensor, gradient: Tensor | None) -> str:
    if not bool(active.any()):
        return DEAD
    if gradient is None:
        varies = bool((activation != activation[..., :1, :1]).any())
        return BELOW_FLOAT if varies else FLAT
    if not bool(gradient.any()):
        return NO_GRADIENT
    return BELOW_FLOAT if bool((active & (gradient > 0)).any()) else NEGATIVE
