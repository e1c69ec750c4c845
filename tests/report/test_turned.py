"""Question 4 in pictures: one article a scan, or the reason why there is none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from test_trust import document

from whyscan.records import files
from whyscan.records.attribution import Attribution, save_all
from whyscan.records.geometry import Geometry
from whyscan.records.run import Run
from whyscan.report import page

CLASSES = ("a", "b")


def explained(model: str) -> Attribution:
    weights = np.array([[4, -2, 1, 2], [-4, 2, 1, -2]], np.float32) * (1 if model == "strong" else -1)
    segments = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 16, 0), 16, 1).astype(np.int32)
    return Attribution(
        "lime", CLASSES, Geometry.of((48, 48), (32, 32)), CLASSES, np.array([0.9, 0.1], np.float32),
        segments=segments, weights=weights, signed=True, score="probability", model=model, scan="c0ffee",
        source="Training/a/m3 (180).jpg", label="a", thumbnail=np.full((48, 48), 90, np.uint8),
    )  # fmt: skip


VIEW = {
    "method": "lime", "shared": True, "intervals": True, "seeds": 0.02, "superpixels": 4, "lost": [0], "gained": [1],
    "perhaps lost": [], "perhaps gained": [2], "weight": [0.5, 0.25], "places": {"tumour": 0.4, "brain": 0.6},
    "tumour known": True, "also": [{"method": "shap", "turned": 3, "both": 1}],
}  # fmt: skip
ENTRY = {
    "content": "c0ffee", "source": "Training/a/m3 (180).jpg", "label": "a", "file": "trust/scans/c0ffee.npz",
    "predicted": {"strong": "a", "frail": "b"},
    "views": [{**VIEW, "kind": "models", "models": ["strong", "frail"], "targets": ["a", "a"]},
              {**VIEW, "kind": "classes", "models": ["strong", "strong"], "targets": ["a", "b"]}],
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = synthetic.make(tmp_path, scans=1, size=32)
    save_all(made.folder / ENTRY["file"], [explained("strong"), explained("frail")])
    return made


def shown(run: Run, turned, **more) -> str:
    told = document() | ({} if turned is None else {"turned": turned})
    told["questions"][3] |= more
    files.write_json(run.trust_path, told)
    text = page.html(run)
    start = text.index('id="question-4"')
    return text[start : text.index('id="question-5"')]


def told(*entries, reason: str = "", choice: str = "Chosen so."):
    return {"scans": list(entries), "kept": len(entries), "choice": choice, "reason": reason}


def test_a_scan_has_its_pictures_and_their_numbers(run: Run) -> None:
    text = shown(run, told(ENTRY))
    assert text.count("<img") == 7  # the scan, and twice two explanations and what turns
    assert "<h5>m3 (180)</h5>" in text and "Training/" not in text
    assert "True: a. strong says a: right; frail says b: wrong." in text
    assert "Between models: strong to frail, LIME, explained: a" in text
    assert "Between classes: a (likeliest) to b (second), LIME of strong" in text
    assert text.count("Of 4 superpixels 2 surely turn (1 from for to against, 1 from against to for), 1 perhaps.") == 4
    assert "50 % of the weight in the first picture and 25 % in the second" in text
    assert "40 % tumour, 60 % brain" in text and "By SHAP on the same superpixels 3 surely turn, 1 of them" in text
    assert "Between two seeds of one model 2 %" in text and "Chosen so." in text
    assert "falling hatching, minus" in text and "rising hatching, plus" in text
    assert "There is no picture" not in text


def test_the_hatched_picture_is_another_one_where_something_else_turns(run: Run) -> None:
    def last(entry) -> str:
        return re.findall(r'src="(data:[^"]+)" alt="Superpixels that turn', shown(run, told(entry)))[0]

    still = {**ENTRY, "views": [{**ENTRY["views"][0], "lost": [], "gained": []}]}
    assert last(ENTRY) != last(still)
    assert "none surely turns" in shown(run, told(still))


def test_other_superpixels_and_unknown_tumours_are_told(run: Run) -> None:
    view = {**ENTRY["views"][0], "shared": False, "intervals": False, "tumour known": False}
    text = shown(run, told({**ENTRY, "label": None, "views": [view]}))
    assert (
        "carried over to those of the first" in text and "no tumour is marked" in text and "True class unknown" in text
    )
    text = shown(run, told({**ENTRY, "views": [{**view, "shared": True}]}))
    assert "There are no intervals here" in text


@pytest.mark.parametrize("wrong", ["missing", "other scan", "other model"])
def test_files_that_do_not_serve_cost_their_pictures_only(run: Run, wrong: str) -> None:
    path = run.folder / ENTRY["file"]
    if wrong == "missing":
        path.unlink()
    else:
        change = {"scan": "other"} if wrong == "other scan" else {"model": "third"}
        save_all(path, [replace(explained("strong"), **change), explained("frail")])
    text = shown(run, told(ENTRY))
    assert "cannot be read; judge it again" in text and "<img" not in text


def test_why_there_is_no_picture(run: Run) -> None:
    assert "There is no picture: it was &lt;b&gt; older." in shown(run, told(reason="it was <b> older"))
    assert "run `whyscan trust` again" in shown(run, None)  # an older summary
    assert "There is no picture" not in shown(run, None, verdict="not measured")


def test_each_half_has_its_own_badge(run: Run) -> None:
    text = shown(run, told(ENTRY), verdict="too few to tell",
                 badges=[["models", "too few to tell"], ["classes", "yes"]])  # fmt: skip
    assert '<span class="badge warn">models: too few to tell</span>' in text
    assert '<span class="badge note">classes: yes</span>' in text
    first = page.html(run).split('id="audit"')[0]
    assert "models: too few to tell" in first and "classes: yes" in first
