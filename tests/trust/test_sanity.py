"""Sanity: a map that ignores the model is found out, and no model is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import toys

from whyscan.models.blackbox import black_box
from whyscan.trust import sanity
from whyscan.trust.nulls import null_attributions
from whyscan.trust.randomised import randomised


def test_a_map_that_ignores_the_model_fails() -> None:
    case = toys.case()
    model = toys.classifier()
    fixed = null_attributions(model, case.scan, case.target, seed=0)["null: edges"]
    deaf = replace(case, attribution=fixed, again=lambda _, scans, __: [fixed] * len(scans), explained={})
    assert sanity.randomisation_similarity(deaf).value == pytest.approx(1)
    assert sanity.cascading_similarity(deaf).value == pytest.approx(1)
    assert sanity.complexity_rise(deaf).value == pytest.approx(0)
    assert sanity.similarity_to_edges(deaf).value == pytest.approx(1, abs=0.02)


def test_a_map_of_the_model_changes_with_it() -> None:
    found = sanity.randomisation_similarity(toys.case("gradcam"))
    assert found.value is not None and found.value < 0.98


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_only_the_upper_layers_are_redrawn_and_the_model_is_not(share: float) -> None:
    model = toys.classifier()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    other = randomised(model, share, seed=3)
    after = model.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    changed = [n for n, v in other.network.state_dict().items() if not torch.equal(v, before[n])]
    layers = ["first", "second", "head"][3 - round(3 * share) :]
    assert [name.split(".")[-2] for name in changed] == layers
    for name in changed:
        fresh = other.network.state_dict()[name]
        assert float(fresh.std()) == pytest.approx(float(before[name].std()), rel=0.5)


def test_the_same_seed_draws_the_same_weights() -> None:
    model = toys.classifier()
    one, same, other = (randomised(model, 1.0, seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_black_box_cannot_be_randomised() -> None:
    box = black_box(lambda pixels: np.full((len(pixels), 3), 1 / 3), ["a", "b", "c"], 32)
    case = replace(toys.case(), classifier=box, explained={})
    for metric in (sanity.randomisation_similarity, sanity.cascading_similarity, sanity.complexity_rise):
        assert "black box" in metric(case).reason


@pytest.mark.parametrize("name", sanity.METRICS)
def test_blank_and_broken_maps_have_a_reason(name: str) -> None:
    case = toys.case()
    for value, status in ((0.0, "skipped"), (np.nan, "failed")):
        maps = np.full_like(case.attribution.maps, value)
        found = sanity.METRICS[name](replace(case, attribution=replace(case.attribution, maps=maps), explained={}))
        assert found.value is None and found.reason
        assert found.status == status or name == "complexity rise"
