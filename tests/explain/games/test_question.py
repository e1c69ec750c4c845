"""What is put to a classifier: each coalition is judged once, and the record says who judged."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.data.scan import Scan
from whyscan.errors import BadTarget
from whyscan.explain.games.perturb import game
from whyscan.explain.games.question import Question, put
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import softmax
from whyscan.records.attribution import Score

SCAN = Scan(np.full((1, 4, 4), 0.5, np.float32), "grey", label="b")
PROBE = np.array([[1, 1], [0, 1]], bool)
ALL = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
LOGITS = np.array([[0.5, 1.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.0]])
"""Of `ALL`: the left half's mean, and twice the right half's."""


class Halves:
    """The left half's mean and twice the right half's; counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.asked += len(pixels)
        return np.stack([pixels[:, 0, :, :2].mean((1, 2)), 2 * pixels[:, 0, :, 2:].mean((1, 2))], 1)


def question(model: Halves, targets: str = "all", score: Score = "logit") -> Question:
    classifier = black_box(model, ("a", "b"), input_size=4, scores="logit")
    pixels, geometry = classifier.prepare(SCAN)
    board = game(pixels[0], np.repeat([[0, 0, 1, 1]], 4, 0).astype(np.int32), fill=0.0)
    return put(
        classifier, SCAN, targets, geometry, board, PROBE, score=score, engine="float32", batch=2, seed=5
    )  # fmt: skip


def test_what_was_judged_of_the_probe_is_not_judged_again() -> None:
    model = Halves()
    asked = question(model)
    before = model.asked
    np.testing.assert_allclose(asked.answers(ALL), LOGITS, atol=1e-6)
    asked.scores(ALL)
    assert model.asked - before == 2 and len(asked.memory) == 4


@pytest.mark.parametrize(("targets", "column"), [("a", LOGITS[:, 0]), ("b-a", LOGITS[:, 1] - LOGITS[:, 0])])
def test_scores_are_the_targets(targets: str, column: np.ndarray) -> None:
    asked = question(Halves(), targets)
    np.testing.assert_allclose(asked.scores(ALL)[:, 0], column, atol=1e-6)
    assert asked.link() is None  # logits are learned as they are


def test_probabilities_come_through_what_the_link_reads() -> None:
    asked = question(Halves(), score="probability")
    np.testing.assert_allclose(asked.scores(ALL), softmax(LOGITS), atol=1e-6)
    link = asked.link()
    assert link is not None
    np.testing.assert_allclose(link.read(link.smooth(ALL)), asked.scores(ALL), atol=1e-6)


def test_the_record_says_what_was_asked_and_who_judged() -> None:
    about = question(Halves(), "true", "probability").about
    assert about["targets"] == ("b",) and about["label"] == "b" and about["scan"] == "grey"
    assert (about["score"], about["deviation"], about["seed"]) == ("probability", 0.0, 5)
    np.testing.assert_allclose(about["probabilities"], softmax(LOGITS[:1])[0], atol=1e-6)


def test_a_target_that_does_not_exist() -> None:
    with pytest.raises(BadTarget, match="'stroke'"):
        question(Halves(), "stroke")
