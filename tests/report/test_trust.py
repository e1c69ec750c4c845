"""The trust section: the verdict before any picture, seven answers with a figure each, nothing invented."""

import json
from pathlib import Path

import pytest
import synthetic

from whyscan.records import files
from whyscan.render import charts
from whyscan.report import page

FIGURES = [
    {"kind": "dots", "title": "t", "unit": "share", "reference": 0.1, "note": "",
     "entries": [{"label": "a $b <i>", "value": 0.3, "low": 0.2, "high": 0.4, "series": s} for s in ("x", "y")]},
    {"kind": "profiles", "title": "t", "x": "depth", "note": "", "panels": [
        {"title": "energy", "series": [{"name": "x", "x": [0, 1], "y": [0, 1], "low": [0, 0.9], "high": [0.1, 1]}]}]},
    {"kind": "matrix", "title": "t", "names": ["x", "y"], "values": [[1, -0.9], [-0.9, None]], "note": ""},
]  # fmt: skip


def document():
    line = {"name": "difference", "value": 0.1, "low": 0.05, "high": 0.15, "n": 40, "share": True, "signed": True,
            "p": 0.0001, "corrected": 0.0004, "correction": "Holm", "effect": -0.8, "measure": "Cohen's dz",
            "smallest": 0.4, "chance": None, "reason": ""}  # fmt: skip
    card = {"kind": "card", "title": "Scorecard", "columns": ["", "Guideline", "Asks", "Status", "What"], "note": "",
            "rows": [["G1", "Understandability", "Is it?", "missing", "A person must."]]}  # fmt: skip
    questions = [
        {"number": n, "question": f"Question {n}?", "verdict": "too few to tell", "sentence": f"Sentence {n} <b>.",
         "evidence": [line], "parts": [["part", "no"]], "notes": ["note"],
         "figure": (FIGURES * 2)[n - 1] if n < 7 else card}
        for n in range(1, 8)
    ]  # fmt: skip
    method = {"model": "strong", "method": "lime", "grade": "fails", "reasons": ["fails sanity: 0.9"],
              "evidence": [line], "states": {"usable": 3, "blank": 2}}  # fmt: skip
    return {
        "headline": "No method of explanation can be recommended for strong.", "grade": "fails", "scans": 60,
        "groups": 58, "methods": [method], "nulls": ["null: centre"], "questions": questions, "sampling": "by class",
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
        assert f"Sentence {n} &lt;b&gt;." in trust
    assert trust.count("<svg") == 6 and "A person must." in trust
    assert "+10.0 points" in trust and "+5.0 points to +15.0 points" in trust and "&lt; 0.001" in trust
    assert "−0.800 (Cohen&#39;s dz)" in trust
    assert "/home/jane" not in report


def test_no_trust_is_told(report, tmp_path):
    run = synthetic.make(tmp_path, scans=1, size=32)
    text = page.html(run)
    assert 'id="trust"' not in text and "whyscan trust" in text


@pytest.mark.parametrize("data", FIGURES, ids=lambda data: data["kind"])
def test_charts_draw_what_they_are_given(data):
    assert charts.chart(data) is not None
    assert charts.chart({"kind": data["kind"]}) is None
    assert charts.chart({"kind": "unknown", "entries": [1]}) is None


def test_the_same_summary_gives_the_same_bytes(tmp_path):
    run = synthetic.make(tmp_path, scans=1, size=32)
    files.write_json(run.trust_path, document())
    assert page.html(run) == page.html(run)
    assert json.loads(Path(run.trust_path).read_text())["grade"] == "fails"
