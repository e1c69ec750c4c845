"""Randomised copies: drawn once, and let go when their network is gone or has changed."""

from __future__ import annotations

import gc
from weakref import ref

import torch
import toys

from whyscan.trust import randomised as module
from whyscan.trust.randomised import KEPT, randomised


def test_a_copy_is_drawn_once_for_all_that_ask() -> None:
    model = toys.classifier()
    first = randomised(model, 0.5, seed=1)
    assert randomised(model, 0.5, seed=1).network is first.network
    assert randomised(model, 1.0, seed=1).network is not first.network
    assert randomised(model, 0.5, seed=2).network is not first.network


def test_another_copy_is_drawn_once_weights_have_changed() -> None:
    model = toys.classifier()
    before = randomised(model, 1.0, seed=0)
    with torch.no_grad():
        next(model.network.parameters()).mul_(2)
    assert randomised(model, 1.0, seed=0).network is not before.network


def test_few_stay_and_none_outlives_its_network() -> None:
    module.forget()
    model = toys.classifier()
    for seed in range(KEPT + 3):
        randomised(model, 1.0, seed=seed)
    assert len(module._COPIES) == KEPT
    gone = ref(model.network)
    del model
    gc.collect()
    assert gone() is None
    other = toys.classifier()
    randomised(other, 1.0, seed=0)
    assert len(module._COPIES) == 1
