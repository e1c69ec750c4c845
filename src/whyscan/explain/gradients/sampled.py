"""Means of gradients over many points: noisy copies of a scan, or steps on a path from a baseline to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from whyscan.explain.gradients.backward import Forward, Weights, input_gradients
from whyscan.models.batches import halving
from whyscan.records.attribution import Score

_SMALLEST, _ROUNDING = 1e-6, 1e-4


@dataclass(frozen=True, eq=False)
class Point:
    """Where a gradient is taken and what it is multiplied by before it is added to its group."""

    pixels: Float[Tensor, "c h w"]
    factor: Float[Tensor, "c h w"] | float
    group: int = 0


def group_sums(
    forward: Forward, points: Iterable[Point], weights: Weights, score: Score, batch: int
) -> Iterator[Float64[Tensor, "t c h w"]]:
    """For each run of points of one group the sum of factor x gradient. Batches reach across groups.

    Added up in double precision: hundreds of gradients of both signs all but cancel.
    """
    left, total, group = iter(points), None, 0
    while part := list(islice(left, batch)):
        pixels = torch.stack([point.pixels for point in part])
        pieces = halving(partial(_gradients, forward, pixels, weights, score), len(part), len(part))
        for point, gradient in zip(part, chain.from_iterable(pieces), strict=True):
            if total is not None and point.group != group:
                yield total
                total = None
            term = gradient.double() * point.factor
            total, group = term if total is None else total + term, point.group
    if total is not None:
        yield total


def _gradients(forward: Forward, pixels: Tensor, weights: Weights, score: Score, piece: slice) -> Tensor:
    return input_gradients(forward, pixels[piece], weights, score)[1]


def mean_and_error(groups: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean of independent groups and its standard error, element by element; NaN for a single group."""
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for count, group in enumerate(groups, 1):  # Welford's update: no difference of large squares
        before = group - mean
        mean = mean + before / count
        squares = squares + before * (group - mean)
    return mean, torch.sqrt(squares / (count - 1) / count) if count > 1 else torch.full_like(mean, torch.nan)


def sum_and_error(terms: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The sum of independent terms that come in pairs alike, and its standard error.

    The variance of a sum of pairs (a, b) is at most the sum of (a - b)^2 on average: that is too much by the squared
    difference of what a and b are drawn around.
    """
    total, squares = torch.zeros(()), torch.zeros(())
    left = iter(terms)
    for one, two in zip(left, left, strict=True):
        total = total + one + two
        squares = squares + (one - two).square()
    return total, squares.sqrt()


def root_mean_square(values: Float[Tensor, "t ..."]) -> list[float]:
    """One number per target."""
    return [float(each) for each in values.double().flatten(1).square().mean(1).sqrt()]


def completeness(
    maps: Float64[Tensor, "t h w"], end: Float64[Tensor, " t"], start: Float64[Tensor, " t"]
) -> tuple[list[float], list[float]]:
    """How far the values are from adding up to the change of score: the gap, and its share of that change.

    Where the score ends nearly where it starts, so that the change is rounding, the share is taken of 1e-4 of its size.
    """
    gap = maps.flatten(1).sum(1) - (end - start)
    size = torch.maximum(end.abs(), start.abs()).clamp_min(_SMALLEST)
    return gap.tolist(), (gap.abs() / torch.maximum((end - start).abs(), _ROUNDING * size)).tolist()
