"""Sanity: a map that ignores the model is found out, and no model is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import toys

from whyscan.models.blackbox import black_box
from whyscan.trust import names, sanity
from whyscan.trust.nulls import null_attributions
from whyscan.trust.randomised import randomised
from whyscan.trust.table import Row
from whyscan.trust.verdict import explained, judged


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


@pytest.mark.parametrize("name", [name for name in sanity.METRICS if name != names.MISTAUGHT])
def test_blank_and_broken_maps_have_a_reason(name: str) -> None:
    case = toys.case()
    for value, status in ((0.0, "skipped"), (np.nan, "failed")):
        maps = np.full_like(case.attribution.maps, value)
        found = sanity.METRICS[name](replace(case, attribution=replace(case.attribution, maps=maps), explained={}))
        assert found.value is None and found.reason
        assert found.status == status or name == "complexity rise"


def test_a_model_taught_shuffled_labels_is_asked_where_there_is_one() -> None:
    case = toys.case("input_x_gradient")
    assert "no model that was taught shuffled labels" in sanity.label_similarity(case).reason
    why = replace(case, mistaught=lambda: "it would take a whole training")
    assert sanity.label_similarity(why).reason == "it would take a whole training"
    same = replace(case, mistaught=lambda: case.classifier, explained={})
    assert sanity.label_similarity(same).value == pytest.approx(1)
    other = replace(case, mistaught=lambda: toys.classifier(seed=7), explained={})
    assert abs(sanity.label_similarity(other).value) < 0.8
    fixed = null_attributions(case.classifier, case.scan, case.target, seed=0)["null: edges"]
    assert sanity.label_similarity(replace(case, attribution=fixed)).value == pytest.approx(1)


def test_smoothing_takes_the_maps_own_noise_off() -> None:
    """A map that is one picture and, with any weights, other noise: smoothed, the picture is seen through it."""
    case = toys.case()
    picture = np.add.outer(np.arange(32.0), np.arange(32.0)).astype(np.float32) / 62

    def again(model, scans, seed):
        drawn = [np.random.default_rng([id(model.network), *np.frombuffer(each.pixels.tobytes()[:64], np.uint32)])
                 for each in scans]  # fmt: skip
        return [replace(case.attribution, maps=np.stack([picture + rng.normal(0, 0.5, (32, 32))] * 3)
                        .astype(np.float32)) for rng in drawn]  # fmt: skip

    (own,) = again(case.classifier, [case.scan], 0)
    noisy = replace(case, attribution=own, again=again, explained={})
    plain, smooth = sanity.randomisation_similarity(noisy).value, sanity.smooth_similarity(noisy).value
    assert smooth > plain + 0.1


def test_alike_with_shuffled_labels_fails_the_method() -> None:
    def rows(value: float) -> list[Row]:
        return [
            Row("best", "lime", "", f"s{i}", f"c{i}", f"g{i}", "a", "a", 0.9, "a", metric, "image", each)
            for i in range(8)
            for metric, each in (("blank", 0.0), (names.RANDOMISED, 0.1), (names.MISTAUGHT, value))
        ]

    assert {each.state for each in explained(rows(0.85))} == {"fails sanity"}
    assert {each.state for each in explained(rows(0.75))} == {"usable as far as asked"}
    (found,) = judged(rows(0.85))
    assert found.grade == "fails" and any("taught shuffled labels" in reason for reason in found.reasons)
    (found,) = judged(rows(0.3))
    assert not any("shuffled" in reason for reason in found.reasons)
