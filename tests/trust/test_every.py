"""Every metric of a trust run through the same properties: what it may be given, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import toys

from whyscan.data.scan import Scan
from whyscan.models.blackbox import black_box
from whyscan.records.evidence import Evidence
from whyscan.trust.case import Case
from whyscan.trust.every import EVERY, INSIDE

UNKNOWN = ("converged", "tissue: brain", "tissue: border")
"""Of a method that does not estimate, and of a scan that is no head."""
ASKED = [name for name, entry in EVERY.items() if entry.family != "cost"]


@pytest.fixture(scope="module")
def model():
    return toys.classifier()


@pytest.fixture(scope="module")
def case(model) -> Case:
    region = np.zeros((32, 32), bool)
    region[8:14, 10:20] = True
    head = np.zeros((32, 32), bool)
    head[3:29, 4:28] = True
    made = toys.case("input_x_gradient", model=model, of=replace(toys.scan(), region=region))
    return replace(made, head=head, mistaught=lambda: toys.classifier(seed=5))


def asked(case: Case, name: str, ask: Callable[[Case], Evidence] | None = None) -> Evidence:
    """Afresh: nothing that was kept for another metric or map is used."""
    return (ask or EVERY[name].function)(replace(case, memories={}, judges={}, explained={}))


def mapped(case: Case, change: Callable[[np.ndarray], np.ndarray], *, again: bool = True) -> Case:
    """The case of a method whose every map is changed so."""

    def made(model, scans, seed):
        return [other(each) for each in case.again(model, scans, seed)]

    def other(told):
        return replace(told, maps=change(told.maps).astype(np.float32))

    return replace(case, attribution=other(case.attribution), again=made if again else case.again)


def same(one: Evidence, other: Evidence, within: float = 1e-4) -> bool:
    if one.value is None or other.value is None:
        return (one.status, one.reason) == (other.status, other.reason)
    return one.value == pytest.approx(other.value, abs=within, rel=within)


@pytest.mark.parametrize("name", EVERY)
def test_a_figure_lies_in_its_range_and_is_the_same_again(case: Case, name: str) -> None:
    entry = EVERY[name]
    for ask in filter(None, (entry.function, INSIDE.get(name), entry.chance)):
        found = asked(case, name, ask)
        if found.value is None:
            assert name in UNKNOWN and found.reason
            continue
        assert entry.low - 1e-9 <= found.value <= entry.high + 1e-9
        assert found == asked(case, name, ask)
    title = (getattr(entry.function, "__doc__", "") or "").splitlines()[0]
    assert title.endswith((".", ":", "?")) and len(title) < 120


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # of infinity, on the way to the scan's grid
@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", [0.0, 0.7, np.nan, np.inf])
def test_a_map_that_points_nowhere_is_not_measured(case: Case, name: str, value: float) -> None:
    found = asked(mapped(case, lambda maps: np.full_like(maps, value)), name)
    entry = EVERY[name]
    if name in ("blank", "constant"):
        assert found.value == float(value != 0.7 if name == "blank" else value == 0.7)
    elif name.endswith("chance") and name != "iou at half chance" and found.value is not None:
        raise AssertionError("a level of chance of a map that is not measured")
    elif entry.family == "robustness" and value == 0.7:
        assert found.value in (None, 0.0)  # it does not change, but its order is none
    else:
        assert found.value is None and found.reason and found.status in ("skipped", "failed")


@pytest.mark.parametrize("name", ASKED)
def test_the_scale_of_a_map_changes_nothing(case: Case, name: str) -> None:
    """But the Lipschitz constant, which is a map's change per brightness."""
    one, three = asked(case, name), asked(mapped(case, lambda maps: 8 * maps), name)
    if name == "local lipschitz":
        assert three.value == pytest.approx(8 * one.value, rel=1e-4)
    else:
        assert same(one, three)


