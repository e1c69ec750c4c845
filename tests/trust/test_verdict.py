"""Verdicts: each state and each grade from a table made for it."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import planted
from planted import BEST, WEAK

from whyscan.trust.questions.cues import cues
from whyscan.trust.summary import summarise
from whyscan.trust.table import Row
from whyscan.trust.verdict import explained, judged


def explanation(**numbers):
    head = (BEST, "lime", "", "s", "c", "g", "glioma", "glioma", 0.9, "glioma")
    good = {"blank": 0.0, "constant": 0.0, "randomisation similarity": 0.1, "seed agreement": 0.9,
            "flip consistency": 0.9, "converged": 1.0, "tissue: background": 0.1}  # fmt: skip
    return [Row(*head, metric, "image", value) for metric, value in {**good, **numbers}.items()]


@pytest.mark.parametrize(
    ("metric", "value", "state"),
    [
        ("blank", 1.0, "blank"),
        ("constant", 1.0, "constant"),
        ("randomisation similarity", 0.51, "fails sanity"),
        ("randomisation similarity", -0.9, "fails sanity"),
        ("seed agreement", 0.79, "unstable"),
        ("flip consistency", 0.4, "unstable"),
        ("converged", 0.0, "not converged"),
        ("tissue: background", 0.6, "off-tissue"),
        ("seed agreement", 0.8, "usable"),
        ("seed agreement", None, "usable"),
    ],
)
def test_states(metric, value, state):
    (found,) = explained(explanation(**{metric: value}))
    assert found.state == state
    assert (metric in found.unmeasured) == (value is None)


def test_blank_comes_first_and_nothing_is_not_usable():
    (found,) = explained(explanation(blank=1.0, converged=0.0))
    assert found.state == "blank"
    (empty,) = explained([dataclasses.replace(row, value=None) for row in explanation()])
    assert empty.state == "not measured"
    assert explained([dataclasses.replace(row, method="null: edges") for row in explanation()]) == []


def grades(rows):
    return {(each.model, each.method): each for each in judged(rows)}


def test_a_good_method_is_recommended():
    found = grades(planted.rows())
    assert found[BEST, "gradcam"].grade == "recommended" and found[BEST, "gradcam"].reasons == ()
    assert not any(method.startswith("null") for _, method in found)


def test_a_method_that_looks_the_same_on_a_random_model_fails():
    found = grades(planted.rows(sane=0.9))[BEST, "lime"]
    assert found.grade == "fails" and any("sanity" in reason for reason in found.reasons)


def change(rows, metric, **fields):
    return [
        dataclasses.replace(row, **fields) if row.metric == metric and row.method == "lime" else row for row in rows
    ]


def test_a_method_no_more_faithful_than_chance_fails():
    found = grades(change(planted.rows(), "sensitivity-n", value=-0.02))[BEST, "lime"]
    assert found.grade == "fails" and "faithfulness is" in found.reasons[0]


def test_a_lead_that_may_be_there_asks_for_care_and_one_that_is_surely_small_fails():
    rng = np.random.default_rng(0)
    for lead, grade, said in ((0.3, "use with care", "not surely better"), (0.0, "fails", "no better")):
        rows = planted.rows(n=38)
        drawn = iter(lead * 0.1 + 0.1 * (x - x.mean()) / x.std() for x in [rng.normal(0, 1, 38)])
        values = iter(next(drawn))
        rows = [
            dataclasses.replace(row, value=0.0)
            if (row.method, row.metric) == ("null: random", "sensitivity-n")
            else dataclasses.replace(row, value=float(next(values)))
            if (row.model, row.method, row.metric) == (BEST, "lime", "sensitivity-n")
            else row
            for row in rows
        ]
        found = grades(rows)[BEST, "lime"]
        assert found.grade == grade and said in found.reasons[0], found.reasons


def test_what_was_not_measured_is_never_recommended():
    for metric in ("sensitivity-n", "randomisation similarity", "flip consistency", "energy in lesion"):
        found = grades(change(planted.rows(), metric, value=None, status="skipped", reason="x"))
        assert found[BEST, "lime"].grade == "use with care", metric
        assert found[BEST, "gradcam"].grade == "recommended"


def test_without_a_null_method_the_metrics_own_chance_counts():
    rows = [row for row in planted.rows() if row.method != "null: random"]
    assert grades(rows)[BEST, "lime"].grade == "use with care"
    own = [row for row in rows if row.metric == "sensitivity-n" and row.method == "lime"]
    for level, grade in ((0.0, "recommended"), (0.6, "fails")):
        chance = [dataclasses.replace(row, metric="sensitivity-n chance", value=level) for row in own]
        assert grades([*rows, *chance])[BEST, "lime"].grade == grade


def test_few_scans_are_never_recommended():
    found = grades(planted.rows(n=4))[BEST, "lime"]
    assert found.grade == "use with care" and any("too few" in reason for reason in found.reasons)


def test_missing_the_tumour_asks_for_care_and_blank_maps_fail():
    assert grades(change(planted.rows(), "energy in lesion", value=0.05))[BEST, "lime"].grade == "use with care"
    assert grades(change(planted.rows(), "blank", value=1.0))[BEST, "lime"].grade == "fails"


def test_too_few_evaluations_ask_for_more_and_are_no_failure_of_the_method():
    rows = planted.rows()
    unsettled = [
        dataclasses.replace(row, metric="converged", value=0.0)
        for row in rows
        if row.metric == "blank" and row.method == "lime"
    ]
    found = grades([*rows, *unsettled])
    assert found[BEST, "lime"].grade == "use with care" and found[BEST, "lime"].states == {"not converged": 60}
    assert found[BEST, "lime"].reasons == ("100 % of its explanations had not settled within their evaluations",)
    assert found[BEST, "gradcam"].grade == "recommended"


def test_what_more_evaluations_would_not_mend_comes_first():
    (found,) = explained(explanation(**{"converged": 0.0, "tissue: background": 0.6}))
    assert found.state == "off-tissue"


def test_cues():
    audit = [{"name": "image size", "question": "tumour or not", "subset": "holdout", "accuracy": 0.94,
              "majority": 0.6, "low": 0.9, "high": 0.97, "n": 300, "flag": True}]  # fmt: skip
    found = cues(planted.edits(n=100), audit, BEST)
    assert found.verdict == "yes" and "It rests on the border." in found.sentence
    assert "'image size' alone answers 'tumour or not' with 94 %" in found.sentence
    words = dict(found.parts)
    assert words[f"{BEST} uses the border"] == "yes" and words[f"{BEST} uses the background"] == "no"
    assert "Hiding the tumour itself changes" in found.sentence and not any("tumour" in part for part in words)
    assert cues(planted.edits(n=100, changed=0.0), [], BEST).verdict == "no"
    assert cues(planted.edits(n=5, changed=0.0), [], BEST).verdict == "too few to tell"
    assert cues([], audit, BEST).verdict == "not measured"


EXTRAS = {"best": BEST, "weak": WEAK, "flips": planted.flips(), "agreement": planted.agreements(),
          "edits": planted.edits()}  # fmt: skip


def test_summary_has_everything_and_is_json():
    found = summarise([*planted.rows(), *planted.layered()], EXTRAS)
    json.dumps(found, allow_nan=False)
    assert [each["number"] for each in found["questions"]] == [1, 2, 3, 4, 5, 6, 7]
    assert all(each["verdict"] != "not measured" for each in found["questions"])
    assert found["scans"] == 60


def test_people_judge_what_people_must():
    found = summarise(planted.rows(), EXTRAS)
    status = {each["key"]: each["status"] for each in found["scorecard"]}
    assert status == {"G1": "missing", "G2": "missing", "G3": "measured", "G4": "measured", "G4 people": "missing",
                      "G5": "measured"}  # fmt: skip
    said = summarise(
        planted.rows(), {**EXTRAS, "attested": {"G1": "Dr A., 3 readers, May", "G3": "trust me", "G2": " "}}
    )
    status = {each["key"]: each["status"] for each in said["scorecard"]}
    (truth,) = (each["text"] for each in said["scorecard"] if each["key"] == "G3")
    assert truth.startswith(f"Of {len(said['methods'])} pairs of a method and a model: ")
    assert status["G1"] == "attested" and status["G2"] == "missing" and status["G3"] == "measured"
    assert said["questions"][6]["verdict"] == "no"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        planted.rows(n=1),
        [dataclasses.replace(row, value=None, status="failed", reason="broke") for row in planted.rows(n=3)],
        [dataclasses.replace(row, value=float("nan")) for row in planted.rows(n=3)],
        [dataclasses.replace(row, label="") for row in planted.rows(n=4)],
        [row for row in planted.rows(n=4) if row.model == BEST],
        [row for row in planted.rows(n=30) if "lesion" not in row.metric and row.metric != "auc"],
    ],
)
def test_bad_input_is_told_and_never_raised(rows):
    found = summarise(rows, {"best": BEST, "weak": WEAK})
    json.dumps(found, allow_nan=False)
    assert len(found["questions"]) == 7 and found["questions"][0]["verdict"] in ("not measured", "too few to tell")
    assert "can be recommended" not in found["headline"] or "No method" in found["headline"]
