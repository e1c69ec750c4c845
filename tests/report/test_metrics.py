"""Every figure of every method in the report, what differs in its own cell, and a verdict on each picture."""

import pytest
import synthetic
from test_trust import document

from whyscan.records import files
from whyscan.report import cells, located, metrics, page, states, trust

LEGEND = {
    "deletion auc": {"label": "Deletion AUC", "title": "Deletion AUC: area under the curve.", "better": "lower",
                     "unit": "probability", "paper": "Petsiuk et al. 2018"},
    "energy in lesion": {"label": "Energy in lesion", "title": "Share of the weight inside.", "better": "higher",
                         "unit": "share", "paper": ""},
    "negative in lesion": {"label": "Negative weight", "title": "Share of the rest.", "better": "lower",
                           "unit": "share", "paper": ""},
    "tissue: brain": {"label": "Brain", "title": "On the brain.", "better": "neither", "unit": "share", "paper": ""},
    "evaluations": {"label": "Evaluations", "title": "How many.", "better": "lower", "unit": "evaluations",
                    "paper": ""},
}  # fmt: skip
FAMILY = {"deletion auc": "faithfulness", "tissue: brain": "tissue", "evaluations": "cost"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("figures"), scans=1, size=32)


def mean(method, metric, value, *, model="strong", within="image", groups=8, chance=None, reason=""):
    ends = (None, None) if value is None else (value / 2, value * 2)
    return {"model": model, "method": method, "metric": metric, "within": within, "value": value, "low": ends[0],
            "high": ends[1], "groups": groups, "scans": groups, "chance": chance, "reason": reason,
            "family": FAMILY.get(metric, "localisation"), "status": "measured" if ends[0] else "skipped"}  # fmt: skip


ROWS = [
    mean("null: random", "deletion auc", 0.4), mean("lime", "deletion auc", 0.25),
    mean("lime", "deletion auc", 0.125, within="head"),
    mean("shap", "deletion auc", None, reason="too few superpixels"),
    mean("shap", "deletion auc", 0.2, within="head", groups=3),
    mean("lime", "energy in lesion", 0.1, chance=0.02), mean("rise", "energy in lesion", 0.15, chance=0.02),
    mean("shap", "energy in lesion", 0.2, chance=0.05, groups=4), mean("null: random", "energy in lesion", 0.02),
    mean("lime", "negative in lesion", None, reason="no negative values"), mean("lime", "evaluations", 1300.0),
]  # fmt: skip


def tables(rows=ROWS, fewest=6):
    return {each["title"]: each for each in metrics.families(rows, LEGEND, {"lime": "LIME"}, fewest=fewest)}


def test_a_family_is_a_table_and_the_head_alone_is_another():
    found = tables()
    assert list(found) == ["Faithfulness", "Localisation", "Cost"]
    whole, head = found["Faithfulness"]["tables"]
    assert (whole["title"], head["title"]) == ("Whole scan", "Inside the head only")
    assert "inside the head" in found["Faithfulness"]["told"] and "inside" not in found["Cost"]["told"]
    (lime, shap, random) = whole["models"][0]["rows"]
    assert [each[0] for each in (lime, shap, random)] == ["LIME", "shap", "null: random"] and random[1]
    assert lime[2][0].text == "0.25" and lime[2][0].interval == "0.12 to 0.50"
    assert shap[3] == "too few superpixels"  # one cell over the whole row
    assert found["Cost"]["tables"][0]["models"][0]["rows"][0][2][0].text == "1,300"


def test_what_a_column_means_and_which_way_is_better_is_told():
    (told,) = tables()["Faithfulness"]["meanings"]
    assert told == {
        "label": "Deletion AUC",
        "text": "Area under the curve. A probability; lower is better. Petsiuk et al. 2018.",
    }
    assert tables()["Faithfulness"]["tables"][0]["heads"][0]["better"] == "↓ lower is better"


def test_a_cell_says_its_own_groups_and_chance_only_where_they_are_not_the_column_s():
    (table,) = tables()["Localisation"]["tables"]
    (column,) = table["columns"]
    rows = {name: found[0] for name, _, found, _ in table["models"][0]["rows"]}
    assert (column.n, column.chance, column.groups.interval) == (8, "2.0 %", "")
    assert rows["LIME"].own == () and not rows["LIME"].few and rows["LIME"].text == "10.0 %"
    assert rows["shap"].own == ("n = 4, too few", "even 5.0 %") and rows["shap"].few
    assert table["chance"]


def test_a_column_that_nobody_has_is_told_once_and_a_reason_among_figures_has_a_letter():
    (table,) = tables()["Localisation"]["tables"]
    assert table["empty"] == [("Negative weight", "no negative values")]
    both = [*ROWS, mean("shap", "negative in lesion", 0.1)]
    (table,) = tables(both)["Localisation"]["tables"]
    assert table["empty"] == [] and table["marks"] == {"no negative values": "a"}


