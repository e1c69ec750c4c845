"""Probabilities through logits, on games of which every coalition is known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from whyscan.explain.games.estimate import estimate, estimate_until_settled, sampled
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.link import Sampled, Through, learn, link_of
from whyscan.explain.games.owen import evaluations_needed, owen_values
from whyscan.explain.games.owen_measure import Nested
from whyscan.explain.games.sampling import Plan, draw
from whyscan.explain.games.shap import SHAP
from whyscan.models.classifier import softmax

PLAYERS = 12
METHODS = {"lime": LIME(), "shap": SHAP()}
EVERY = draw(PLAYERS, [LIME().sizes(PLAYERS)], 2**PLAYERS, 0)


def plan(samples: int, seed: int = 0) -> Plan:
    return draw(PLAYERS, [method.sizes(PLAYERS) for method in METHODS.values()], samples, seed)


def logits(seed: int, classes: int = 3, sure: float = 3.0):
    """Single and some joint effects, large enough that the softmax saturates."""
    random = np.random.default_rng(seed)
    single = sure * random.normal(size=(PLAYERS, classes)) * (random.random((PLAYERS, 1)) < 0.5)
    joint = random.normal(size=(classes, PLAYERS, PLAYERS)) * (random.random((PLAYERS, PLAYERS)) < 0.1)

    def answers(coalitions: np.ndarray) -> np.ndarray:
        z = np.asarray(coalitions, float)
        return np.asarray(z @ single + np.einsum("mi,tij,mj->mt", z, joint, z) / 2, np.float32)

    return answers


def probabilities(answers, rows: np.ndarray, coalitions: np.ndarray) -> np.ndarray:
    return softmax(answers(coalitions).astype(float)) @ rows.T


def error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(((found - true) ** 2).mean() / (true**2).mean()))


@pytest.mark.parametrize("method", METHODS)
def test_what_saturates_is_learned_better_through_the_softmax(method: str) -> None:
    ratios = []
    for seed in range(6):
        answers, rows = logits(seed), np.eye(3, dtype=np.float32)
        scored = partial(probabilities, answers, rows)
        true = METHODS[method].regress(EVERY, scored(EVERY.coalitions)).weights
        with_it, without = (
            estimate({method: METHODS[method]}, plan(120, seed), scored, "quadrature", link)[method].weights
            for link in (link_of("probability", answers, rows), None)
        )
        ratios.append(error(with_it, true) / error(without, true))
    assert np.median(ratios) < 0.7


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    held = []
    for seed in range(12):
        answers, rows = logits(seed), np.eye(3, dtype=np.float32)
        scored = partial(probabilities, answers, rows)
        found = estimate(METHODS, plan(120, seed), scored, "quadrature", link_of("probability", answers, rows))
        for name, method in METHODS.items():
            true = method.regress(EVERY, scored(EVERY.coalitions)).weights
            low, high = np.moveaxis(found[name].intervals, -1, 0)
            held.append((low <= true) & (true <= high))
    assert 0.9 < np.mean(held) < 0.995


def test_probabilities_that_simply_add_up_lose_little_by_the_detour() -> None:
    effects = np.random.default_rng(0).random(PLAYERS)
    effects *= 0.98 / effects.sum()

    def answers(coalitions: np.ndarray) -> np.ndarray:
        first = 0.01 + coalitions @ effects
        return np.log(np.stack([first, 1 - first], 1))

    rows = np.eye(2, dtype=np.float32)
    scored = partial(probabilities, answers, rows)
    true, link, held = np.array([effects, -effects]), link_of("probability", answers, rows), []
    for seed in range(4):
        found = estimate({"shap": SHAP()}, plan(100, seed), scored, "quadrature", link)["shap"]
        low, high = np.moveaxis(found.intervals, -1, 0)
        held.append((low <= true) & (true <= high))
        assert error(found.weights, true) < 0.05
    assert np.mean(held) > 0.8


def test_the_integral_is_that_of_what_it_foretells() -> None:
    answers, rows = logits(3), np.eye(3, dtype=np.float32)
    scored, drawn = partial(probabilities, answers, rows), plan(100)
    few = {name: method for name, method in METHODS.items() if name == "lime"}
    sample = sampled(few, PLAYERS)
    assert len(sample.coalitions) == 2**PLAYERS  # all of them: the sums are exact
    link = link_of("probability", answers, rows)
    assert link is not None
    for each in learn(Through(link, sample), drawn.coalitions, scored(drawn.coalitions), drawn.pairs):
        foretold = each.predict(EVERY.coalitions)
        weights, covariance = each.integrate(Sampled(LIME().estimand(PLAYERS), sample.integrals["lime"]))
        np.testing.assert_allclose(weights, LIME().regress(EVERY, foretold).weights, atol=1e-6)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9


@pytest.mark.parametrize("targets", [[0], [1, 2], ["contrast"]])
def test_of_many_classes_those_not_asked_for_count_as_one(targets: list) -> None:
    answers = logits(5, classes=40, sure=1.0)
    rows = np.zeros((len(targets), 40), np.float32)
    for row, target in zip(rows, targets, strict=True):
        row[[3, 7] if target == "contrast" else target] = [1, -1] if target == "contrast" else 1
    link = link_of("probability", answers, rows)
    assert link is not None
    smooth = link.smooth(EVERY.coalitions[:50])
    assert smooth.shape[1] == np.count_nonzero(rows.any(0)) + 1
    expected = probabilities(answers, rows, EVERY.coalitions[:50])
    np.testing.assert_allclose(link.read(smooth), expected, atol=2e-6 * 40)


def test_more_classes_than_are_worth_it_have_no_link() -> None:
    assert link_of("probability", logits(6, classes=40), np.eye(40, dtype=np.float32)) is None


def test_an_impossible_class_is_no_trouble() -> None:
    def answers(coalitions: np.ndarray) -> np.ndarray:
        return np.stack([coalitions.sum(1) - 6.0, np.full(len(coalitions), -200.0), np.zeros(len(coalitions))], 1)

    rows = np.eye(3, dtype=np.float32)
    found = estimate(
        METHODS, plan(60), partial(probabilities, answers, rows), "quadrature", link_of("probability", answers, rows)
    )
    assert np.isfinite(found["shap"].intervals).all()
    np.testing.assert_allclose(found["shap"].weights[1], 0, atol=1e-6)


def test_until_settled_asks_no_coalition_twice() -> None:
    answers, rows = logits(7), np.eye(3, dtype=np.float32)
    found = estimate_until_settled(
        METHODS, plan(600), partial(probabilities, answers, rows), link_of("probability", answers, rows)
    )
    assert all(fitted.settled for fitted in found.values())


def test_owen_values_go_through_the_softmax_too() -> None:
    tree = np.array(
        [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13], [14, 15], [16, 17], [18, 19], [20, 21]]
    )
    ratios = []
    for seed in range(4):
        answers, rows = logits(seed), np.eye(3, dtype=np.float32)
        scored = partial(probabilities, answers, rows)
        true = owen_values(scored, tree, evaluations_needed(tree))
        assert true.complete
        with_it, without = (
            owen_values(scored, tree, 60, seed, link=link).values
            for link in (link_of("probability", answers, rows), None)
        )
        ratios.append(error(with_it, true.values) / error(without, true.values))
    assert np.median(ratios) < 0.9


def test_a_sample_of_contexts_is_what_owen_values_are_the_mean_of() -> None:
    tree = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    game = np.random.default_rng(0).normal(size=(32, 2))

    def value(coalitions: np.ndarray) -> np.ndarray:
        return game[coalitions @ (1 << np.arange(5))]

    exact = owen_values(value, tree, evaluations_needed(tree)).values
    sample = Nested(tree).sample(4000)
    means, variance = sample.integrals["owen"](value(sample.coalitions))
    assert (np.abs(means - exact) < 4 * np.sqrt(variance)).all()
    assert np.abs(means - exact).max() < 0.1
