"""Augmentation of a whole batch at once, every scan with draws of its own, all of them from one generator.

The transforms are those of torchvision v2 (RandomHorizontalFlip, RandomAffine, ColorJitter) and agree with its
functional forms. They are written out here because torchvision draws once a call, from the global generator: a
resumed training could not repeat it, and a batch would share one angle.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

ANGLE = 10.0
"""Degrees to either side."""
SCALE = 0.1
SHIFT = 0.06
"""Share of the image's side."""
BRIGHTNESS = 0.15
CONTRAST = 0.2


def augment(pixels: Float[Tensor, "n c h w"], generator: Generator) -> Float[Tensor, "n c h w"]:
    """Flip, turn, scale, shift, brighten and change the contrast of each scan at random.

    Args:
        pixels: values in [0, 1]; what comes in from outside the image is 0, as the background of a scan is.
        generator: where every draw comes from; the same state gives the same batch.
    """
    n = pixels.shape[0]
    draws = torch.rand((7, n), generator=generator)
    flip = draws[0] < 0.5
    angle, scale, right, down, brightness, contrast = draws[1:] * 2 - 1
    moved = affine(pixels, flip, angle * ANGLE, 1 + scale * SCALE, right * SHIFT, down * SHIFT)
    return jitter(moved, 1 + brightness * BRIGHTNESS, 1 + contrast * CONTRAST)


def affine(
    pixels: Float[Tensor, "n c h w"],
    flip: Tensor,
    angle: Float[Tensor, " n"],
    scale: Float[Tensor, " n"],
    right: Float[Tensor, " n"],
    down: Float[Tensor, " n"],
) -> Float[Tensor, "n c h w"]:
    """Mirror, then turn clockwise by `angle` degrees about the centre, enlarge by `scale`, and shift.

    Args:
        flip: (n,) which scans are mirrored left to right.
        right, down: the shift as a share of the image's width and height.
    """
    height, width = pixels.shape[-2:]
    turn = angle * (math.pi / 180)
    cosine, sine = torch.cos(turn) / scale, torch.sin(turn) / scale
    mirror = torch.where(flip, -1.0, 1.0)
    # grid_sample wants the way back, output -> input, in units of half a side: v = M (u - 2 shift), and M turns
    # in pixels, so its mixed terms carry the ratio of the sides.
    m = torch.stack([cosine, sine * (height / width), -sine * (width / height), cosine], 1).view(-1, 2, 2)
    offset = -2 * (m @ torch.stack([right, down], 1).unsqueeze(2))
    theta = torch.cat([m, offset], 2)
    theta[:, 0] *= mirror[:, None]
    grid = functional.affine_grid(theta.to(pixels.dtype), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def jitter(
    pixels: Float[Tensor, "n c h w"], brightness: Float[Tensor, " n"], contrast: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Multiply by `brightness`, then move away from the mean by `contrast`; both clipped to [0, 1]."""
    bright = (pixels * brightness.view(-1, 1, 1, 1)).clamp_(0, 1)
    mean = bright.mean((1, 2, 3), keepdim=True)
    return (mean + (bright - mean) * contrast.view(-1, 1, 1, 1)).clamp_(0, 1)