def test_too_few_groups_are_told_above_a_column_where_all_are_few():
    shared = cells.column([mean("lime", "energy in lesion", 0.1, groups=2)], cells.share, " %", n="groups", fewest=6)
    assert (shared.groups.text, shared.groups.interval) == ("2", "too few to tell")
    assert cells.column([None], cells.share, " %", n="groups", fewest=6).groups.text == "–"


def test_numbers_have_no_minus_before_a_zero():
    assert [cells.plain(each) for each in (-0.001, -0.51, 5.126, 1234.5)] == ["0.00", "−0.51", "5.13", "1,234"]


def test_each_method_of_the_places_has_its_own_groups_and_chance():
    same = {"model": "strong", "metric": "energy in lesion", "outcome": "all", "label": "all", "low": 0.0, "high": 1.0}
    most = [{**same, "method": name, "value": 0.1, "chance": 0.026, "n": 6} for name in ("lime", "shap")]
    places = [{**same, "method": "gradcam", "value": 0.1, "chance": 0.028, "n": 5}, *most]
    (table,) = located.tables(places, {}, fewest=6)
    assert (table["columns"][0].n, table["columns"][0].chance) == (6, "2.6 %")
    cam, lime, _ = (found[0] for _, _, found in table["rows"])
    assert cam.own == ("n = 5, too few", "even 2.8 %") and cam.few
    assert lime.own == () and not lime.few


def test_the_report_shows_the_table_pale_where_there_are_too_few(run):
    judged = {**document(), "metrics": ROWS, "legend": LEGEND,
              "thresholds": {"fewest groups": {"value": 6, "decides": "", "reason": ""}}}  # fmt: skip
    files.write_json(run.trust_path, judged)
    text = page.html(run)
    part = text[text.index('id="metrics"') : text.index("What went wrong")]
    assert part.count("<details") == 3 and "Inside the head only" in part and "an even spread" in part
    assert 'class="few"' in part and "n = 4, too few" in part and 'class="null rule"' in part
    assert "Negative weight: not measured: no negative values." in part
    assert "not measured: too few superpixels" in part and 'title="Deletion AUC: area under the curve."' in part
    assert part.index("LIME") < part.index("an even spread")


def test_without_the_table_the_report_goes_on(run):
    files.write_json(run.trust_path, document())
    assert 'id="metrics"' not in page.html(run)


def explanation(run, method, layer, state, **more):
    scan = run.gallery()["scans"][0]
    return {"model": synthetic.MODELS[0], "method": method, "layer": layer, "content": scan["scan"],
            "target": scan["models"][synthetic.MODELS[0]]["predicted"], "state": state,
            "unmeasured": ["seed agreement"], **more}  # fmt: skip


def test_a_picture_has_its_own_verdict_where_there_is_one(run):
    same = {"evaluations": 300, "seed": run.gallery()["seed"], "methods": ["lime", "shap", "gradcam"]}
    judged = {**document(), "settings": same, "folds": False, "explanations": [
        explanation(run, "gradcam", synthetic.LAYERS[-1], "unstable"),
        explanation(run, "lime", "", "usable"),
        explanation(run, "shap", "", "blank", target="of no class"),
    ]}  # fmt: skip
    files.write_json(run.trust_path, judged)
    text = page.html(run)
    gallery = text[text.index('id="gallery"') :]
    assert '<span class="badge warn" title="The verdict of Trust on this explanation.' in gallery
    # the last layer among all classes, and beside the other models; no tile of a strip
    assert gallery.count(">unstable</span>") == 2
    assert (
        gallery.count('<span class="badge ok" title=') == 3
    )  # LIME beside the weak model, its heat map, its superpixels
    assert ">blank</span>" not in gallery and "Not measured on it: seed agreement." in gallery
    for other in ({"evaluations": 600}, {"seed": 3}, {"methods": ["lime", "gradcam"]}):
        judged["settings"] = {**same, **other}  # then the gallery's LIME is another explanation
        files.write_json(run.trust_path, judged)
        again = page.html(run)
        assert again.count(">unstable</span>") == 2 and '<span class="badge ok" title=' not in again
    judged["folds"] = True  # and a fold's model is not the one whose pictures these are
    assert states.states(judged, run.gallery()) == {}


def test_no_verdict_no_badge():
    assert states.states(None, {"evaluations": 300}) == {}
    assert states.states({"explanations": [{"state": "not measured", "method": "lime"}]}, None) == {}


def test_what_did_not_converge_has_a_remedy():
    method = {"model": "strong", "method": "shap", "grade": "use with care", "states": {"not converged": 8}}
    (model,) = trust.section({"methods": [method], "settings": {"evaluations": 300}})["models"]
    told = model["methods"][0]["remedy"]
    assert "too few evaluations (300)" in told["text"]
    assert told["ways"] == ["whyscan trust RUN --samples 600", "--samples auto"]
    method["states"] = {"usable": 8}
    (model,) = trust.section({"methods": [method]})["models"]
    assert model["methods"][0]["remedy"] is None
    (model,) = trust.section({"methods": [{**method, "method": "owen", "states": {"not converged": 1}}]})["models"]
    assert model["methods"][0]["remedy"]["ways"] == []
