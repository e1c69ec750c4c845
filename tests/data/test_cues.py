"""Shortcut cues: planted ones are found, absent ones are not, and the arithmetic is that of other packages."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier

from whyscan.data.cues import Cue, Fit, measure, nearest, questions
from whyscan.data.features import Features
from whyscan.data.rules import Question, learn


def features(n: int, seed: int = 0, **columns: list[object]) -> list[Features]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        row = {name: values[i] for name, values in columns.items()}
        usual: dict[str, object] = {"content": str(i), "size": (64, 64), "format": "PNG", "mode": "L"}
        usual["thumbnail"] = rng.integers(0, 256, (64, 64)).astype(np.uint8)
        found.append(Features(**usual | row))  # type: ignore[arg-type]
    return found


def halves(n: int) -> list[Fit]:
    first = np.arange(n) % 2 == 0
    return [Fit("train", first, {"train": first, "validation": ~first})]


def find(cues: list[Cue], name: str, question: str, subset: str) -> Cue:
    return next(cue for cue in cues if (cue.name, cue.question, cue.subset) == (name, question, subset))


@pytest.mark.parametrize(
    ("labels", "name", "answers"),
    [
        (["glioma", "meningioma", "no_tumor"], "tumour or not", ("no tumour", "tumour")),
        (["glioma", "meningioma", "notumor"], "tumour or not", ("no tumour", "tumour")),
        (["a", "b", "Healthy"], "abnormal or not", ("Healthy", "abnormal")),
        (["a", "b", "normal"], "abnormal or not", ("normal", "abnormal")),
        (["a", "b", "none"], "abnormal or not", ("none", "abnormal")),
    ],
)
def test_the_second_question(labels: list[str], name: str, answers: tuple[str, str]) -> None:
    first, second = questions(labels)
    assert first.name == "class" and first.answers == tuple(sorted(labels))
    assert (second.name, second.answers) == (name, answers)
    assert [second.answers[each] == answers[1] for each in second.truth] == [True, True, False]


@pytest.mark.parametrize("labels", [["a", "b", "nodule"], ["no_tumor", "tumor"], ["normal", "none", "a"]])
def test_no_second_question_where_it_is_not_clear_or_is_the_first(labels: list[str]) -> None:
    assert [each.name for each in questions(labels)] == ["class"]


def test_a_planted_size_is_flagged_and_noise_is_not() -> None:
    n = 240
    labels = [("glioma", "meningioma", "no_tumor")[i % 3] for i in range(n)]
    sizes = [(50, 50) if label != "no_tumor" else (40, 50 + i % 7) for i, label in enumerate(labels)]
    cues, skipped = measure(features(n, size=sizes), questions(labels), halves(n), seed=0)
    size = find(cues, "image size", "tumour or not", "validation")
    assert (size.rule, size.accuracy, size.flag, size.n) == ("50 x 50 means tumour", 1.0, True, 120)
    assert size.majority == pytest.approx(2 / 3)
    assert not find(cues, "image size", "tumour or not", "train").flag  # it was fitted there
    assert find(cues, "aspect ratio", "tumour or not", "validation").flag
    assert {cue.name for cue in cues if cue.flag} == {"image size", "aspect ratio"}
    assert skipped == {
        "file format": "it is the same for every scan: PNG",
        "colour mode": "it is the same for every scan: L",
        "JPEG quality": "no scan has one",
    }


def test_quality_and_format_that_follow_the_class() -> None:
    labels = ["a", "b"] * 60
    kinds = ["JPEG" if label == "a" else "PNG" for label in labels]
    quality = [75.0 if label == "a" else None for label in labels]
    fits = [Fit("train", np.arange(120) < 60, {"validation": np.arange(120) >= 60})]
    cues, _ = measure(features(120, format=kinds, quality=quality), questions(labels), fits, seed=0)
    assert find(cues, "file format", "class", "validation").flag
    assert find(cues, "JPEG quality", "class", "validation").accuracy == 0.5  # one value only: unknown is no answer
    assert find(cues, "file format", "class", "validation").rule in ("JPEG means a", "PNG means b")


def test_a_stump_is_as_good_as_a_decision_tree() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    values = np.round(truth * 0.8 + rng.normal(size=300), 1)
    question = Question("q", ("no", "yes"), truth)
    _, rule = learn(values, question, np.ones(300, bool), "x")
    tree = DecisionTreeClassifier(max_leaf_nodes=2, criterion="gini").fit(values[:, None], truth)
    assert (rule(values) == truth).mean() >= tree.score(values[:, None], truth) - 0.01


def test_a_rule_that_is_no_better_than_the_majority_says_so() -> None:
    truth = np.array([0, 1, 1, 1] * 20)
    values = np.tile([3.0, 3.0, 3.0, 3.0, np.nan, np.nan, np.nan, np.nan], 10)
    text, rule = learn(values, Question("q", ("no", "yes"), truth), np.ones(80, bool), "x")
    assert text == "always yes" and rule(values).tolist() == [1] * 80
    text, _ = learn(["u", "u", "u", "u"] * 20, Question("q", ("no", "yes"), truth), np.ones(80, bool), "x")
    assert text == "always yes"


def test_majorities_by_range_and_by_value() -> None:
    truth = np.repeat([0, 1, 2], 40)
    question = Question("class", ("a", "b", "c"), truth)
    everyone = np.ones(120, bool)
    text, rule = learn(truth * 10.0, question, everyone, "x")
    assert rule(truth * 10.0).tolist() == truth.tolist() and "ranges of x" in text
    named = ["u"] * 40 + ["v"] * 40 + ["w"] * 40
    _, rule = learn(named, question, everyone, "x")
    assert rule([*named, "never seen"]).tolist() == [*truth.tolist(), 0]


def test_nearest_neighbour_is_sklearns() -> None:
    rng = np.random.default_rng(3)
    thumbnails = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    reference, queries = np.arange(25), np.arange(25, 40)
    flat = thumbnails.reshape(40, -1).astype(float)
    oracle = NearestNeighbors(n_neighbors=1, metric="correlation", algorithm="brute").fit(flat[:25])
    expected = oracle.kneighbors(flat[25:], return_distance=False)[:, 0]
    assert nearest(thumbnails, reference, queries).tolist() == expected.tolist()
    assert (nearest(thumbnails, reference, reference) != reference).all()
