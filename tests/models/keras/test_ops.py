"""Padding, pooling, activations and orders of axes, worked out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from whyscan.models.keras.activations import Activation
from whyscan.models.keras.padding import average_pool, max_pool, same
from whyscan.models.keras.plain import flatten, relu, reshape


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3))
def test_same_padding_gives_the_ceiling_and_no_more(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same(size, kernel, stride, dilation)
    reach = (kernel - 1) * dilation + 1
    wanted = -(-size // stride)
    assert 0 <= after - before <= 1
    assert before + after == 0 or (size + before + after - reach) // stride + 1 == wanted
    assert size + before + after >= (wanted - 1) * stride + reach or before + after == 0


def test_the_odd_pixel_is_at_the_end() -> None:
    assert same(4, 3, 2) == (0, 1)
    assert same(5, 3, 2) == (1, 1)
    assert same(7, 2, 1) == (0, 1)
    assert same(7, 1, 2) == (0, 0)


def test_padding_never_wins_and_is_never_counted() -> None:
    row = torch.tensor([-1.0, -2.0, -3.0, -4.0]).view(1, 1, 1, 4)
    # windows of 3 at 0 and 2, one place past the end: [-1 -2 -3] and [-3 -4]
    assert max_pool(row, (1, 3), (1, 2), fill=True).flatten().tolist() == [-1, -3]
    assert average_pool(row, (1, 3), (1, 2), fill=True).flatten().tolist() == pytest.approx([-2, -3.5])
    # stride 1: one place before and one after
    assert average_pool(row, (1, 3), (1, 1), fill=True).flatten().tolist() == [-1.5, -2, -3, -3.5]
    assert average_pool(row, (1, 3), (1, 2), fill=False).flatten().tolist() == [-2]


def test_the_hard_sigmoid_changed_with_keras_3() -> None:
    x = torch.tensor([-4.0, -2.75, 0.0, 1.0, 2.75])
    two = Activation("hard_sigmoid", "a", keras2=True)(x)
    three = Activation("hard_sigmoid", "a")(x)
    torch.testing.assert_close(two, torch.tensor([0, 0, 0.5, 0.7, 1]))
    torch.testing.assert_close(three, torch.tensor([0, 0.25 / 6, 0.5, 4 / 6, 5.75 / 6]))


def test_channels_change_fastest() -> None:
    image = torch.arange(12.0).view(1, 2, 2, 3)  # two channels of 2 x 3: 0..5 and 6..11
    assert flatten(image).tolist() == [[0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]]
    back = reshape([2, 3, 2])(flatten(image))
    assert torch.equal(back, image)


def test_relu_with_everything() -> None:
    x = torch.tensor([-1.0, 0.5, 1.0, 5.0])
    assert relu(None, 0, 0)(x).tolist() == [0, 0.5, 1, 5]
    assert relu(2.0, 0.5, 1.0)(x).tolist() == [-1.0, -0.25, 1, 2]


def test_softmax_of_an_image_is_over_its_channels() -> None:
    out = Activation("softmax", "a")(torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(out.sum(1), torch.ones(1, 2, 2))
