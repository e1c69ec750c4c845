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

from whyscan.study.trust_settings import TrustSettings
from whyscan.trust.attested import Statement
from whyscan.trust.questions.cues import cues
from whyscan.trust.states import explained
from whyscan.trust.summary import summarise
from whyscan.trust.table import Row
from whyscan.trust.thresholds import FEWEST
from whyscan.trust.verdict import judged


def explanation(**numbers):
    head = (BEST, "lime", "", "s", "c", "g", "glioma", "glioma", 0.9, "glioma")
    good = {"blank": 0.0, "constant": 0.0, "randomisation similarity": 0.1, "seed agreement": 0.9,
            "flip consistency": 0.9, "turn consistency": 0.9, "converged": 1.0, "tissue: background": 0.1}  # fmt: skip
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
        ("turn consistency", 0.27, "unstable"),
        ("converged", 0.0, "not converged"),
        ("tissue: background", 0.6, "off-tissue"),
        ("seed agreement", 0.8, "usable"),
        ("converged", None, "usable"),
        ("seed agreement", None, "usable as far as asked"),
        ("randomisation similarity", None, "usable as far as asked"),
        ("turn consistency", None, "usable as far as asked"),
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
    for lead, grade, said in ((0.3, "use with care", "too few to tell"), (0.0, "fails", "no better")):
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
        assert found.grade == grade and any(said in reason for reason in found.reasons), found.reasons


def test_no_more_faithful_than_a_map_of_the_scan_alone_asks_for_care():
    """Better than a map drawn by lot, and no better than an edge detector: it may show the scan."""
    rows = [dataclasses.replace(row, value=0.8 if row.method == "null: edges" else row.value)
            if row.metric == "sensitivity-n" else row for row in planted.rows()]  # fmt: skip
    edges = [dataclasses.replace(row, method="null: edges", value=0.8)
             for row in rows if (row.method, row.metric) == ("null: random", "sensitivity-n")]  # fmt: skip
    before, after = grades(planted.rows())[BEST, "lime"], grades([*rows, *edges])[BEST, "lime"]
    assert before.grade == "recommended" and after.grade == "use with care" and not after.open
    assert any("faithfulness is" in reason and "an edge detector" in reason for reason in after.reasons)


def test_what_only_wants_more_scans_is_told_apart_from_what_is_known_to_be_weak():
    few, weak = grades(planted.rows(n=12))[BEST, "lime"], grades(change(planted.rows(), "flip consistency", value=0.5))
    assert few.grade == "use with care" and few.open
    assert not weak[BEST, "lime"].open and not grades(planted.rows())[BEST, "lime"].open
    headlines = [summarise(planted.rows(n=n), EXTRAS)["headline"] for n in (12, 60)]
    assert ["have nothing against them" in told for told in headlines] == [True, False]


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


STURDY = ("seed agreement", "flip consistency", "turn consistency", "randomisation similarity")


def sturdy(rows, n, **values):
    """Robustness and sanity on the first n scans only; of lime with values of their own."""
    first = {f"c{i}": i for i in range(n)}
    return [
        row
        if row.metric not in STURDY
        else dataclasses.replace(row, value=None, status="skipped", reason="not asked")
        if row.content not in first
        else dataclasses.replace(row, value=values[row.metric][first[row.content] % len(values[row.metric])])
        if row.method == "lime" and row.metric in values
        else row
        for row in rows
    ]


def test_the_default_number_of_scans_can_reach_every_verdict():
    n = TrustSettings().sturdy
    assert n >= FEWEST.value
    found = grades(sturdy(planted.rows(), n, **{"randomisation similarity": (0.7, 0.9)}))
    assert found[BEST, "gradcam"].grade == "recommended"
    assert found[BEST, "lime"].grade == "fails" and found[BEST, "lime"].reasons[0].startswith("fails sanity")


@pytest.mark.parametrize(
    ("n", "values", "said"),
    [
        (2, (0.54, 0.6), "sanity: too few to tell (2 independent groups of scans; a verdict needs 6)"),
        (5, (0.9,), "sanity: too few to tell (5 independent groups of scans; a verdict needs 6)"),
        (6, (0.29, 0.74), "cannot be told apart from the limit of 0.5"),
        (6, (0.27, 0.71), "cannot be told apart from the limit of 0.5"),
    ],
)
def test_nothing_fails_that_could_as_well_pass(n, values, said):
    found = grades(sturdy(planted.rows(), n, **{"randomisation similarity": values}))[BEST, "lime"]
    assert found.grade == "use with care" and any(said in reason for reason in found.reasons), found.reasons


