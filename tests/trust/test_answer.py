"""What may be said of a difference, and how it is put."""

import numpy as np
import pytest

from whyscan.stats import differences
from whyscan.stats.differences import Difference, apart, paired
from whyscan.trust import answer, judging, wording

WORST = 1.0
"""The p-value after a correction for any number of tests."""


def singles(n):
    return [f"g{i}" for i in range(n)]


def difference(value=0.0, low=-0.1, high=0.1, p=0.5, n=40, other=None, spread=1.0):
    return Difference(value, low, high, p, value / spread if spread else 0.0, "Cohen's dz", n, other, 0.4, spread)


@pytest.mark.parametrize(
    ("found", "p", "word"),
    [
        (difference(0.3, 0.1, 0.5, p=0.001), None, "more"),
        (difference(-0.3, -0.5, -0.1, p=0.001), None, "less"),
        (difference(0.3, 0.1, 0.47, p=0.001), 0.2, "none"),  # corrected: not sure to be there, and surely small
        (difference(0.3, 0.1, 0.6, p=0.001), 0.2, "too few"),
        (difference(0.3, 0.1, 0.495, p=0.001), 0.2, "too few"),  # the spread is an estimate too
        (difference(0.3, -0.1, 0.7, n=40), None, "too few"),  # power for 0.44, and room for 0.7
        (difference(-0.1, -0.6, 0.4), None, "too few"),
        (difference(n=5), None, "too few"),
        (difference(n=40, other=5), None, "too few"),
        (difference(low=float("nan"), high=float("nan")), None, "too few"),
        (difference(spread=0.0, n=16), None, "none"),  # not one group that differs
        (difference(spread=0.0, n=15), None, "too few"),
        (difference(0.2, spread=0.0), None, "too few"),
    ],
)
def test_judge(found, p, word):
    assert judging.judge(found, p) == word


def test_a_true_medium_effect_is_hardly_ever_said_to_be_none(monkeypatch):
    """In at most 5 of 100 studies, however many tests are corrected for, by pairs and by two kinds of scans."""
    monkeypatch.setattr(differences, "DRAWS", 400)
    monkeypatch.setattr(differences, "flip_test", lambda *_, **__: WORST)
    monkeypatch.setattr(differences, "shuffle_test", lambda *_, **__: WORST)
    rng = np.random.default_rng(0)
    for n in (20, 40, 120):
        said = [
            judging.judge(paired(rng.normal(0.5, 1, n), np.zeros(n), singles(n)), WORST) == "none" for _ in range(300)
        ]
        assert np.mean(said) <= 0.05, n
    second = np.arange(160) >= 80
    said = [
        judging.judge(apart(rng.normal(0, 1, 160) + 0.5 * ~second, second, singles(160)), WORST) == "none"
        for _ in range(300)
    ]
    assert np.mean(said) <= 0.05
    groups = [f"g{i}" for i in range(40) for _ in range(1 + 3 * (i % 2))]  # some of one scan, some of four alike
    size = np.bincount([int(name[1:]) for name in groups])
    said = [
        judging.judge(paired(rng.normal(0.5, 1, 40).repeat(size), np.zeros(size.sum()), groups), WORST) == "none"
        for _ in range(300)
    ]
    assert np.mean(said) <= 0.05


def test_none_can_still_be_said(monkeypatch):
    monkeypatch.setattr(differences, "DRAWS", 400)
    rng = np.random.default_rng(1)
    said = [judging.judge(paired(rng.normal(0, 1, 60), np.zeros(60), singles(60))) for _ in range(40)]
    assert said.count("none") > 30


def test_holm_counts_only_what_was_tested():
    lines = [
        answer.Finding("a", 1.0, 0.5, 1.5, p=0.01),
        answer.Finding("b", None),
        answer.Finding("c", 1.0, 0, 2, p=0.04),
    ]
    assert [line.corrected for line in judging.corrected(lines)] == [0.02, None, 0.04]
    assert judging.correct([0.02, float("nan")]) == pytest.approx([0.04, 1.0])


def test_figures_have_true_minus_signs_and_no_minus_zero():
    found = difference(-0.001, -0.054, 0.0004, p=0.0004)
    assert wording.plainly(found) == "0.00 [−0.05, 0.00], p < 0.001"
    assert wording.points(found, 0.25) == "−0.1 points [−5.4, 0.0], p = 0.250 after Holm's correction"
    assert wording.between(-0.001, 0.5) == "[0.00, 0.50]" and wording.percent(-0.12) == "−12 %"
    assert wording.points(difference(float("nan"))) == "not measured"


def test_why_it_is_too_few_is_said_without_jargon():
    assert wording.enough(difference(n=1)) == "1 independent group of scans; a test needs 6"
    assert wording.enough(difference(n=8, other=2)).startswith("8 and 2 independent groups")
    assert "half of the usual spread from scan to scan" in wording.enough(difference())
