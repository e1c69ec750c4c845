"""The CAM family's kernels: a layer's activation and one score's gradient there -> one map, before any ReLU.

Most are a weighted sum of channels: those give the weights, and all targets' sums are made together. Pure functions,
raw values: what is cut off, scaled or painted is decided by those who call them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Activation = Float[Tensor, "n c h w"]
Gradient = Float[Tensor, "n c h w"]
Signed = Float[Tensor, "n h w"]
Weights = Float[Tensor, "n c"]

_COLUMNS = 4


def combine(weights: Float[Tensor, "t n c"], activation: Activation) -> Float[Tensor, "t n h w"]:
    """Channels summed, each with its weight, for all targets in one product: activations are read once, not t times."""
    count, _, height, width = activation.shape
    targets = len(weights)
    # a product with a single column runs on one core; four columns take less time than one
    padded = F.pad(weights, (0, 0, 0, 0, 0, max(_COLUMNS - targets, 0)))
    places = activation.flatten(2).transpose(1, 2)
    maps: Tensor = (places @ padded.permute(1, 2, 0))[..., :targets]
    return maps.permute(2, 0, 1).reshape(targets, count, height, width)


def summed(weigh: Callable[[Activation, Gradient], Weights], activation: Activation, gradient: Gradient) -> Signed:
    """The map of one target."""
    return combine(weigh(activation, gradient)[None], activation)[0]


def gradcam_weights(activation: Activation, gradient: Gradient) -> Weights:  # noqa: ARG001 - as all of them
    """Grad-CAM, Selvaraju et al., ICCV 2017, equation 1: a channel's mean gradient."""
    return gradient.mean((2, 3))


def gradcampp_weights(activation: Activation, gradient: Gradient) -> Weights:
    """Grad-CAM++, Chattopadhyay et al., WACV 2018, equations 10, 18 and 19, for the score exp(logit).

    Equation 19, alpha = g^2 / (2 g^2 + g^3 sum_ab A_ab), with g^2 cancelled: alpha = 1 / (2 + g sum_ab A_ab), which
    small gradients cannot push below the resolution. Equation 18: a channel's weight is sum_ij alpha_ij ReLU(g_ij);
    the factor exp(logit), the same at every place, is left out, so that the values are in logits.
    Made for layers after ReLU: where activations are negative the denominator can come near 0.
    """
    denominator = 2 + gradient * activation.sum((2, 3), keepdim=True)
    alpha = torch.where(denominator == 0, 0, 1 / denominator)
    return (alpha * gradient.clamp_min(0)).sum((2, 3))


def xgradcam_weights(activation: Activation, gradient: Gradient) -> Weights:
    """XGrad-CAM, Fu et al., BMVC 2020, equation 8: a channel's gradients, averaged with its activations as weights.

    A channel whose activations add up to 0 has no such average; it gets no weight.
    """
    total = activation.sum((2, 3))
    weights = (gradient * activation).sum((2, 3)) / torch.where(total == 0, 1, total)
    return torch.where(total == 0, 0, weights)


def guided_weights(activation: Activation, gradient: Gradient) -> Weights:
    """The notebook recipe's: the mean over all places of (A > 0) (G > 0) G."""
    return (gradient.clamp_min(0) * (activation > 0)).mean((2, 3))


def hirescam(activation: Activation, gradient: Gradient) -> Signed:
    """HiResCAM, Draelos and Carin, 2020 (arXiv 2011.08891), equation 4: gradient times activation, channels summed.

    Where the network is linear after the layer its values add up to the logit without its bias.
    """
    return (gradient * activation).sum(1)


def layercam(activation: Activation, gradient: Gradient) -> Signed:
    """LayerCAM, Jiang et al., TIP 2021, equations 5 to 7: positive gradient times activation, channels summed."""
    return (gradient.clamp_min(0) * activation).sum(1)


def eigencam(activation: Activation) -> Signed:
    """Eigen-CAM, Muhammad and Yeasin, IJCNN 2020, section III: the activations' first principal component.

    Each channel is centred first, as usual in practice and unlike the paper's equation 3. A principal component has
    no sign; this one is positive where the activations are strong: its product with their squared length, summed
    over the places, is not negative. In the rare tie the largest magnitude is positive.
    """
    places = activation.flatten(2).transpose(1, 2).double()
    centred = places - places.mean(1, keepdim=True)
    # eigenvectors of the smaller of the two squares: of channels, or of places
    if centred.shape[2] <= centred.shape[1]:
        direction = torch.linalg.eigh(centred.mT @ centred).eigenvectors[..., -1:]
        component = (centred @ direction)[..., 0]
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.mT)
        component = vectors[..., -1] * values[:, -1:].clamp_min(0).sqrt()
    strength = places.square().sum(2)
    agreement = (component * (strength - strength.mean(1, keepdim=True))).sum(1)
    largest = component.gather(1, component.abs().argmax(1, keepdim=True))[:, 0]
    sign = torch.where(torch.where(agreement == 0, largest, agreement) < 0, -1.0, 1.0)
    signed: Tensor = component * sign[:, None]
    return signed.view(len(activation), *activation.shape[2:]).to(activation.dtype)
