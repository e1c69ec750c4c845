"""Robustness: hand-made models whose maps must not move, and maps that are all noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import toys
from torch import nn

from whyscan.explain.explain import configure
from whyscan.models.load import load
from whyscan.trust import names, stability
from whyscan.trust.case import Case


class Linear(nn.Module):
    """Logits that are linear in the pixels: the gradient is the same for every scan."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(weights))
        self.convolution = nn.Conv2d(3, 1, 1)  # so that there is a layer

    def forward(self, images):
        z = (images.mean(1) * self.weights).sum((1, 2))
        return torch.stack([z, -z], 1)


def linear_case(weights: np.ndarray, method: str = "saliency") -> Case:
    model = load(Linear(weights.astype(np.float32)), classes=["a", "b"], input_size=32, preprocess="/255")
    return toys.case(method, model=model)


def drawn(case: Case) -> Case:
    """A method whose maps are noise of the seed and of the scan."""

    def again(_model, scans, seed):
        drawn = [np.random.default_rng([seed, int(1e6 * float(scan.pixels.sum()))]) for scan in scans]
        return [replace(case.attribution, maps=rng.random(case.attribution.maps.shape, np.float32)) for rng in drawn]

    (own,) = again(None, [case.scan], case.seed)
    return replace(case, attribution=own, again=again, explained={})


def test_a_linear_models_gradient_does_not_move() -> None:
    case = linear_case(np.random.default_rng(0).normal(size=(32, 32)))
    assert stability.max_sensitivity(case).value == pytest.approx(0, abs=1e-5)
    assert stability.local_lipschitz(case).value == pytest.approx(0, abs=1e-5)
    assert stability.top_overlap(case).value == 1
    assert stability.seed_agreement(case).value == pytest.approx(1)


def test_input_times_gradient_moves_as_much_as_the_noise() -> None:
    weights = np.ones((32, 32))
    case = linear_case(weights, "input_x_gradient")
    # the map is weights * pixels: what changes is the noise itself
    found = stability.local_lipschitz(case).value
    size = np.linalg.norm(case.values) / np.linalg.norm(case.scan.pixels)
    assert found == pytest.approx(size, rel=1e-3)


def test_a_symmetric_model_is_consistent_under_flips_and_an_asymmetric_one_is_not() -> None:
    half = np.random.default_rng(0).normal(size=(32, 16))
    assert stability.flip_consistency(linear_case(np.hstack([half, half[:, ::-1]]))).value == pytest.approx(1)
    ramp = np.tile(np.linspace(0.1, 1, 32), (32, 1))
    assert stability.flip_consistency(linear_case(ramp)).value == pytest.approx(-1)


def test_turning_comes_back_to_where_it_was() -> None:
    smooth = np.outer(np.hanning(32), np.hanning(32)) + 0.1
    assert stability.turn_consistency(linear_case(smooth)).value > 0.98


def test_noise_is_found_out() -> None:
    case = drawn(toys.case())
    assert abs(stability.seed_agreement(case).value) < 0.2
    assert stability.top_overlap(case).value < 0.4
    assert stability.max_sensitivity(case).value > 0.3


@pytest.mark.parametrize("name", stability.METRICS)
def test_what_cannot_be_measured_says_why(name: str) -> None:
    case = toys.case()
    blank = replace(
        case, attribution=replace(case.attribution, maps=np.zeros_like(case.attribution.maps)), explained={}
    )
    found = stability.METRICS[name](blank)
    assert found.value is None and found.status == "skipped" and found.reason
    broken = replace(
        case, attribution=replace(case.attribution, maps=np.full_like(case.attribution.maps, np.nan)), explained={}
    )
    assert stability.METRICS[name](broken).status == "failed"


def test_explanations_are_made_once_for_all_metrics() -> None:
    case, calls = toys.case(), []

    def again(model, scans, seed):
        calls.append(len(scans))
        return case.again(model, scans, seed)

    counted = replace(case, again=again, explained={})
    for metric in stability.METRICS.values():
        metric(counted)
    assert calls == [stability.COPIES, 1, 2]


def test_the_names_are_those_of_the_table() -> None:
    assert {names.SENSITIVITY, names.SEEDS, names.FLIPS} <= set(stability.METRICS)


@pytest.mark.parametrize("method", ["gradcam", "saliency", "guided_backprop", "integrated_gradients", "occlusion"])
def test_scans_explained_together_have_the_maps_of_each_alone(method: str) -> None:
    case = toys.case(method)
    explainer = configure({method: method}, {})[method]
    scans = list(stability.noisy_copies(case).values())
    together = explainer(case.classifier, scans, case.target)
    for scan, told in zip(scans, together, strict=True):
        (alone,) = explainer(case.classifier, [scan], case.target)
        np.testing.assert_allclose(told.values, alone.values, atol=1e-5 * float(np.abs(alone.values).max()))
