"""Gradients do not pass every checkpoint: that is refused, and neither a raw error nor told as a lack of gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from whyscan.errors import BadModel
from whyscan.explain.explain import explain, explain_layers
from whyscan.models.classifier import Classifier
from whyscan.models.load import load

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")


class Saving(nn.Module):
    """outer -> [inner, computed again] -> head."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.outer, self.inner = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.head, self.reentrant = nn.Linear(4, 2), reentrant

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        deep = checkpoint(self._deep, self.outer(pixels), use_reentrant=self.reentrant)
        return self.head(deep.mean((2, 3)))

    def _deep(self, shallow: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(shallow))


def saving(reentrant: bool) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return load(Saving(reentrant), classes=["a", "b"], input_size=16)


@pytest.mark.parametrize(
    ("reentrant", "method", "layer"),
    [
        (True, "saliency", None),
        (True, "integrated_gradients", None),
        (True, "gradcam", "outer"),
        (True, "gradcam", "inner"),
        (True, "layercam", None),
        (False, "gradcam", "inner"),
    ],
)
def test_a_checkpoint_in_the_way_is_named(scan, reentrant: bool, method: str, layer: str | None) -> None:
    with pytest.raises(BadModel, match=r"torch\.utils\.checkpoint.*self\.training.*use_reentrant=False"):
        explain(saving(reentrant), scan, method, "a", layer=layer)


def test_what_is_outside_of_a_newer_checkpoint_is_explained(scan) -> None:
    (found,) = explain_layers(saving(False), scan, "a", layers="outer").values()
    assert found.diagnosis == ("there",)
    assert explain(saving(False), scan, "saliency", "a").values.any()


def test_methods_without_gradients_do_not_mind(scan) -> None:
    assert explain(saving(True), scan, "eigencam", "a").values.any()


def test_other_errors_of_a_backward_pass_are_left_alone(toy, scan) -> None:
    def broken(gradient: torch.Tensor) -> None:
        raise RuntimeError("of another kind")

    handle = toy.network.head.register_forward_hook(lambda *args: args[2].register_hook(broken) and None)
    with pytest.raises(RuntimeError, match="of another kind"):
        explain(toy, scan, "saliency", "glioma")
    handle.remove()
