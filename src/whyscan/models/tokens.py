"""Grids of a network's outputs: channels first, channels last, or a row of tokens; and how to bring them to one form.

Nothing here knows an architecture by name. A transformer's block is whatever directly holds an attention module; the
grid of its tokens is that of the patch embedding before it; what an axis means is read off the widths of the
module's own norms, linear maps and convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from whyscan.errors import BadTarget
from whyscan.models.classifier import Form, Layer

MOST_PREFIX_TOKENS = 16
"""More tokens than this before a grid are no class, distillation or register tokens."""


def to_channels(output: Tensor, layer: Layer) -> Float[Tensor, "n c h w"]:
    """A layer's output, or its gradient, with channels first and as a grid; a view where that is possible.

    Raises:
        BadTarget: its shape is not what the layer's form says.
    """
    if layer.form == "tokens" and layer.grid is not None:
        height, width = layer.grid
        if output.ndim == 3 and output.shape[1] == layer.prefix + height * width:
            tokens = output[:, layer.prefix :].transpose(1, 2)
            return tokens.reshape(len(output), -1, height, width)
    elif output.ndim == 4:
        return output.permute(0, 3, 1, 2) if layer.form == "nhwc" else output
    raise BadTarget(
        f"the output of layer {layer.name!r} has shape {tuple(output.shape)}",
        "(n, channels, height, width)" if layer.form == "nchw" else f"a grid of form {layer.form}",
        "take another layer",
    )


def attention_blocks(network: nn.Module) -> dict[str, nn.Module]:
    """The modules that directly hold an attention module and are none themselves, by path."""
    return {
        path: module
        for path, module in network.named_modules()
        if path and not _attends(module) and any(_attends(child) for child in module.children())
    }


def _attends(module: nn.Module) -> bool:
    name = type(module).__name__.lower()
    return "attention" in name or "attn" in name


def form_of(network: nn.Module, path: str, shape: Sequence[int]) -> Form:
    """The form of a four-dimensional output: which of its axes is as wide as the module's, or else its parent's, parts.

    "nchw" where that cannot be told, as in a network without widths.
    """
    while True:
        module = network.get_submodule(path)
        widths = {width for part in module.modules() for width in _widths(part)}
        if (shape[1] in widths) != (shape[3] in widths):
            return "nchw" if shape[1] in widths else "nhwc"
        if not path:
            return "nchw"
        path = path.rpartition(".")[0]


def _widths(part: nn.Module) -> tuple[int, ...]:
    if isinstance(part, nn.LayerNorm):
        return (int(part.normalized_shape[-1]),)
    if isinstance(part, nn.Linear):
        return (part.out_features,)
    if isinstance(part, nn.Conv2d):
        return (part.out_channels,)
    return (part.num_features,) if isinstance(part, nn.BatchNorm2d) else ()


def token_grid(
    tokens: int, grids: Sequence[tuple[int, int]], input_size: tuple[int, int]
) -> tuple[int, tuple[int, int]] | None:
    """How many tokens stand before the grid, and the grid's (height, width); None where no grid fits.

    Args:
        grids: of the convolutions that ran before: a patch embedding is one of them. Where none fits, a grid with the
            input's own proportions is looked for.
    """
    fitting = [
        grid for grid in grids if 0 <= tokens - grid[0] * grid[1] <= MOST_PREFIX_TOKENS and grid[0] * grid[1] > 1
    ]
    if fitting:
        height, width = max(fitting, key=lambda grid: grid[0] * grid[1])
        return tokens - height * width, (height, width)
    for prefix in range(min(MOST_PREFIX_TOKENS, tokens - 2) + 1):
        height = round(((tokens - prefix) * input_size[0] / input_size[1]) ** 0.5)
        width = (tokens - prefix) // max(height, 1)
        if height * width == tokens - prefix and height * input_size[1] == width * input_size[0]:
            return prefix, (height, width)
    return None
