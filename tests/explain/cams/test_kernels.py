from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from whyscan.explain.cams.kernels import (
    combine,
    eigencam,
    gradcampp_weights,
    guided_weights,
    hirescam,
    layercam,
    summed,
    xgradcam_weights,
)

gradcampp, xgradcam, guided_sum = (
    partial(summed, weigh) for weigh in (gradcampp_weights, xgradcam_weights, guided_weights)
)


def pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, 4, 5)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))  # type: ignore[return-value]


A = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[0.0, 4.0], [0.0, 0.0]]]])
G = torch.tensor([[[[1.0, -1.0], [2.0, 0.0]], [[0.5, 0.25], [-1.0, -1.0]]]])
"""Two channels of 2 x 2, small enough to work out by hand."""


def test_gradcampp_by_hand() -> None:
    # sums of A: 4 and 4. alpha = 1 / (2 + 4 g): channel 1 at g = 1: 1/6, at g = 2: 1/10; channel 2 at 0.5: 1/4, at
    # 0.25: 1/3. Weights: 1/6 + 2/10 = 11/30 and 0.5/4 + 0.25/3 = 5/24; negative gradients have none.
    expected = 11 / 30 * A[0, 0] + 5 / 24 * A[0, 1]
    torch.testing.assert_close(gradcampp(A, G)[0], expected)


def test_gradcampp_is_the_closed_form_of_equation_19_where_that_is_defined() -> None:
    a, g = pair()
    a = a.abs()
    alpha = g**2 / (2 * g**2 + a.sum((2, 3), keepdim=True) * g**3)
    torch.testing.assert_close(gradcampp(a, g), combine((alpha * g.relu()).sum((2, 3))[None], a)[0])
    silent = gradcampp(a, torch.zeros_like(g))
    assert not silent.any()
    # 2 + g sum(A) = 2 - 1 * 2 = 0: no weight rather than an infinite one
    assert torch.isfinite(gradcampp(-torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))).all()


def test_hirescam_by_hand_and_it_adds_up_to_a_linear_score() -> None:
    torch.testing.assert_close(hirescam(A, G)[0], torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    a, g = pair()
    torch.testing.assert_close(hirescam(a, g).sum((1, 2)), (a * g).sum((1, 2, 3)))


def test_xgradcam_by_hand() -> None:
    # channel 1: (1 - 2 + 0 + 0) / 4 = -1/4; channel 2: (0 + 1 + 0 + 0) / 4 = 1/4
    torch.testing.assert_close(xgradcam(A, G)[0], (A[0, 1] - A[0, 0]) / 4)


def test_xgradcam_of_a_channel_that_adds_up_to_nothing_is_finite() -> None:
    assert not xgradcam(torch.tensor([[[[1.0, -1.0]]]]), torch.ones(1, 1, 1, 2)).any()


def test_layercam_by_hand() -> None:
    torch.testing.assert_close(layercam(A, G)[0], torch.tensor([[1.0, 1.0], [0.0, 0.0]]))


def test_the_recipes_sum_by_hand() -> None:
    # positive gradients at positive activations: channel 1 only g = 1 (2 is at A = 0), mean 1/4; channel 2 only 0.25
    torch.testing.assert_close(guided_sum(A, G)[0], A[0, 0] / 4 + A[0, 1] / 16)


@pytest.mark.parametrize("kernel", [gradcampp, hirescam, xgradcam, layercam, guided_sum])
def test_a_batch_is_the_same_as_one_by_one(kernel) -> None:
    a, g = pair()
    torch.testing.assert_close(kernel(a, g), torch.cat([kernel(a[:1], g[:1]), kernel(a[1:], g[1:])]))


@pytest.mark.parametrize("kernel", [hirescam, xgradcam, layercam, guided_sum])
def test_a_score_twice_as_large_gives_a_map_twice_as_large(kernel) -> None:
    a, g = pair()
    torch.testing.assert_close(kernel(a, 2 * g), 2 * kernel(a, g))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 30, 4, 5)])
def test_eigencam_is_the_first_principal_component(shape: tuple[int, ...]) -> None:
    a = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = eigencam(a).numpy()
    for i in range(2):
        places = a[i].flatten(1).T.double().numpy()
        left, values, _ = np.linalg.svd(places - places.mean(0), full_matrices=False)
        component = (left[:, 0] * values[0]).reshape(4, 5)
        assert min(np.abs(found[i] - component).max(), np.abs(found[i] + component).max()) < 1e-5


def test_eigencam_is_positive_where_the_layer_is_active_whatever_the_order_of_the_channels() -> None:
    a = torch.rand((1, 6, 4, 4), generator=torch.Generator().manual_seed(2)) * 0.1
    a[:, :, 1, 2] += 3
    found = eigencam(a)
    assert found[0].argmax() == 1 * 4 + 2
    torch.testing.assert_close(eigencam(a.flip(1)), found)
    # mirrored about its mean the strong place is the weak one
    assert eigencam(4 - a)[0].argmin() == 1 * 4 + 2


def test_eigencam_of_constant_channels_is_zero() -> None:
    assert not eigencam(torch.ones(1, 3, 4, 4)).any()
