"""Words: figures as people read them, and text that tells neither where nor who."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.records.evidence import Evidence
from whyscan.report import words

PART = st.text("abcXYZ019_.-", min_size=1, max_size=8).filter(lambda part: part.strip("."))


@given(st.lists(PART, min_size=2, max_size=5), st.sampled_from(["", "failed in ", "see '"]))
def test_paths_are_cut_to_their_last_part(parts: list[str], before: str) -> None:
    shown = words.private(f"{before}/{'/'.join(parts)}")
    assert shown == f"{before}{parts[-1]}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane doe/data", "data"),
        (r"C:\Users\jane\data", "data"),
        ("read C:/Users/jane/a.jpg twice", "read a.jpg twice"),
        ("~/scans/a.jpg", "a.jpg"),
        ("train/test, 1/2 of all", "train/test, 1/2 of all"),
        ("Training/glioma/image(3).jpg", "Training/glioma/image(3).jpg"),
        ("512 x 512 means tumour / not", "512 x 512 means tumour / not"),
    ],
)
def test_private(text: str, shown: str) -> None:
    assert words.private(text) == shown


def test_figures_keep_unmeasured_apart_from_zero() -> None:
    assert words.figure({"metric": "accuracy", **Evidence(0.0, 0.0, 0.1, 9).row()}) == words.Figure(
        "0.0 %", "0.0 to 10.0", "n = 9"
    )
    skipped = words.figure({"metric": "recall", **Evidence.skipped("no such scan").row()})
    assert (skipped.text, skipped.note, skipped.measured) == ("not measured", "no such scan", False)
    assert words.figure({"metric": "loss", **Evidence(0.2517).row()}).text == "0.252"
    assert words.figure(None).text == "–"


def test_differences_and_p_values() -> None:
    assert words.points({"difference": -0.021, "low": -0.05, "high": 0.008}) == words.Figure(
        "−2.1 points", "−5.0 to +0.8"
    )
    assert not words.points({"difference": None}).measured
    assert [words.p_value(p) for p in (None, 0.0002, 0.0312)] == ["–", "< 0.001", "0.031"]
    assert [words.number(x) for x in (None, -0.00123, 0.0)] == ["–", "−0.00123", "0"]


def test_free_form_documents_become_rows_without_patients_or_secrets() -> None:
    document = {
        "a": {"b": 1, "patient_ids": ["p1"], "list": [1, "/x/y/z"], "empty": []},
        "api_token": "t",
        "flag": True,
        "none": None,
        "share": 0.25,
        "plans": [{"name": "m"}, {"name": "n"}],
    }
    assert words.flat(document) == [
        ("a › b", "1"), ("a › list", "1, z"), ("a › empty", "none"), ("flag", "yes"), ("none", "not given"),
        ("share", "0.25"), ("plans 1 › name", "m"), ("plans 2 › name", "n"),
    ]  # fmt: skip


@given(st.text("abc123", min_size=1, max_size=6))
def test_names_that_hold_a_patient_are_replaced(patient: str) -> None:
    path = f"data/{patient}/slice-7.png"
    names = words.Names.of([{"path": "other", "patient": ""}, {"path": path, "patient": patient}])
    assert names.show(path) == "scan 2 of splits.csv"
    assert names.show("data/w/slice.png") == "data/w/slice.png"
    assert not re.search(r"\bscan \d", words.Names.of([]).show(path))


def test_plurals() -> None:
    assert words.plural(1, "class", "classes") == "1 class"
    assert words.plural(1200, "class", "classes") == "1,200 classes"
    assert words.plural(2, "count") == "2 counts"
