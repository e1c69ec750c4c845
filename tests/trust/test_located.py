"""Where the maps lie, and method against method: on tables whose answer is planted."""

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
from whyscan.trust.answer import plain
from whyscan.trust.located import located, results
from whyscan.trust.versus import versus


def by(places):
    return {(each.model, each.method, each.metric, each.outcome, each.label): each for each in places}


def test_means_of_all_right_and_wrong_predictions_beside_chance():
    rows = planted.rows(n=120, telling=0.15, wrong=0.6)
    found = by(located(rows))
    energy = {
        row.content: row.value for row in rows if (row.model, row.method, row.metric) == (WEAK, "lime", names.ENERGY)
    }
    right = {row.content: bool(row.right) for row in rows if row.model == WEAK}
    for outcome, kept in (("all", (True, False)), ("right", (True,)), ("wrong", (False,))):
        wanted = [value for scan, value in energy.items() if right[scan] in kept]
        place = found[WEAK, "lime", names.ENERGY, outcome, "all"]
        assert place.value == pytest.approx(sum(wanted) / len(wanted)) and place.n == len(wanted)
        assert place.low < place.value < place.high and place.chance == pytest.approx(0.05)
    assert (
        found[WEAK, "lime", names.ENERGY, "right", "all"].low > found[WEAK, "lime", names.ENERGY, "wrong", "all"].high
    )
    assert found[BEST, "lime", names.AUC, "all", "all"].chance == 0.5
    assert (BEST, "null: centre", names.ENERGY, "all", "all") in found


def test_classes_are_told_apart_where_there_are_several():
    rows = planted.rows(n=20)
    assert {each.label for each in located(rows)} == {"all"}
    renamed = [
        dataclasses.replace(row, label="pituitary", target="pituitary", predicted="pituitary")
        if int(row.content[1:]) % 2
        else row
        for row in rows
    ]
    found = by(located(renamed))
    halves = [found[BEST, "lime", names.ENERGY, "all", label] for label in ("glioma", "pituitary")]
    assert [each.n for each in halves] == [10, 10]
    whole = found[BEST, "lime", names.ENERGY, "all", "all"].value
    assert sum(each.value for each in halves) / 2 == pytest.approx(whole)


def test_no_mask_gives_no_rows_and_one_scan_no_interval():
    assert located([row for row in planted.rows(n=3) if row.metric == "gini"]) == []
    (first, *_) = located(planted.rows(n=1))
    assert first.low is None and first.high is None and first.n == 1


def test_rows_for_the_table_of_every_result():
    found = plain([dataclasses.asdict(each) for each in located(planted.rows(n=20))])
    rows = results(found)
    assert rows and all(set(row) <= set(RESULT_COLUMNS) for row in rows)
    assert {row["subset"] for row in rows} == {f"trust, {each} predictions" for each in ("all", "right", "wrong")}


def test_a_planted_lead_of_one_method_is_found_and_corrected():
    rows = [
        dataclasses.replace(row, value=row.value + 0.1) if (row.method, row.metric) == ("lime", names.ENERGY) else row
        for row in planted.rows(n=60)
    ]
    faithful, placed = versus(rows, BEST)
    assert (faithful.metric, placed.metric) == (names.SENSITIVITY_N, names.ENERGY)
    (line,) = placed.evidence
    assert line.name == "Grad-CAM less LIME" and line.low < -0.1 < line.high
    assert line.corrected is not None and line.corrected >= line.p
    assert "1 of 1 pairs of methods differ surely" in placed.sentence and "LIME (1 of 1)" in placed.sentence
    assert placed.figure["sure"] == [[False, True], [True, False]]
    assert placed.figure["values"][0][1] == pytest.approx(100 * line.value)
    json.dumps(plain(dataclasses.asdict(placed)), allow_nan=False)


def test_methods_that_do_not_differ_and_too_few_scans():
    same = versus(planted.rows(n=120), BEST)[0]
    assert "0 of 1 pairs" in same.sentence and "too few" not in same.sentence
    few = versus(planted.rows(n=4), BEST)[0]
    assert "too few scans to tell" in few.sentence
    assert versus([row for row in planted.rows(n=4) if row.method != "lime"], BEST) == []
    assert versus([], None) == []


def test_many_pairs_are_corrected_for_their_number():
    names_ = [f"m{i}" for i in range(6)]
    rows = [
        dataclasses.replace(row, method=name, value=row.value + (i == 0) * 0.02)
        for row in planted.rows(n=30)
        if row.method == "lime" and row.metric == names.ENERGY
        for i, name in enumerate(names_)
    ]
    (found,) = versus(rows, BEST)
    assert len(found.evidence) == 15
    assert all(line.corrected >= line.p for line in found.evidence)
    assert max(line.corrected / line.p for line in found.evidence) > 5
