"""The trust section: the verdict before any picture, seven answers with a figure each, nothing invented."""

import json
from pathlib import Path

import pytest
import synthetic

from whyscan.records import files
from whyscan.render import charts
from whyscan.report import page, trust

FIGURES = [
    {"kind": "dots", "title": "t", "unit": "share", "reference": 0.1, "note": "",
     "entries": [{"label": "a $b <i>", "value": 0.3, "low": 0.2, "high": 0.4, "series": s} for s in ("x", "y")]},
    {"kind": "profiles", "title": "t", "x": "depth", "note": "", "panels": [
        {"title": "energy", "series": [{"name": "x", "x": [0, 1], "y": [0, 1], "low": [0, 0.9], "high": [0.1, 1]}]}]},
    {"kind": "matrix", "title": "t", "names": ["x", "y"], "values": [[1, -0.9], [-0.9, None]], "note": ""},
    {"kind": "dots", "title": "t", "unit": "share", "reference": 0.05, "reference_name": "even", "percent": True,
     "entries": [{"label": "a", "value": 0.3, "low": 0.2, "high": 0.4}]},
    {"kind": "matrix", "title": "t", "names": ["x", "y"], "values": [[None, 2.5], [-2.5, None]], "digits": 1,
     "sure": [[False, True], [True, False]], "unit": "points"},
    {"kind": "dots", "title": "t", "unit": "share",
     "entries": [{"label": s, "value": -0.001, "low": -0.2, "high": 0.4, "sure": s == "x"} for s in ("x", "y")]},
    {"kind": "matrix", "title": "t", "names": ["x", "y"], "values": [[None, 0.0], [0.0, None]],
     "sure": [[False, False], [False, False]], "unit": "points"},
]  # fmt: skip