def test_signs_that_differ_between_scans_do_not_cancel():
    """The same map, now as it is and now turned round: of the scan, not of the model."""
    found = grades(sturdy(planted.rows(), 6, **{"randomisation similarity": (0.9, -0.9)}))[BEST, "lime"]
    assert found.grade == "fails" and "0.90 the same on every scan" in found.reasons[0]


def test_what_is_the_same_on_every_scan_needs_no_spread():
    """Where nothing is drawn another seed gives the same map: no interval, and no doubt."""
    for value, n, grade in ((1.0, 6, "recommended"), (1.0, 5, "use with care"), (0.3, 6, "use with care")):
        found = grades(sturdy(planted.rows(), n, **{"seed agreement": (value,)}))[BEST, "lime"]
        assert found.grade == grade, found.reasons
        (line,) = (each for each in found.evidence if each.name == "seed agreement")
        assert (line.low, line.reason) == (None, "the same on every scan")
    assert found.reasons[0].startswith("unstable: agreement between seeds 0.30 the same on every scan, all below")


def test_a_map_that_turns_with_the_scan_fails_and_one_that_hangs_on_the_seed_asks_for_care():
    for metric, grade in (("turn consistency", "fails"), ("flip consistency", "fails"),
                          ("seed agreement", "use with care")):  # fmt: skip
        found = grades(sturdy(planted.rows(), 6, **{metric: (0.3, -0.1)}))[BEST, "lime"]
        assert found.grade == grade and found.reasons[0].startswith("unstable: agreement"), found.reasons
        assert "−" in found.reasons[0] and "-" not in found.reasons[0]


def test_single_maps_beyond_a_limit_ask_for_care_though_the_mean_holds():
    found = grades(sturdy(planted.rows(), 20, **{"turn consistency": (0.4, *(0.9,) * 4)}))[BEST, "lime"]
    assert found.reasons == ("unstable: 4 of 20 explanations asked, by agreement with the slightly turned scan",)


def test_shares_are_of_those_that_were_asked():
    found = grades(sturdy(planted.rows(), 6, **{"randomisation similarity": (0.9,)}))[BEST, "lime"]
    assert found.states == {"fails sanity": 6, "usable as far as asked": 54}
    assert found.shares == (
        "every check: 0 of 6 passed",
        "quick checks only: 54 of 54 passed",
        "fails sanity: 6 of 6 asked",
    )
    assert not any("10 %" in reason for reason in found.reasons)


def test_a_handful_of_good_maps_does_not_show_that_nearly_all_are():
    for n, passed in ((30, False), (35, True)):
        reasons = grades(planted.rows(n=n))[BEST, "lime"].reasons
        told = "too few to tell whether at most 10 % are blank, constant or off-tissue (0 of 30)"
        assert (told not in reasons) == passed


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
    assert found[BEST, "lime"].reasons == ("60 of 60 explanations are not settled within their evaluations",)
    assert found[BEST, "gradcam"].grade == "recommended"


def test_what_more_evaluations_would_not_mend_comes_first():
    (found,) = explained(explanation(**{"converged": 0.0, "tissue: background": 0.6}))
    assert found.state == "off-tissue"


def test_cues():
    audit = [{"name": "image size", "question": "tumour or not", "subset": "holdout", "accuracy": 0.94,
              "majority": 0.6, "low": 0.9, "high": 0.97, "n": 300, "flag": True}]  # fmt: skip
    found = cues(planted.edits(n=100), audit, BEST)
    assert found.verdict == "yes" and "It rests on the border." in found.sentence
    assert "'image size' alone answers 'tumour or not' with 94 % [90, 97] on holdout" in found.sentence
    assert found.sentence.startswith("No edit was made that takes away what else the audit found")
    assert "Whether the border alone would have been enough was not measured" in found.sentence
    words = dict(found.parts)
    assert words[f"{BEST} uses the border"] == "yes" and words[f"{BEST} uses the background"] == "no"
    assert "Hiding the tumour itself changes" in found.sentence and not any("tumour" in part for part in words)
    assert cues(planted.edits(n=100, changed=0.0), [], BEST).verdict == "no"
    assert cues(planted.edits(n=5, changed=0.0), [], BEST).verdict == "too few to tell"
    assert cues([], audit, BEST).verdict == "not measured"


