"""Every figure of every method in one table: means by hand, what was not measured, and what stands beside."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import planted
from planted import BEST, WEAK

from whyscan.records.run import RESULT_COLUMNS
from whyscan.trust import names
from whyscan.trust.aggregate import aggregate, legend, results
from whyscan.trust.answer import plain
from whyscan.trust.every import CHANCES, EVERY, INSIDE, chance_of, meaning, range_of
from whyscan.trust.located import located
from whyscan.trust.summary import summarise
from whyscan.trust.table import Row


def row(method: str, scan: int, metric: str, value: float | None, **more: str) -> Row:
    told = {"model": BEST, "layer": "", "within": "image", "status": "measured", "reason": "", "group": f"g{scan}"}
    told |= more if value is not None else {"status": "skipped", "reason": "no region is known for this scan", **more}
    return Row(told["model"], method, told["layer"], f"s{scan}", f"c{scan}", told["group"], "glioma", "glioma", 0.9,
               "glioma", metric, told["within"], value, told["status"], told["reason"])  # fmt: skip


def by(means):
    return {(each.model, each.method, each.metric, each.within): each for each in means}


def test_a_mean_has_its_interval_by_group_its_unit_its_direction_and_the_nulls_of_the_same_scans():
    rows = [row("lime", i, names.DELETION, 0.1 * i, group=f"g{i // 2}") for i in range(6)]
    rows += [row("null: random", i, names.DELETION, 0.5 + 0.1 * i, group=f"g{i // 2}") for i in range(10)]
    rows += [
        row("null: edges", i, names.DELETION, 0.5, group=f"g{i // 2}") for i in range(5)
    ]  # the last scan is missing
    lime = by(aggregate(rows))[BEST, "lime", names.DELETION, "image"]
    assert lime.value == pytest.approx(0.25) and (lime.scans, lime.groups) == (6, 3)
    assert 0 == lime.low < 0.25 < lime.high <= 1  # of three groups Student's interval is cut at what can be
    assert (lime.family, lime.unit, lime.better, lime.status) == ("faithfulness", "probability", "lower", "measured")
    assert lime.nulls == {"random": pytest.approx(0.75)}
    assert by(aggregate(rows))[BEST, "null: random", names.DELETION, "image"].nulls == {}


def test_the_head_alone_is_a_row_of_its_own():
    rows = [row("lime", i, "road", value, within=within) for i in range(3)
            for within, value in (("image", 0.2), ("head", 0.6))]  # fmt: skip
    found = by(aggregate(rows))
    assert found[BEST, "lime", "road", "image"].value == pytest.approx(0.2)
    assert found[BEST, "lime", "road", "head"].value == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("metric", "level"),
    [(names.ENERGY, names.ENERGY_CHANCE), (names.NEGATIVE, names.ENERGY_CHANCE),
     (names.POINTING, names.POINTING_CHANCE), ("iou at half", "iou at half chance"),
     ("average precision", names.ENERGY_CHANCE)],
)  # fmt: skip
def test_chance_is_of_the_same_scans(metric: str, level: str):
    rows = [row("lime", i, metric, 0.3) for i in range(3)]
    rows += [row("lime", i, level, 0.01 * (i + 1)) for i in range(5)]
    found = by(aggregate(rows))
    assert found[BEST, "lime", metric, "image"].chance == pytest.approx(0.02)
    assert not any(each.metric == level for each in found.values())


def test_chance_of_the_auc_is_one_half_in_the_head_too_and_of_others_in_the_head_it_is_unknown():
    rows = [row("lime", 0, names.AUC, 0.9, within="head"), row("lime", 0, names.ENERGY, 0.9, within="head"),
            row("lime", 0, names.ENERGY_CHANCE, 0.1)]  # fmt: skip
    found = by(aggregate(rows))
    assert found[BEST, "lime", names.AUC, "head"].chance == 0.5
    assert found[BEST, "lime", names.ENERGY, "head"].chance is None
    assert chance_of(names.DELETION) is None and chance_of("explanation") is None


def test_one_group_has_no_interval_and_no_value_has_its_reason():
    found = by(aggregate([row("lime", 0, names.ENERGY, 0.3), row("rise", 0, names.ENERGY, None)]))
    lime, rise = (found[BEST, name, names.ENERGY, "image"] for name in ("lime", "rise"))
    assert (lime.value, lime.low, lime.high, lime.groups) == (pytest.approx(0.3), None, None, 1)
    assert (rise.value, rise.scans, rise.status) == (None, 0, "skipped")
    assert rise.reason == "no region is known for this scan"


def test_the_commonest_reason_is_told_where_some_scans_were_measured():
    rows = [row("lime", i, names.ENERGY, 0.3 if i < 4 else None) for i in range(6)]
    rows.append(row("lime", 6, names.ENERGY, None, reason="the region is empty"))
    lime = by(aggregate(rows))[BEST, "lime", names.ENERGY, "image"]
    assert lime.scans == 4 and lime.reason == "not measured on 2 more: no region is known for this scan"


def test_a_method_that_refused_is_a_row_of_every_metric_and_failed():
    rows = [row("lime", i, metric, 0.3) for i in range(3) for metric in (names.DELETION, names.GINI)]
    rows += [row("shap", i, "explanation", None, status="failed", reason="too few superpixels") for i in range(3)]
    found = by(aggregate(rows))
    for metric in (names.DELETION, names.GINI):
        shap = found[BEST, "shap", metric, "image"]
        assert (shap.value, shap.status, shap.reason) == (None, "failed", "too few superpixels")
    assert not any(each.metric == "explanation" for each in found.values())


def test_a_method_that_refused_one_scan_says_so_beside_the_others():
    rows = [row("lime", i, names.DELETION, 0.3) for i in range(3)]
    rows += [row("shap", i, names.DELETION, 0.3) for i in range(2)]
    rows += [row("shap", i, "explanation", None, status="failed", reason="no superpixels") for i in (2, 7)]
    shap = by(aggregate(rows))[BEST, "shap", names.DELETION, "image"]  # nobody asked for it on the eighth scan
    assert shap.scans == 2 and shap.reason == "not measured on 1 more: no superpixels"


def test_what_was_not_asked_of_one_method_is_told_and_what_was_asked_of_none_is_left_out():
    rows = [row("lime", 0, names.SEEDS, 0.9), row("rise", 0, names.GINI, 0.5)]
    found = by(aggregate(rows))
    assert found[BEST, "rise", names.SEEDS, "image"].reason == "not asked of this method"
    assert not any(each.metric == names.DELETION for each in found.values())


def test_a_method_is_told_by_the_layer_that_it_is_judged_by():
    rows = [row("gradcam", i, metric, 0.4, layer="last") for i in range(3) for metric in (names.GINI, names.BLANK)]
    rows += [row("gradcam", i, names.BLANK, 1.0, layer="first") for i in range(3)]
    found = by(aggregate(rows))
    assert found[BEST, "gradcam", names.BLANK, "image"].value == pytest.approx(0.4)
    assert {each.layer for each in found.values()} == {"last"}


def test_nobody_waits_for_a_null_explanation():
    rows = [row(method, 0, names.SECONDS, 0.4) for method in ("lime", "null: centre")]
    (cost,) = aggregate(rows)
    assert (cost.method, cost.family, cost.unit, cost.better) == ("lime", "cost", "seconds", "lower")


def test_seconds_have_a_meaning_and_no_negative_interval():
    rows = [row("lime", i, names.SECONDS, value) for i, value in enumerate((0.01, 0.01, 9.0))]
    (cost,) = aggregate(rows)
    assert cost.low == 0 and range_of(names.SECONDS) == (0, float("inf"))


def test_every_metric_has_a_meaning_and_stays_in_its_order():
    told = {name: meaning(name) for name in (*EVERY, names.SECONDS)}
    assert all(each is not None and each.title and each.unit for each in told.values())
    asked = [(name, "image") for name in reversed(told)] + [(name, "head") for name in INSIDE]
    rows = [row("lime", 0, name, 0.5, within=within) for name, within in asked]
    found = aggregate(rows)
    assert list(dict.fromkeys(each.metric for each in found)) == [name for name in told if name not in CHANCES]
    assert sum(each.within == "head" for each in found) == len(INSIDE)
    for family in ("faithfulness", "robustness", "sanity", "complexity", "tissue", "localisation", "cost"):
        assert any(each.family == family for each in found)
    assert set(legend(found)) == {each.metric for each in found}


def test_what_came_before_in_results_is_not_said_twice():
    rows = planted.rows(n=20)
    places, means = (plain([dataclasses.asdict(each) for each in found]) for found in (located(rows), aggregate(rows)))
    from whyscan.trust.located import results as located_results

    before = located_results(places)
    more = results(means, before)
    assert all(set(each) <= set(RESULT_COLUMNS) for each in more)
    keys = [tuple(each[name] for name in ("model", "method", "subset", "class", "metric")) for each in before + more]
    assert len(set(keys)) == len(keys)
    assert (WEAK, "lime", "trust, all predictions", "all", "mean sensitivity-n") in keys
    assert (WEAK, "null: random", "trust, all predictions", "all", "mean sensitivity-n") in keys


def test_the_summary_holds_the_table_and_how_to_read_it():
    document = summarise([*planted.rows(n=8), row("lime", 0, "road", 0.4, within="head")], {"best": BEST})
    assert {"faithfulness", "tissue", "sanity", "robustness", "complexity", "cost"} <= {
        each["family"] for each in document["metrics"]
    }
    assert document["legend"]["road"]["label"] == "ROAD" and document["legend"]["seconds"]["high"] is None
    head = [each for each in document["metrics"] if each["within"] == "head"]
    assert {each["metric"] for each in head} == {"road"}
    json.dumps(document, allow_nan=False)