ORDERED = ("deletion auc", "insertion auc", "road", "aopc", "monotonicity", "top overlap", "seed agreement",
           "flip consistency", "turn consistency", "pointing game", "relevance rank", "iou", "auc",
           "average precision", "class discriminativeness")  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_metrics_of_a_ranking_do_not_see_its_values(case: Case, name: str) -> None:
    positive = mapped(case, lambda maps: np.abs(maps) + 0.1)
    cubed = mapped(positive, lambda maps: maps**3)
    # a turned map is interpolated, so there only nearly
    assert same(asked(positive, name), asked(cubed, name), 0.05 if name == "turn consistency" else 1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_black_box_is_asked_what_can_be_asked_of_it(name: str) -> None:
    def predict(pixels: np.ndarray) -> np.ndarray:
        one = 1 / (1 + np.exp(-20 * (pixels[:, :, 10:20, 10:20].mean((1, 2, 3)) - 0.5)))
        return np.stack([one, (1 - one) / 2, (1 - one) / 2], 1)

    box = black_box(predict, ["a", "b", "c"], 32)
    region = np.zeros((32, 32), bool)
    region[10:20, 10:20] = True
    made = toys.case("occlusion", model=box, of=replace(toys.scan(), region=region))
    found = asked(replace(made, head=~np.zeros((32, 32), bool)), name)
    if "white box" in EVERY[name].needs:
        assert found.value is None and found.status == "skipped" and found.reason
    else:
        assert found.value is not None or name in (*UNKNOWN, "negative in lesion"), found.reason


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 9, 40), (1, 300, 211)])
def test_scans_of_any_size_and_either_number_of_channels(model, name: str, shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).random(shape, np.float32)
    region = np.zeros(shape[1:], bool)
    region[2:5, 3:6] = True
    scan = Scan(pixels, content="0" * 64, source="s.png", label="a", region=region)
    made = replace(toys.case("saliency", model=model, of=scan), head=np.ones(shape[1:], bool))
    entry = EVERY[name]
    for ask in filter(None, (entry.function, INSIDE.get(name))):
        found = asked(made, name, ask)
        assert found.value is None or entry.low - 1e-9 <= found.value <= entry.high + 1e-9
        assert found.value is not None or found.reason


PLACED = [name for name, entry in EVERY.items() if entry.family == "localisation"]


@pytest.mark.parametrize("name", PLACED)
def test_masks_that_cannot_serve_are_never_a_hit(case: Case, name: str) -> None:
    for region, status in (
        (None, "skipped"),
        (np.zeros((32, 32), bool), "skipped"),
        (np.ones((32, 32), bool), "skipped"),
        (np.ones((31, 32), bool), "failed"),
    ):
        found = asked(replace(case, scan=replace(case.scan, region=region)), name)
        assert found.value is None and found.status == status and found.reason


@pytest.mark.parametrize("name", [name for name, entry in EVERY.items() if entry.family == "tissue"])
def test_masks_that_cannot_serve_give_no_share_of_tissue(case: Case, name: str) -> None:
    of = replace(case.scan, region=np.ones((31, 32), bool))
    for wrong in (replace(case, scan=of), replace(case, head=np.ones((31, 32), bool))):
        assert asked(wrong, name).status == "failed" and "shape" in asked(wrong, name).reason
    empty = asked(replace(case, scan=replace(case.scan, region=np.zeros((32, 32), bool))), name)
    assert (empty.value is None and "empty" in empty.reason) if name == "tissue: tumour" else empty.status != "failed"


@pytest.mark.parametrize("name", INSIDE)
def test_a_head_that_cannot_serve_is_told(case: Case, name: str) -> None:
    for head, status in ((None, "skipped"), (np.zeros((32, 32), bool), "skipped"), (np.ones((9, 9), bool), "failed")):
        found = asked(replace(case, head=head), name, INSIDE[name])
        assert found.value is None and found.status == status and found.reason


def test_no_metric_changes_the_model_or_leaves_a_hook(model, case: Case) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.network.parameters()]
    modes = [module.training for module in model.network.modules()]
    for name in EVERY:
        asked(case, name)
    after = model.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [parameter.requires_grad for parameter in model.network.parameters()] == flags
    assert [module.training for module in model.network.modules()] == modes
    for module in model.network.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks


def test_what_is_drawn_depends_on_the_seed_alone(case: Case) -> None:
    drawn = ("deletion auc", "infidelity", "max sensitivity", "randomisation similarity")
    state = torch.get_rng_state().clone()
    moved = 0
    for name in drawn:
        one, two = (asked(replace(case, seed=seed), name).value for seed in (1, 2))
        assert one == asked(replace(case, seed=1), name).value
        moved += one != two
    assert moved >= 3
    assert torch.equal(torch.get_rng_state(), state)


def test_a_method_that_fails_on_one_copy_fails_the_metrics_that_need_it_and_no_other(case: Case) -> None:
    from whyscan.errors import BadScan
    from whyscan.trust.battery import STURDY, measure

    mirrored = case.scan.pixels[:, :, ::-1]

    def again(model, scans, seed):
        if any(np.array_equal(each.pixels, mirrored) for each in scans):
            raise BadScan("this one", "another", "leave it")
        return case.again(model, scans, seed)

    found = {each.metric: each.evidence for each in measure(replace(case, again=again, explained={}), STURDY)}
    assert found["flip consistency"].status == "failed" and "this one" in found["flip consistency"].reason
    assert [name for name, each in found.items() if each.status == "failed"] == ["flip consistency"]