def cue(name, accuracy, **more):
    return {"name": name, "question": "tumour or not", "subset": "holdout", "accuracy": accuracy, "majority": 0.6,
            "low": accuracy - 0.03, "high": accuracy + 0.03, "n": 300, "flag": True, **more}  # fmt: skip


def test_an_audited_cue_is_tied_to_the_edit_that_takes_it_away():
    audit = [
        cue("nearest neighbour", 0.95),
        cue("border brightness", 0.8),
        cue("border brightness", 0.99, subset="test-leaked"),
    ]
    found = cues(planted.edits(n=100), audit, BEST)
    assert (
        "By the audit, 'border brightness' alone answers 'tumour or not' with 80 % [77, 83] on holdout"
        in found.sentence
    )
    assert f"taken away by 'border' and 'background', {BEST} uses it." in found.sentence
    assert "takes away what else the audit found: 'nearest neighbour'" in found.sentence
    assert dict(found.parts)[f"{BEST} uses 'border brightness', which the audit found to predict the label"] == "yes"
    line = next(each for each in found.evidence if each.name.startswith("audit: 'border"))
    assert line.reason == "used? 'border' takes it away: yes, 'background' takes it away: no"
    assert not any("nearest" in part for part, _ in found.parts)


def test_cues_that_cannot_be_told_are_named_with_their_n():
    rows = [row for row in planted.edits(n=100) if row["edit"] != "background" or int(row["content"][1:]) < 2]
    found = cues(rows, [], BEST)
    assert "For the others there are too few scans to tell: the background 0 % [0, 66] (n = 2)." in found.sentence
    assert found.short.startswith(
        f"{BEST} rests on the border (47 % [37, 57] of its answers change without); for 1 other"
    )
    assert "Hiding the tumour changes 72 % [63, 80]" in found.short
    assert {entry["label"] for entry in found.figure["entries"]} >= {"border (n = 100)", "background (n = 2)"}


def test_whose_shares_they_are_and_which_control_is_missing():
    found = cues(planted.edits(n=100), [], BEST)
    assert (
        f"shares of the 100 scans that were edited, 0 of which {BEST} gets wrong unedited, not of all" in found.sentence
    )
    assert "On no scan could a healthy patch of its area be hidden" in found.sentence
    wide = cues(planted.edits(n=100), [], BEST, alike=True)
    assert "100 scans, 0 of which" in wide.sentence and "drawn from all alike" in wide.sentence
    assert "being answered wrongly" not in wide.sentence
    told = [summarise(planted.rows(n=6), {**EXTRAS, **more})["questions"][5]["sentence"]
            for more in ({}, {"wide_edits": planted.edits(n=30)})]  # fmt: skip
    assert ["drawn from all alike" in each for each in told] == [False, True]
    patched = [{**row, "edit": "healthy patch", "after": row["predicted"]} for row in planted.edits(n=100)
               if row["edit"] == "tumour"]  # fmt: skip
    beside = cues([*planted.edits(n=100), *patched], [], BEST)
    assert "Hiding as much tissue on the other side changes 0 %" in beside.sentence
    assert "could a healthy patch" not in beside.sentence
    line = next(each for each in beside.evidence if "less without the healthy patch" in each.name)
    assert line.n == 100 and 0.6 < line.low < line.value < line.high < 0.9 and line.p < 0.001
    assert "On the scans where both could be done, the tumour less the patch: +" in beside.sentence
    assert not any("shows how much" in note for note in beside.notes)


def test_uses_are_corrected_over_edits_and_models():
    """Six of 30 answers change: alone that is surely more than 5 % (p = 0.007), as one of ten edits it is not."""
    row = planted.edits(n=1)[0]

    def table(edits):
        return [{**row, "edit": edit, "content": f"c{i}", "group": f"g{i}", "after": "none" if i < 6 else "glioma"}
                for edit in edits for i in range(30)]  # fmt: skip

    alone = cues(table(["border"]), [], BEST)
    many = cues(table(["border", *(f"edit {i}" for i in range(9))]), [], BEST)
    words = [dict(found.parts)[f"{BEST} uses the border"] for found in (alone, many)]
    assert words == ["yes", "too few to tell"], [found.evidence[0] for found in (alone, many)]
    line = many.evidence[0]
    assert line.corrected == pytest.approx(10 * line.p) and line.correction == "Holm, 10 tests"
    accuracy = [each for each in many.evidence if "change of accuracy" in each.name]
    assert all(each.correction.startswith("Holm") and -1 <= each.low <= each.high <= 1 for each in accuracy)


