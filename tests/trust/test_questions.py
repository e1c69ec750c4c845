"""The questions, on tables with planted answers: a planted difference is found, a null is not, too few says so."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import planted
from planted import BEST, WEAK

from whyscan.stats import differences
from whyscan.stats.ranking import Ranking
from whyscan.trust import select
from whyscan.trust.answer import plain
from whyscan.trust.questions.agreement import agreement
from whyscan.trust.questions.erring import Erring
from whyscan.trust.questions.errors import errors
from whyscan.trust.questions.flips import flips
from whyscan.trust.questions.layers import layers
from whyscan.trust.questions.looks import looks


def parts(answer):
    return dict(answer.parts)


def test_looks_elsewhere_even_where_both_are_right():
    found = looks(planted.rows(gap=0.15), BEST, WEAK)
    assert found.verdict == "yes" and "looks elsewhere." in found.sentence
    words = parts(found)
    assert words["on all scans"] == words["where both are right"] == words["where one of them errs"] == "more"
    assert "Where both are right the difference is +" in found.sentence and "attribution" not in found.sentence
    (chart,) = found.more
    assert {entry["series"] for entry in chart["entries"]} == {"on all scans", "where both are right"}
    assert all(entry["sure"] for entry in chart["entries"] if entry["label"] == "all methods together")
    difference = next(each for each in found.evidence if each.name.startswith("difference on all scans, 60"))
    assert difference.low < 0.15 < difference.high and difference.p < 0.001
    assert "5.0 %" in found.sentence  # the chance level
    assert found.sentence.count(" % [") == 2 + ("know nothing of a model" in found.sentence)  # shares with intervals
    alone = [each for each in found.evidence if each.name == "difference, Grad-CAM"]
    assert len(alone) == 1 and "surely differ (Holm)" in found.sentence


def test_what_fails_is_left_out_once_more():
    rows = planted.rows(gap=0.15)
    found = looks(rows, BEST, WEAK, failing={"lime"})
    assert "Without LIME, which fail on a model, it is +" in found.sentence
    assert any(each.name == "difference without LIME" for each in found.evidence)
    for nothing_left in ((), {"gradcam", "lime"}, {"rise"}):
        assert "Without" not in looks(rows, BEST, WEAK, failing=nothing_left).sentence


def test_no_difference_found_where_both_are_right_is_not_yet_none():
    """As large a gap everywhere, and few scans that both get right: nothing is found there for want of scans."""
    rows = planted.rows(n=60, gap=0.15, gap_when_right=0.15, wrong=0.93)
    found = looks(rows, BEST, WEAK)
    assert found.verdict == "yes" and "only where" not in found.sentence + found.short


def test_metrics_that_are_one_are_tested_once_and_those_of_few_scans_not_at_all():
    rows = planted.rows(n=120, telling=0.15, wrong=0.6)
    twin = [replace(row, metric="tissue: tumour") for row in rows if row.metric == "energy in lesion"]
    rare = [row for row in rows if row.metric != "gini" or int(row.content[1:]) < 10]
    plain, more, fewer = (errors(each, BEST) for each in (rows, [*rows, *twin], rare))
    assert [line.corrected for line in plain.evidence] == [line.corrected for line in more.evidence]
    (gini,) = [line for line in fewer.evidence if line.name == f"{BEST}: sparseness (Gini), right less wrong"]
    assert gini.p is None and gini.corrected is None and gini.reason.endswith("groups: not tested")
    tests = next(line.correction for line in fewer.evidence if line.name.startswith(f"{BEST}: AUC of the map"))
    assert tests != next(line.correction for line in plain.evidence if line.name.startswith(f"{BEST}: AUC of the map"))


def test_how_well_maps_fit_the_tumour_is_asked_of_scans_that_have_one():
    """Where a third has no tumour the metrics with a mask are still asked, on the others, and so is confidence."""
    rows = planted.rows(n=180, telling=0.15, wrong=0.6)
    masked = ("energy in lesion", "auc", "pointing game")
    some = [row for row in rows if not row.metric.startswith(masked) or int(row.content[1:]) % 3]
    by = {line.name.removeprefix(f"{BEST}: AUROC for an error, "): line for line in errors(some, BEST).evidence}
    assert by["metrics with a mask alone"].n == by["confidence alone, where the tumour is known"].n == 120
    assert by["confidence alone"].n == 180


def test_less_accurate_is_not_looking_elsewhere():
    found = looks(planted.rows(n=160, gap=0.15, gap_when_right=0.0, wrong=0.5), BEST, WEAK)
    assert found.verdict == "yes" and "elsewhere only where one of them errs" in found.sentence
    assert parts(found)["where both are right"] == "no difference"


def test_no_difference_and_too_few():
    assert looks(planted.rows(n=80, gap=0.0, seed=3), BEST, WEAK).verdict == "no"
    assert looks(planted.rows(n=12, gap=0.0, seed=1), BEST, WEAK).verdict == "too few to tell"
    assert looks(planted.rows(n=4), BEST, WEAK).verdict == "too few to tell"
    assert looks(planted.rows(gap=-0.1), BEST, WEAK).verdict == "no"


def test_one_model_or_no_mask_is_not_measured():
    rows = planted.rows(n=10)
    assert looks(rows, BEST, BEST).verdict == "not measured"
    assert looks(rows, BEST, None).verdict == "not measured"
    assert looks([row for row in rows if "lesion" not in row.metric], BEST, WEAK).verdict == "not measured"
    assert looks([], BEST, WEAK).verdict == "not measured"


def test_wrong_predictions_that_look_elsewhere_are_found_and_predicted():
    found = errors(planted.rows(n=120, telling=0.15, wrong=0.6), BEST)
    assert found.verdict == "yes"
    assert parts(found)[f"{BEST}: predicts errors beyond confidence"] == "yes"
    added = next(e for e in found.evidence if e.name == f"{BEST}: AUROC for an error, added by metrics without a mask")
    assert added.low > 0.1
    assert "maps add to it: +" in found.sentence


def test_maps_that_do_not_know_of_errors_predict_none():
    found = errors(planted.rows(n=200, telling=0.0, gap=0.0, gap_when_right=0.0, wrong=0.8), BEST)
    assert found.verdict == "no"
    assert parts(found)[f"{BEST}: predicts errors beyond confidence"] != "yes"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.02, 0.2, "yes"), (-0.1, 0.2, "too few to tell"), (-0.02, 0.04, "no"), (-0.02, 0.06, "too few to tell")],
)
def test_that_maps_add_nothing_needs_a_gain_that_is_surely_small(low, high, word):
    rows = [row for row in planted.rows(n=60, wrong=0.6) if row.model == BEST]
    model = Erring.of(rows, select.predictions(rows), BEST)
    assert model.enough
    model.areas["added by metrics without a mask"] = Ranking((low + high) / 2, low, high), 60
    model.areas["confidence and metrics without a mask"] = Ranking(0.8, 0.7, 0.9), 60
    assert model.predicts == word
    assert ("next to nothing" in model.sentence()) == (word == "no") == ("hardly better" in model.short())


def test_hardly_any_error_is_too_few():
    found = errors(planted.rows(n=30, wrong=0.1), BEST)
    assert found.verdict == "too few to tell" and found.short.startswith("There are too few scans to tell whether maps")
    assert "28 independent groups of scans are right and 2 wrong, and a test needs 6 of each." in found.sentence
    assert "surely" not in found.sentence
    assert found.figure is None and not found.more  # an interval of two groups is not drawn
    assert parts(found)[f"{BEST}: predicts errors beyond confidence"] == "too few to tell"
    assert errors([], BEST).verdict == "not measured"


def test_maps_that_few_scans_tell_apart_are_drawn_hollow_and_those_of_too_few_not():
    rows = planted.rows(n=120, telling=0.15, wrong=0.6)
    rare = [row for row in rows if row.metric != "gini" or int(row.content[1:]) < 10]
    chart = errors(rare, BEST).more[0]
    by = {entry["label"]: entry for entry in chart["entries"] if entry["series"] == BEST}
    assert by["share of positive weight in the tumour"]["sure"]
    assert by["agreement with the mirrored scan"]["sure"] is False
    assert "sparseness (Gini)" not in by and "Not drawn: 2 with fewer than 6 groups on one side." in chart["note"]


def test_layers():
    found = layers(planted.layered(), BEST, WEAK)
    assert found.verdict == "yes"
    assert "20 of 160 layer maps are blank, most often at conv1 (layer 1 of 4): 50 % [" in found.sentence
    assert "conv4 (layer 4 of 4)" in found.sentence
    ends = next(
        each
        for each in found.evidence
        if each.name == f"{BEST}: share of positive weight in the tumour, last layer less first"
    )
    assert ends.low < 0.3 < ends.high and ends.n == 20
    # layers of four depths against each other, and the last layers of the two models, each corrected for their number
    pairs = [each for each in found.evidence if "depths compared" in each.name]
    assert len(pairs) == 6 and all(each.correction == "Holm, 6 tests" and each.corrected >= each.p for each in pairs)
    assert parts(found)[f"share of positive weight in the tumour of the last layer, {BEST} against {WEAK}"] == "more"
    assert found.short.startswith(
        f"The last layer of {BEST} differs from the first in share of positive weight in the tum"
    )
    assert "p < 0.001 after Holm's correction" in found.sentence
    assert layers(planted.layered(n=120, rise=0.0, blank_first=False), BEST, WEAK).verdict == "no"
    assert layers(planted.layered(n=5, rise=0.0), BEST, WEAK).verdict == "too few to tell"
    assert layers(planted.rows(n=5), BEST, WEAK).verdict == "not measured"


def test_layers_in_a_given_order_and_likeness():
    likeness = [{"model": BEST, "layer": "conv1", "content": f"c{i}", "value": 0.1} for i in range(9)]
    likeness += [{"model": BEST, "layer": "conv4", "content": f"c{i}", "value": 0.6 + i / 100} for i in range(9)]
    turned = dict.fromkeys((BEST, WEAK), tuple(reversed(planted.LAYERS)))
    found = layers(planted.layered(), BEST, WEAK, turned, likeness)
    ends = next(each for each in found.evidence if "likeness" in each.name)
    assert ends.value == pytest.approx(-0.54)
    assert "alike by 0.64 [0.62, 0.66] at the first layer and 0.10" in found.sentence


def test_the_badge_of_layers_follows_the_corrected_p_value(monkeypatch):
    """Of one figure alone p = 0.03 is a difference; as one of several it may not be."""
    monkeypatch.setattr(differences, "flip_test", lambda *_, **__: 0.03)
    likeness = [{"model": BEST, "layer": layer, "content": f"c{i}", "value": 0.1 * k + i / 100}
                for k, layer in enumerate(planted.LAYERS) for i in range(9)]  # fmt: skip
    found = layers(planted.layered(), BEST, WEAK, None, likeness)
    assert (
        parts(found)[f"{BEST}: share of positive weight in the tumour, last layer against first"] == "too few to tell"
    )
    assert found.verdict == "too few to tell" and "p = 0.030" not in found.sentence
    line = next(each for each in found.evidence if each.name.endswith("in the tumour, last layer less first"))
    assert line.corrected > 0.05 and f"p = {line.corrected:.3f} after Holm's correction" in found.sentence


def test_flips_and_agreement_are_corrected_within_the_question(monkeypatch):
    monkeypatch.setattr(differences, "flip_test", lambda *_, **__: 0.03)
    monkeypatch.setattr(differences, "shuffle_test", lambda *_, **__: 0.03)
    one = planted.flips()
    two = [*one, *({**row, "method": "shap"} for row in one)]
    assert flips(one).verdict == "yes" and flips(two).verdict == "too few to tell"
    tests = [line for line in flips(two).evidence if line.p is not None and "beyond" in line.name]
    assert [line.corrected for line in tests] == [0.06, 0.06]
    without = [row for row in two if row["kind"] == "models"]  # no seeds: against the limit, corrected as well
    assert flips(without).verdict == "too few to tell"
    found = agreement(planted.rows(), planted.agreements(truth=0.3), BEST)
    assert [line.corrected for line in found.evidence if line.p is not None] == pytest.approx([0.09] * 3)
    assert parts(found)[f"{BEST}: more in the tumour than in the brain"] == "too few to tell"
    assert found.sentence.count("p = 0.090 after Holm's correction") == 3


def test_flips():
    found = flips(planted.flips())
    assert found.verdict == "yes" and "of what is clear in the tumour 30 % [30, 31]" in found.sentence
    assert "(in the brain 15 % [15, 15] (n = 40))" in found.sentence
    assert "between two seeds of one model explaining the same class: 5 % [4, 6] (n = 40) in LIME." in found.sentence
    apart = next(line for line in found.evidence if line.name.endswith("of the tumour less of the brain"))
    assert apart.low < 0.15 < apart.high and apart.corrected < 0.001 and "tumour less brain +1" in found.sentence
    assert flips(planted.flips(lost=0.05)).verdict == "no"
    assert flips(planted.flips(n=4)).verdict == "too few to tell"
    without = [row for row in planted.flips() if row["kind"] == "models"]
    assert flips(without).verdict == "yes"
    assert found.badges == (("models", "yes"),)
    assert "nothing should turn" in " ".join(found.notes)
    assert flips([]).verdict == flips([{**without[0], "lost": None}]).verdict == "not measured"


def test_yes_between_classes_is_no_yes_between_models():
    classes = [{**row, "kind": "classes", "a": "likeliest", "b": "second"} for row in planted.flips()
               if row["kind"] == "models"]  # fmt: skip
    few = [row for row in planted.flips(n=4) if row["kind"] == "models"]
    found = flips([*few, *classes, *[row for row in planted.flips() if row["kind"] == "seeds"]])
    assert found.badges == (("models", "too few to tell"), ("classes", "yes"))
    assert found.verdict == "too few to tell"
    still = [row for row in planted.flips(lost=0.05) if row["kind"] == "models"]
    found = flips([*still, *classes, *[row for row in planted.flips() if row["kind"] == "seeds"]])
    assert found.badges == (("models", "no"), ("classes", "yes")) and found.verdict == "yes"


def test_agreement():
    rows = planted.rows()
    found = agreement(rows, planted.agreements(level=0.7, truth=0.3), BEST)
    assert found.verdict == "yes"
    assert parts(found)[f"{BEST}: agreement goes with being right"] == "yes"
    assert parts(found)[f"{BEST}: more in the tumour than in the brain"] == "yes"
    assert [chart["title"] for chart in found.more] == [
        "Where the methods agree",
        "Whether agreement goes with being right",
    ]
    assert "As a sign of being right agreement has an AUROC of 1.00" in found.sentence
    low = agreement(rows, planted.agreements(n=360, level=0.2), BEST)
    assert low.verdict == "no" and "different pictures" in low.sentence
    assert parts(low)[f"{BEST}: agreement goes with being right"] == "no"
    few = agreement(rows, planted.agreements(n=12, truth=0.3), BEST)
    assert "AUROC" not in few.sentence and "too few scans to tell whether agreement is higher" in few.sentence
    area = next(line for line in few.evidence if "AUROC" in line.name)
    assert area.value is None and area.reason.startswith("8 groups of right and 4 of wrong predictions")
    assert agreement(rows, planted.agreements(n=3), BEST).verdict == "too few to tell"
    assert agreement(rows, [], BEST).verdict == "not measured"


def test_every_answer_is_json_and_no_p_value_stands_alone():
    rows = planted.rows()
    for found in (looks(rows, BEST, WEAK), errors(rows, BEST), layers(planted.layered(), BEST, WEAK),
                  flips(planted.flips()), agreement(rows, planted.agreements(), BEST)):  # fmt: skip
        document = plain(found.row())
        json.dumps(document, allow_nan=False)
        for line in document["evidence"]:
            assert line["p"] is None or (line["low"] is not None and line["high"] is not None)
        assert document["figure"] and document["short"].endswith(".")


@pytest.mark.slow
def test_false_alarms_are_rare_and_planted_answers_are_found():
    """Tables without any difference, and with one: how often each is said to have one."""

    def told(seed, telling):
        rows = planted.rows(n=150, gap=0.0, telling=telling, wrong=0.5, seed=seed)
        found = errors([row for row in rows if row.model == BEST], BEST)
        return found.verdict == "yes", parts(found)[f"{BEST}: predicts errors beyond confidence"] == "yes"

    nothing = [told(seed, 0.0) for seed in range(12)]
    something = [told(seed, 0.03) for seed in range(100, 106)]
    assert max(sum(each) for each in zip(*nothing, strict=True)) <= 3
    assert min(sum(each) for each in zip(*something, strict=True)) >= 5
    looked = [looks(planted.rows(n=40, gap=0.0, seed=seed), BEST, WEAK).verdict for seed in range(20)]
    assert looked.count("yes") <= 4
