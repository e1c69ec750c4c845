"""Every metric of the table on what it may be given; rankings, imputation, and linear models with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.data.head import find_head
from whyscan.data.phantom import phantom
from whyscan.errors import BadInput
from whyscan.explain.explain import explain
from whyscan.explain.games.perturb import Memory
from whyscan.models.backbones import build
from whyscan.trust import faithfulness as faith
from whyscan.trust.case import Case
from whyscan.trust.cost import estimate
from whyscan.trust.impute import impute
from whyscan.trust.metrics import METRICS
from whyscan.trust.ranking import bins

CLASSES = ("glioma", "meningioma", "no_tumor", "pituitary")


@pytest.fixture(scope="module")
def case() -> Case:
    scan = phantom("meningioma", size=64, seed=3)
    classifier = build("test_efficientnet", "none", CLASSES, input_size=48, seed=0)
    attribution = explain(classifier, scan, "gradcam", ["meningioma", "glioma-meningioma"])
    return Case(classifier, scan, attribution, "meningioma", lambda *_: attribution, head=find_head(scan).head)


def mapped(case: Case, maps: np.ndarray) -> Case:
    return replace(case, attribution=replace(case.attribution, maps=maps.astype(np.float32)), memories={}, judges={})


@pytest.fixture(scope="module")
def drawn(case: Case) -> Case:
    return mapped(case, np.random.default_rng(0).normal(size=(2, 48, 48)))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_lies_in_its_range_and_refuses_what_it_cannot_judge(drawn: Case, name: str) -> None:
    entry = METRICS[name]
    for target in drawn.attribution.targets:
        each = replace(drawn, target=target)
        for ask in filter(None, (entry.function, entry.inside, entry.chance)):
            found = ask(each)
            assert found.value is not None and entry.low <= found.value <= entry.high, found.reason
            assert ask(each).value == found.value
    assert entry.function.__doc__ and len(entry.function.__doc__.splitlines()[0]) < 120
    if entry.family in ("faithfulness", "complexity"):
        assert entry.function(mapped(drawn, np.full((2, 48, 48), 0.7))).status == "skipped"
        assert entry.function(mapped(drawn, np.full((2, 48, 48), np.nan))).status == "failed"
    if entry.inside is not None:
        assert entry.inside(replace(drawn, head=None)).status == "skipped"


def test_metrics_of_one_game_share_their_evaluations(drawn: Case) -> None:
    each = replace(drawn, memories={})
    for metric in (faith.deletion_auc, faith.aopc, faith.monotonicity):
        metric(each)
    assert [len(memory) for memory in each.memories.values()] == [1 + faith.REMOVAL.steps]
    for metric in (faith.infidelity, faith.sensitivity_n, faith.faithfulness_correlation):
        metric(each)
    assert sum(len(memory) for memory in each.memories.values()) == 22 + faith.SUBSETS


def test_the_fill_can_be_chosen_for_all_but_road(drawn: Case) -> None:
    for metric in (faith.deletion_auc, faith.insertion_auc, faith.sensitivity_n, faith.road):
        own = {fill: metric(replace(drawn, fill=fill, memories={})).value for fill in (None, "tissue", "blur", "road")}
        assert own[None] == own[{"insertion_auc": "blur", "road": "road"}.get(metric.__name__, "tissue")]
        assert len(set(own.values())) == (1 if metric is faith.road else 3)


@given(seed=st.integers(0, 999), steps=st.integers(2, 30), levels=st.integers(1, 5))
def test_steps_are_of_equal_size_whatever_is_tied(seed: int, steps: int, levels: int) -> None:
    values = np.random.default_rng(seed).integers(0, levels, (7, 9)).astype(np.float32)
    counted = np.ones((7, 9), bool)
    found = bins(values, counted, steps, seed)
    assert np.ptp(np.bincount(found.ravel())) <= 1
    assert (found == bins(np.exp(values), counted, steps, seed)).all()
    means = [values[found == step].mean() for step in range(steps)]
    assert (np.diff(means) <= 1e-6).all()


def test_deletion_of_the_reversed_map_is_the_reverse(drawn: Case) -> None:
    turned = mapped(drawn, -drawn.attribution.grid)
    shown_last = faith.removed(drawn, faith.Removal(steps=16))
    assert np.allclose(faith.inserted(turned, faith.Removal(steps=16))[::-1], shown_last, atol=1e-5)


def test_a_linear_models_own_contributions_explain_all(drawn: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(1).normal(size=(48, 48)).astype(np.float32)
    pixels = drawn.prepared[0][0, 0]
    fill = np.float32(drawn.prepared[0][0][:, faith_tissue(drawn)].mean())

    def answer(_: object, asked: np.ndarray, **__: object) -> np.ndarray:
        first = (asked[:, 0] * weights).sum((1, 2))
        return np.stack([0 * first, first, 0 * first, 0 * first], 1)

    monkeypatch.setattr(type(drawn.classifier), "logits", answer)
    plain = replace(drawn, engine="float32", judges={})  # another engine would ask the network, not this answer
    true = mapped(plain, np.stack([weights * (pixels - fill)] * 2))
    assert faith.infidelity(true).value == pytest.approx(0, abs=1e-6)
    assert faith.sensitivity_n(true).value == pytest.approx(1, abs=1e-4)
    assert faith.faithfulness_correlation(true).value == pytest.approx(1, abs=1e-4)
    assert (faith.infidelity(true, chance=True).value or 0) > 0.3
    turned = mapped(plain, -true.attribution.maps)
    assert faith.infidelity(turned).value == 1  # and not 0, as with a scale below 0
    # a model that all of the scan speaks for: any map with more in it the more is hidden goes with the fall
    weights[:] = np.sign(pixels - fill) * (1 + np.abs(weights))
    monkeypatch.setattr(faith, "SIDE", 12)  # cells of one size
    drawn_at_random = mapped(plain, np.random.default_rng(2).uniform(size=(2, 48, 48)))
    hidden, falls, _ = faith.subsets(drawn_at_random, faith.REMOVAL)
    assert np.corrcoef(hidden, falls)[0, 1] > 0.8
    assert abs(faith.faithfulness_correlation(drawn_at_random).value or 0) < 0.5
    own, lot = faith.aopc(true).value, faith.aopc(true, chance=True).value
    assert own is not None and lot is not None and own > lot


def faith_tissue(case: Case) -> np.ndarray:
    from whyscan.explain.games.segments import head

    return head(case.prepared[0][0])


def test_imputation_continues_a_ramp_and_keeps_what_is_shown() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 12, dtype=np.float32), (3, 12, 12)).copy()
    gone = np.zeros((12, 12), bool)
    gone[4:8, 4:8] = True
    found = impute(ramp, gone)
    assert (found[:, ~gone] == ramp[:, ~gone]).all()
    assert np.abs(found - ramp).max() < 0.06
    assert np.allclose(impute(ramp, np.ones((12, 12), bool)), 0.5)


def test_complexity_by_hand(drawn: Case) -> None:
    values = np.zeros((2, *drawn.scan.shape), np.float32)
    values[:, 0, 0] = 1
    one = mapped(drawn, values)
    object.__setattr__(one, "values", values[0])
    count = values[0].size
    assert METRICS["gini"].function(one).value == pytest.approx(1 - 1 / count)
    assert METRICS["entropy"].function(one).value == 0
    assert METRICS["effective size"].function(one).value == pytest.approx(1 / count)


def test_a_batterys_cost_counts_what_is_shared_once() -> None:
    both = estimate(["deletion auc", "aopc"], scans=2, explained=5, seconds=0.1, inside=False, chance=False)
    assert (both.evaluations, both.explanations) == (2 * 5 * 21, 0) and both.seconds == pytest.approx(21)
    shared = estimate(["infidelity", "sensitivity-n"], scans=2, explained=5, seconds=0.1)
    assert shared.evaluations == 2 * 2 * 61
    with pytest.raises(BadInput, match="metric 'nothing'"):
        estimate(["nothing"], scans=1, explained=1, seconds=1)


def test_another_seeds_noise_is_another_game(drawn: Case) -> None:
    memories: dict[str, Memory] = {}
    for seed in (0, 1):
        faith.road(replace(drawn, seed=seed, memories=memories))
        faith.deletion_auc(replace(drawn, seed=seed, memories=memories))
    assert sum("/road" in name for name in memories) == 2


def test_methods_share_the_subsets_they_are_asked_about(drawn: Case) -> None:
    memories: dict[str, Memory] = {}
    for maps in (drawn.attribution.maps, -drawn.attribution.maps):
        faith.infidelity(replace(mapped(drawn, maps), memories=memories))
    assert [len(memory) for memory in memories.values()] == [1 + faith.SUBSETS]


@pytest.mark.parametrize("name", [name for name, entry in METRICS.items() if entry.family == "faithfulness"])
def test_the_fast_engine_gives_the_figures_of_float32(drawn: Case, name: str) -> None:
    fast, plain = (
        METRICS[name].function(replace(drawn, engine=engine, memories={}, judges={})).value
        for engine in ("fast", "float32")
    )
    assert fast == pytest.approx(plain, abs=0.02)


def test_engines_do_not_share_answers_and_say_who_they_are(drawn: Case) -> None:
    both = replace(drawn, memories={}, judges={})
    for engine in ("fast", "float32"):
        METRICS["deletion auc"].function(replace(both, engine=engine))
    plain = [judge for key, judge in both.judges.items() if key.endswith("/float32")]
    assert len(both.judges) == 2 and [judge.engine for judge in plain] == ["torch float32"]
    assert all(judge.deviation <= 0.05 for judge in both.judges.values())