def test_no_edit_has_an_interval_of_no_width():
    found = cues(planted.edits(n=2, changed=0.0), [], BEST)
    assert all(each.low < each.high for each in found.evidence if each.low is not None)


EXTRAS = {"best": BEST, "weak": WEAK, "flips": planted.flips(), "agreement": planted.agreements(),
          "edits": planted.edits()}  # fmt: skip


def test_summary_has_everything_and_is_json():
    found = summarise([*planted.rows(), *planted.layered()], EXTRAS)
    json.dumps(found, allow_nan=False)
    assert [each["number"] for each in found["questions"]] == [1, 2, 3, 4, 5, 6, 7]
    assert all(each["verdict"] != "not measured" for each in found["questions"])
    assert found["scans"] == 60


def test_people_judge_what_people_must():
    rows = planted.rows(n=120, telling=0.15, wrong=0.6)
    found = summarise(rows, EXTRAS)
    status = {each["key"]: each["status"] for each in found["scorecard"]}
    assert status == {"G1": "missing", "G2": "missing", "G3": "measured", "G4": "measured", "G4 people": "missing",
                      "G5": "measured"}  # fmt: skip
    words = {
        "G1": said("G1", "Three readers understood it."),
        "G2": said("G2", "No decision hangs on it.", "not applicable"),
        "G3": said("G3", "trust me"),
    }
    told = summarise(rows, {**EXTRAS, "attested": words})
    entries = {each["key"]: each for each in told["scorecard"]}
    assert entries["G1"]["status"] == "attested" and entries["G1"]["text"] == (
        "Dr A. Becker, 2026-05-02: Three readers understood it."
    )
    assert entries["G2"]["status"] == "not applicable" and entries["G3"]["status"] == "measured"
    last = told["questions"][6]
    assert last["verdict"] == "no" and last["short"] == (
        "1 of 6 entries (the fourth guideline has two) are missing: people must attest informative plausibility."
    )
    assert "Of 1 a person states that it does not apply." in last["sentence"]


def said(key, text, status="attested"):
    return Statement(f"guidelines/{key}", status, "Dr A. Becker", "2026-05-02", text)


def test_plausible_is_what_agrees_with_the_tumour():
    """Errors are told by how much of the map lies in the tumour, and by nothing that needs no mask."""
    rows = [row for row in planted.rows(n=150, telling=0.15) if not row.metric.startswith("tissue")]
    card = {each["key"]: each for each in summarise(rows, EXTRAS)["scorecard"]}
    assert card["G4"]["status"] == "measured"
    assert f"{BEST}: agreement with the tumour finds its errors with an AUROC of 1.00 [" in card["G4"]["text"]
    assert "and adds +0.5" in card["G4"]["text"] and f"confidence; {WEAK}" in card["G4"]["text"]
    blind = [row for row in planted.rows(n=150) if "lesion" not in row.metric and row.metric != "auc"]
    told = summarise(blind, EXTRAS)
    card = {each["key"]: each for each in told["scorecard"]}
    assert card["G4"]["status"] == "missing" and "the tumour is known on too few scans" in card["G4"]["text"]
    assert "of informative plausibility there are no figures" in told["questions"][6]["short"]
    assert told["questions"][6]["short"].count("people must") == 1


def test_too_few_errors_are_no_work_for_people():
    told = summarise(planted.rows(n=12), EXTRAS)
    card = {each["key"]: each for each in told["scorecard"]}
    assert card["G4"]["status"] == "missing" and "too few wrong" in card["G4"]["text"]
    assert told["questions"][6]["short"] == (
        "4 of 6 entries (the fourth guideline has two) are missing: people must attest understandability, clinical "
        "relevance and informative plausibility; of informative plausibility there are no figures."
    )
    (truth,) = (each["text"] for each in told["scorecard"] if each["key"] == "G3")
    assert truth.startswith(f"Of {len(told['methods'])} pairs of a method and a model: ")


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
