"""What can be found out about a model without data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.models.blackbox import black_box
from whyscan.models.candidates import candidates, logits_as_if
from whyscan.models.doctor import examine, layer_facts, normalisation_of
from whyscan.models.load import load
from whyscan.models.preprocess import CAFFE, IMAGENET, NORMALISATIONS, SYMMETRIC


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.second = nn.Conv2d(5, 7, 3, stride=2)
        self.head = nn.Linear(7, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(images).relu()).mean((2, 3)))


def tiny(preprocess: str = "imagenet") -> object:
    torch.manual_seed(0)
    return load(Tiny(), classes=["a", "b"], input_size=(16, 20), preprocess=preprocess)


def test_the_layers_have_the_shapes_of_their_outputs_channels_last() -> None:
    shapes = {each.name: each.shape for each in layer_facts(tiny())}
    assert shapes == {"first": (16, 20, 5), "second": (7, 9, 7)}


def test_nothing_is_left_on_the_network() -> None:
    classifier = tiny()
    examine(classifier)
    assert not any(module._forward_hooks for module in classifier.network.modules())


def test_the_facts_of_a_module() -> None:
    facts = examine(tiny("x/127.5-1"))
    assert facts.parameters == sum(p.numel() for p in Tiny().parameters())
    assert (facts.input_size, facts.classes, facts.white_box, facts.scaling) == (
        (16, 20),
        ("a", "b"),
        True,
        "x/127.5-1",
    )
    assert sum(facts.blank_answer) == pytest.approx(1, abs=1e-6)


def test_a_black_box_has_no_layers_and_no_known_scaling() -> None:
    box = black_box(lambda pixels: np.full((len(pixels), 2), 0.5), ["a", "b"], 16)
    facts = examine(box)
    assert facts.layers == () and facts.scaling == "" and "only answers" in facts.reason
    with pytest.raises(Exception, match="out of sight"):
        candidates(box)


@pytest.mark.parametrize("name", NORMALISATIONS)
@pytest.mark.parametrize("own", NORMALISATIONS)
def test_as_if_is_what_a_model_that_was_opened_so_says(own: str, name: str) -> None:
    pixels = np.random.default_rng(0).random((3, 3, 16, 20), np.float32)
    said = logits_as_if(tiny(own), pixels, NORMALISATIONS[name])
    np.testing.assert_allclose(said, tiny(name).logits(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalisation", [IMAGENET, SYMMETRIC, CAFFE])
def test_the_scaling_is_read_back(normalisation: object) -> None:
    classifier = load(Tiny(), classes=["a", "b"], input_size=16, preprocess=normalisation)
    found = normalisation_of(classifier)
    np.testing.assert_allclose([*found.mean, *found.std], [*normalisation.mean, *normalisation.std], atol=1e-6)
    assert found.flip == normalisation.flip