def document():
    line = {"name": "difference", "value": 0.1, "low": 0.05, "high": 0.15, "n": 40, "share": True, "signed": True,
            "p": 0.0001, "corrected": 0.0004, "correction": "Holm", "effect": -0.8, "measure": "Cohen's dz",
            "smallest": 0.4, "chance": None, "reason": ""}  # fmt: skip
    card = {"kind": "card", "title": "Scorecard", "columns": ["", "Guideline", "Asks", "Status", "What"], "note": "",
            "rows": [["G1", "Understandability", "Is it?", "missing", "A person must."]]}  # fmt: skip
    questions = [
        {"number": n, "question": f"Question {n}?", "verdict": "too few to tell", "short": f"Short {n} <i>.",
         "sentence": f"Sentence {n} <b>.\nAnd of the other model.",
         "evidence": [line], "parts": [["part", "no"]], "notes": ["note"],
         "figure": (FIGURES[:3] * 2)[n - 1] if n < 7 else card, "more": [FIGURES[0]] if n == 2 else []}
        for n in range(1, 8)
    ]  # fmt: skip
    methods = [
        {"model": "strong", "method": name, "title": name.upper(), "grade": grade, "misses": missed, "reasons": reasons,
         "evidence": [line], "states": {"usable": 3, "blank": 2},
         "shares": ["3 of 4 asked about everything are usable", "blank: 2 of 9 asked"]}
        for name, grade, missed, reasons in (("lime", "fails", ["lesion"], ["fails sanity: 0.9", "and unstable"]),
                                             ("rise", "recommended", [], []), ("own", "use with care", None, ["x"]))
    ]  # fmt: skip
    places = [
        {"model": "strong", "method": name, "metric": metric, "outcome": outcome, "label": label, "value": 0.125,
         "low": 0.1, "high": None if outcome == "wrong" else 0.15, "chance": 0.02, "n": 7}
        for name in ("null: centre", "lime")
        for metric, outcome, label in (("energy in lesion", "all", "all"), ("energy in lesion", "wrong", "all"),
                                       ("energy in lesion", "all", "glioma"), ("auc", "all", "all"))
    ]  # fmt: skip
    comparison = {"metric": "sensitivity-n", "model": "strong", "question": "Which is more faithful?",
                  "sentence": "None surely <b>.", "evidence": [line], "figure": FIGURES[4]}  # fmt: skip
    return {
        "headline": "No method of explanation can be recommended for strong.", "grade": "fails", "scans": 60,
        "groups": 58, "methods": methods, "comparisons": [comparison], "localisation": places,
        "titles": {"lime": "LIME", "null: centre": "a bump"}, "nulls": ["a bump"], "questions": questions,
        "sampling": "by class",
        "wide": {"sampling": "all alike <i>", "scans": 500, "groups": 480, "known tumours": 190, "methods": ["lime"],
                 "questions": [{**each, "sentence": f"Wide {each['number']}."} for each in questions[:2]],
                 "localisation": [{**each, "value": 0.375} for each in places]},
        "failed": [{"model": "strong", "method": "lime", "metric": "road", "reason": "at /home/jane/x/y.npz",
                    "count": 2}],
        "thresholds": {"sane": {"value": 0.5, "decides": "Above.", "reason": "Because."}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = synthetic.make(tmp_path_factory.mktemp("judged"), scans=1, size=32)
    files.write_json(run.trust_path, document())
    return page.write(run).read_text(encoding="utf-8")


def test_the_verdict_stands_before_any_picture(report):
    assert report.index("No method of explanation can be recommended") < report.index("<img")
    assert report.index('href="#question-7"') < report.index("<img")
    assert report.index('id="trust"') < report.index('id="gallery"')


def test_seven_answers_each_with_a_figure_or_a_card(report):
    trust = report[report.index('<section id="trust">') : report.index('<section id="gallery">')]
    for n in range(1, 8):
        assert f"Sentence {n} &lt;b&gt;." in trust and f"Short {n} &lt;i&gt;." in trust
        assert f"Short {n} &lt;i&gt;." in report[: report.index('<section id="audit">')]
    # one a question but the last, one more for the second, these again of the wide sample, and method against method
    assert trust.count("<svg") == 8 + 3 and "A person must." in trust
    assert "+10.0 points" in trust and "+5.0 points to +15.0 points" in trust and "&lt; 0.001" in trust
    assert "−0.800 (Cohen&#39;s dz)" in trust
    assert "/home/jane" not in report


def test_methods_stand_by_grade_with_what_they_miss_on_phantoms(report):
    table = report[report.index("<h4>strong</h4>") : report.index("the figures behind these verdicts")]
    assert table.index("recommended") < table.index("use with care") < table.index("fails")
    assert ">none<" in table and ">lesion<" in table and ">not asked<" in table
    assert "<li>fails sanity: 0.9</li><li>and unstable</li>" in table
    assert "3 of 4 asked about everything are usable" in table and "blank: 2 of 9 asked" in table


def test_where_the_maps_lie_is_a_table_with_chance_and_the_nulls_last(report):
    places = report[report.index('id="places"') : report.index("other figures of the same maps")]
    assert places.index("An even spread") < places.index(">LIME<") < places.index("a bump")
    assert "12.5 %" in places and "10.0 to 15.0" in places and "2.0 %" in places and ">glioma<" in places
    other = report[report.index("other figures of the same maps") :]
    assert "0.12" in other[: other.index("</details>")]
    assert "None surely &lt;b&gt;." in report and "Which is more faithful?" in report


def test_the_wide_sample_stands_beside_what_it_answers_again(report):
    for n in (1, 2):
        part = report[report.index(f'id="question-{n}"') : report.index(f'id="question-{n + 1}"')]
        assert part.index(f"Sentence {n}") < part.index(f"Wide {n}.") and "all alike &lt;i&gt;" in part
        assert "the methods that take a pass or two: LIME." in part
    places = report[report.index('id="places"') :]
    assert places.index("12.5 %") < places.index("scans drawn from all alike") < places.index("37.5 %")
    assert "known on 190 of them" in places


def test_no_trust_is_told(report, tmp_path):
    run = synthetic.make(tmp_path, scans=1, size=32)
    text = page.html(run)
    assert 'id="trust"' not in text and "whyscan trust" in text


@pytest.mark.parametrize("data", FIGURES, ids=lambda data: f"{data['kind']} {data.get('unit', '')}")
def test_charts_draw_what_they_are_given(data):
    assert charts.chart(data) is not None
    assert charts.chart({"kind": data["kind"]}) is None
    assert charts.chart({"kind": "unknown", "entries": [1]}) is None


def test_the_same_summary_gives_the_same_bytes(tmp_path):
    run = synthetic.make(tmp_path, scans=1, size=32)
    files.write_json(run.trust_path, document())
    assert page.html(run) == page.html(run)
    assert json.loads(Path(run.trust_path).read_text())["grade"] == "fails"


def test_what_is_not_sure_is_drawn_hollow_and_pale():
    (axis,) = charts.chart(FIGURES[5]).axes
    drawn = [line for line in axis.lines if line.get_xdata().size == 1]
    assert [line.get_markerfacecolor() == "none" for line in drawn] == [False, True]
    assert drawn[1].get_alpha() < 1 and axis.collections[1].get_alpha() < axis.collections[0].get_alpha()


def test_what_rounds_to_nothing_has_no_minus():
    assert trust._told(FIGURES[5]) == "x 0.00; y 0.00"
    assert trust._number(-0.0001, False, True) == "0.000" and trust._number(-0.0004, True, True) == "0.0 points"
    assert trust._number(-0.05, True, True) == "−5.0 points" and trust._number(0.05, False, True) == "+0.050"


def test_charts_are_told_in_words_to_those_who_do_not_see_them() -> None:
    panel = {"title": "share of blank maps", "percent": True,
             "series": [{"name": "best", "x": [0.0, 0.5, 1.0], "y": [0.1, 0.4, 0.2]}]}  # fmt: skip
    told = trust._told({"kind": "profiles", "panels": [panel]})
    assert told == "share of blank maps: best from 10.00 % to 20.00 %, highest 40.00 % at depth 0.50"
    names = ["a", "b", "c", "d", "e"]
    values = [[1.0 if i == j else (i + j) / 10 for j in range(5)] for i in range(5)]
    values[0][1] = values[1][0] = None
    told = trust._told({"kind": "matrix", "names": names, "values": values})
    assert told == "highest: d and e 0.70, c and e 0.60, c and d 0.50; lowest: a and c 0.20, a and d 0.30, b and c 0.30"
    assert trust._told({"kind": "matrix", "names": ["a", "b"], "values": [[1.0, -0.5], [-0.5, 1.0]]}) == "a and b −0.50"
