"""Black boxes whose rule is known: which superpixels must be seen for the prediction to be what it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadModel, BadScan
from whyscan.explain.explain import explain
from whyscan.explain.games.anchor_search import Pool, bounds, divergence
from whyscan.explain.games.anchors import Anchors, event_of
from whyscan.explain.games.surrogate import Labels
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier

CUT = np.kron(np.arange(12).reshape(3, 4), np.ones((4, 4), int))
PIXELS = np.full((1, 12, 16), 0.8, np.float32)
SCAN = Scan(PIXELS, content_hash(PIXELS), label="yes")
CLASSES = ("no", "yes", "never")


def shown(pixels: np.ndarray) -> np.ndarray:
    """Which superpixels each scan shows, (n, 12); hidden ones are black."""
    return np.stack([pixels[:, 0][:, i == CUT].mean(1) > 0.4 for i in range(12)], 1)


def box(rule) -> Classifier:
    """Says "yes" where the rule holds for what is shown, else "no"."""

    def predict(pixels: np.ndarray) -> np.ndarray:
        yes = rule(shown(pixels))
        return np.stack([~yes, yes, np.zeros_like(yes)], 1) * 0.8 + [0.1, 0.1, 0.0]

    return black_box(predict, CLASSES, (12, 16))


def anchors(**options) -> Anchors:
    return Anchors(superpixels=Labels(CUT), fill=0.0, **options)


def both(seen: np.ndarray) -> np.ndarray:
    return seen[:, 2] & seen[:, 5]


@pytest.mark.parametrize("seed", range(5))
def test_the_two_superpixels_that_settle_it_are_found(seed) -> None:
    """ "yes" iff 2 and 5 are both shown. P(yes | {}) = 1/4, P(yes | {2}) = P(yes | {5}) = 1/2, P(yes | {2, 5}) = 1."""
    (found,) = anchors()(box(both), [SCAN], "yes", seed=seed)
    assert np.flatnonzero(found.weights[0]).tolist() == [2, 5]
    np.testing.assert_allclose(found.weights[0, [2, 5]], 0.5, atol=0.2)
    assert found.measured["precision"] == [1.0]
    assert 0.9 <= found.measured["precision lower bound"][0] < 1
    assert found.measured["coverage"] == [0.25]
    assert found.diagnosis == ("there",)
    assert not found.signed
    assert found.evaluations <= 1000 + 1


def test_every_target_has_a_rule_of_its_own() -> None:
    """ "no" is not predicted: it stays so where "yes" stays. "never" is never predicted: nothing need be shown."""
    (found,) = anchors()(box(both), [SCAN], ["no", "never", "yes-no", "no-yes"])
    assert np.flatnonzero(found.weights[0]).tolist() == np.flatnonzero(found.weights[2]).tolist() == [2, 5]
    assert np.flatnonzero(found.weights[3]).tolist() == [2, 5]
    assert not found.weights[1].any()
    assert found.diagnosis == (
        "there, for its not being predicted",
        "no superpixel is needed, for its not being predicted",
        "there",
        "there, for its not being ahead",
    )
    assert found.measured["coverage"][1] == 1.0


def test_either_of_two_is_enough() -> None:
    """P(yes | {}) = 3/4, P(yes | {2}) = 1: one superpixel, and the other one is not in the anchor."""
    (found,) = anchors()(box(lambda seen: seen[:, 2] | seen[:, 5]), [SCAN], "yes")
    assert np.flatnonzero(found.weights[0]).tolist() in ([2], [5])
    assert found.measured["coverage"] == [0.5]


def test_absence_cannot_be_an_anchor() -> None:
    """ "yes" while 3 is hidden or 7 is shown; the scan shows both, so 7 is what settles it."""
    (found,) = anchors()(box(lambda seen: ~seen[:, 3] | seen[:, 7]), [SCAN], "yes")
    assert np.flatnonzero(found.weights[0]).tolist() == [7]


def test_where_none_is_precise_enough_the_best_is_given_and_called_so() -> None:
    """At least 11 of 12: with 2 held, P = P(at most one of 10 hidden) = 11 / 1024."""
    (found,) = anchors(largest=2)(box(lambda seen: seen.sum(1) >= 11), [SCAN], "yes")
    assert found.diagnosis == ("no anchor reaches a precision of 0.95",)
    assert found.measured["precision"][0] < 0.2
    (strict,) = anchors(slack=0.0)(box(both), [SCAN], "yes")
    assert strict.measured["precision lower bound"][0] >= 0.95
    (poor,) = anchors(samples=20)(box(both), [SCAN], "yes")
    assert poor.diagnosis == ("no anchor reaches a precision of 0.95",)
    assert poor.evaluations <= 26  # 20 for the target, and the 6 by which the engine is checked


def test_the_bound_keeps_its_word() -> None:
    """The precision of {2, 5} is 0.9 here; with 0.85 asked for, what is accepted must hold in 9 of 10 tries."""
    noise = np.random.default_rng(0)

    def leaky(seen: np.ndarray) -> np.ndarray:
        return both(seen) & (noise.random(len(seen)) < 0.9) | seen.all(1)

    found = [anchors(precision=0.85, slack=0.05)(box(leaky), [SCAN], "yes", seed=seed)[0] for seed in range(10)]
    wrong = [each for each in found if each.diagnosis == ("there",) and np.flatnonzero(each.weights[0]).size < 2]
    assert len(wrong) <= 1
    assert sum(each.measured["precision lower bound"][0] <= 0.9 for each in found) >= 9


def test_the_same_seed_gives_the_same_anchor() -> None:
    one, two, other = (anchors()(box(both), [SCAN], seed=seed)[0] for seed in (1, 1, 2))
    assert one.digest() == two.digest() != other.digest()


@settings(max_examples=50, deadline=None)
@given(hits=st.integers(0, 200), more=st.integers(0, 200), level=st.floats(0.1, 20))
def test_the_bounds_are_where_the_divergence_is_the_level(hits, more, level) -> None:
    count = hits + more
    if count == 0:
        assert [float(end[0]) for end in bounds(np.zeros(1), np.zeros(1, int), level)] == [0, 1]
        return
    mean = np.array([hits / count])
    low, high = bounds(mean, np.array([count]), level)
    assert low <= mean <= high
    for end, edge in ((low, 0.0), (high, 1.0)):
        at_level = np.isclose(count * divergence(mean, end), level, rtol=1e-3)
        assert at_level or abs(end[0] - edge) < 1e-9 or mean[0] == edge


def test_all_hits_give_the_bound_that_is_known_in_closed_form() -> None:
    """KL(1, q) = -log q, so n hits of n give q = exp(-level / n)."""
    low, _ = bounds(np.ones(1), np.array([100]), 3.0)
    assert low[0] == pytest.approx(np.exp(-0.03), abs=1e-9)


def test_a_scan_counts_for_what_it_shows_if_nothing_else_was_held() -> None:
    random = np.random.default_rng(0)
    asked: list[np.ndarray] = []

    def ask(coalitions: np.ndarray) -> np.ndarray:
        asked.append(coalitions)
        return np.eye(2, dtype=np.float32)[coalitions[:, 0].astype(int)]

    pool = Pool(ask, 4, random)
    held = [np.array(each, bool) for each in ([0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0])]
    for members in held:
        pool.draw(members, 50)
    candidates = random.random((6, 4)) < 0.5
    drawn, hits = pool.tally(candidates, lambda logits: logits[:, 1] > 0)
    for candidate, n, k in zip(candidates, drawn, hits, strict=True):
        fair = [
            row
            for members, rows in zip(held, asked, strict=True)
            for row in rows
            if not (members & ~candidate).any() and not (candidate & ~row).any()
        ]
        assert (n, k) == (len(fair), sum(bool(row[0]) for row in fair))


def test_events() -> None:
    whole = np.array([1.0, 3.0, 2.0], np.float32)
    logits = np.array([[0, 5, 1], [5, 0, 1]], np.float32)
    assert event_of(np.array([0, 1, 0]), whole)(logits).tolist() == [True, False]
    assert event_of(np.array([1, 0, 0]), whole)(logits).tolist() == [True, False]
    assert event_of(np.array([0, 0, 1]), whole)(logits).tolist() == [True, True]
    assert event_of(np.array([1, 0, -1]), whole)(logits).tolist() == [True, False]


def test_bad_input() -> None:
    for wrong in (
        {"precision": 1.0},
        {"risk": 0.0},
        {"slack": 0.95},
        {"largest": 0},
        {"samples": 1},
        {"engine": "slow"},
    ):
        with pytest.raises(BadInput):
            Anchors(**wrong)
    with pytest.raises(BadScan, match="something to hide"):
        Anchors(superpixels=Labels(CUT))(box(both), [SCAN])
    nan = black_box(lambda x: np.full((len(x), 3), np.nan), CLASSES, (12, 16))
    with pytest.raises(BadModel, match="NaN"):
        anchors()(nan, [SCAN])


def test_the_door_passes_its_options_on() -> None:
    found = explain(box(both), SCAN, "anchors", "yes", fill=0.0, superpixels=CUT, samples=700)
    assert found.settings["superpixels"] == "the user's own"
    assert found.settings["samples"] == 700
    assert np.flatnonzero(found.weights[0]).tolist() == [2, 5]


def test_an_interruption_comes_through() -> None:
    calls = []

    def rule(seen: np.ndarray) -> np.ndarray:
        calls.append(len(seen))
        if len(calls) == 9:
            raise KeyboardInterrupt
        return both(seen)

    with pytest.raises(KeyboardInterrupt):
        anchors()(box(rule), [SCAN])
    assert len(calls) == 9
