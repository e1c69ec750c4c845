from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from whyscan.errors import BadTarget
from whyscan.models.classifier import Layer
from whyscan.models.tokens import attention_blocks, form_of, to_channels, token_grid


@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5), st.integers(1, 5), st.integers(0, 3))
def test_every_form_gives_the_same_grid(n: int, c: int, h: int, w: int, prefix: int) -> None:
    grid = torch.arange(n * c * h * w).view(n, c, h, w)
    assert torch.equal(to_channels(grid, Layer("a", "a")), grid)
    assert torch.equal(to_channels(grid.permute(0, 2, 3, 1), Layer("a", "a", form="nhwc")), grid)
    tokens = torch.cat([torch.full((n, prefix, c), -1), grid.flatten(2).transpose(1, 2)], 1)
    assert torch.equal(to_channels(tokens, Layer("a", "a", form="tokens", prefix=prefix, grid=(h, w))), grid)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((1, 3), Layer("a", "a")),
        ((1, 17, 8), Layer("a", "a")),
        ((1, 18, 8), Layer("a", "a", form="tokens", prefix=1, grid=(4, 4))),
        ((1, 16, 8), Layer("a", "a", form="nhwc")),
    ],
)
def test_another_shape_is_refused(shape: tuple[int, ...], layer: Layer) -> None:
    with pytest.raises(BadTarget, match="layer 'a' has shape"):
        to_channels(torch.zeros(shape), layer)


@pytest.mark.parametrize(
    ("tokens", "grids", "expected"),
    [
        (16, [(4, 4)], (0, (4, 4))),
        (18, [(4, 4), (2, 2)], (2, (4, 4))),
        (9, [(4, 4), (2, 4)], (1, (2, 4))),
        (17, [], (1, (4, 4))),  # a linear patch embedding: the input's own proportions
        (1, [(4, 4)], None),
        (40, [(4, 4)], (4, (6, 6))),  # 24 more than the convolution's grid are no prefix
        (23, [(1, 1)], (7, (4, 4))),
        (2, [], None),
    ],
)
def test_the_grid_of_tokens(tokens: int, grids: list[tuple[int, int]], expected: object) -> None:
    assert token_grid(tokens, grids, (64, 64)) == expected


def test_a_grid_with_the_inputs_proportions() -> None:
    assert token_grid(9, [], (32, 64)) == (1, (2, 4))


def test_blocks_are_what_holds_attention() -> None:
    block = nn.TransformerEncoderLayer(8, 2, 16)
    network = nn.Sequential(nn.Conv2d(3, 8, 4), block)
    assert attention_blocks(network) == {"1": block}


def test_the_form_is_read_off_the_widths_of_the_parts_or_else_of_those_around_them() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(nn.Linear(8, 16), nn.GELU()))
    assert form_of(network, "0", (1, 8, 4, 5)) == "nchw"
    assert form_of(network, "1.0", (1, 4, 5, 16)) == "nhwc"
    assert form_of(network, "1.1", (1, 4, 5, 16)) == "nhwc"
    assert form_of(nn.Sequential(nn.GELU()), "0", (1, 4, 5, 6)) == "nchw"
