from __future__ import annotations

from importlib import import_module
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyscan.errors import BadInput
from whyscan.explain.explain import configure
from whyscan.explain.games.converge import SETTLED
from whyscan.explain.games.estimate import AGREEMENT, TOGETHER
from whyscan.explain.games.hierarchy import depths
from whyscan.explain.games.owen import UNOPENED, Owen, evaluations_needed, owen_values
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.methods import METHODS

BALANCED = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]])


def random_tree(players: int, seed: int) -> np.ndarray:
    random, alive, merges = np.random.default_rng(seed), list(range(players)), []
    while len(alive) > 1:
        a, b = random.choice(len(alive), 2, replace=False)
        merges.append((alive[a], alive[b]))
        alive = [each for each in alive if each not in merges[-1]] + [players + len(merges) - 1]
    return np.array(merges, int).reshape(-1, 2)


def by_definition(tree: np.ndarray, value) -> np.ndarray:
    """Owen (1977): a player's gain on joining, over all orders in which no branch is interrupted, all as likely.

    Such an order is a choice, at every branch, of which half comes first.
    """
    players = len(tree) + 1
    total = np.zeros(players)
    for turns in product([False, True], repeat=len(tree)):
        order = [2 * players - 2]
        while any(node >= players for node in order):
            at = next(i for i, node in enumerate(order) if node >= players)
            pair = tree[order[at] - players].tolist()
            order[at : at + 1] = pair[::-1] if turns[order[at] - players] else pair
        there = np.zeros(players, bool)
        for player in order:
            before = value(there[None])[0, 0]
            there[player] = True
            total[player] += value(there[None])[0, 0] - before
    return total / 2 ** len(tree)


def any_game(players: int, seed: int, targets: int = 1):
    table = np.random.default_rng(seed).normal(size=(2**players, targets))
    return lambda coalitions: table[coalitions @ (1 << np.arange(players))]


def smooth_game(players: int, seed: int, targets: int = 2):
    """A softmax of a sum of single and of joint effects: what a classifier's probabilities look like."""
    random = np.random.default_rng(seed)
    single = random.normal(size=(players, targets)) * (random.random((players, 1)) < 0.4)
    joint = random.normal(size=(targets, players, players)) * (random.random((players, players)) < 0.1)

    def value(coalitions: np.ndarray) -> np.ndarray:
        z = np.asarray(coalitions, float)
        logits = z @ single + np.einsum("mi,tij,mj->mt", z, joint, z) / 2
        return np.exp(logits) / (1 + np.exp(logits))

    return value


@settings(deadline=None, max_examples=25)
@given(players=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_exact_values_are_those_of_the_definition(players: int, seed: int) -> None:
    tree, value = random_tree(players, seed), any_game(players, seed)
    found = owen_values(value, tree, 2 ** (players + 2) + 2)
    assert found.complete
    assert found.evaluations == evaluations_needed(tree)
    np.testing.assert_allclose(found.values[0], by_definition(tree, value), atol=1e-10)
    np.testing.assert_allclose(found.intervals[..., 1] - found.intervals[..., 0], 0)


def test_eight_players_by_the_definition() -> None:
    value = any_game(8, 5)
    found = owen_values(value, BALANCED, 1000)
    assert found.evaluations == 2 + 2 * (1 + 2 * 2 + 4 * 4)
    np.testing.assert_allclose(found.values[0], by_definition(BALANCED, value), atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(
    players=st.integers(1, 12),
    budget=st.integers(2, 150),
    seed=st.integers(0, 10**6),
    game=st.sampled_from([any_game, smooth_game]),
)
def test_values_add_up_within_the_budget_whatever_it_is(players: int, budget: int, seed: int, game) -> None:
    asked: list[bytes] = []
    value = game(players, seed, 2)

    def counted(coalitions: np.ndarray) -> np.ndarray:
        asked.extend(row.tobytes() for row in coalitions)
        return value(coalitions)

    found = owen_values(counted, random_tree(players, seed), budget, seed)
    assert len(asked) == len(set(asked)) == found.evaluations <= budget
    gain = value(np.ones((1, players), bool)) - value(np.zeros((1, players), bool))
    np.testing.assert_allclose(found.values.sum(1), gain[0], atol=1e-9)
    assert np.isfinite(found.values).all()
    unopened = np.array(found.measured[UNOPENED])
    assert ((unopened >= 0) & (unopened <= 1 + 1e-9)).all()


def test_symmetric_players_of_a_balanced_tree_get_the_same_and_a_dummy_nothing() -> None:
    def size(coalitions: np.ndarray) -> np.ndarray:
        return (coalitions[:, :7].sum(1) ** 2.0)[:, None]

    values = owen_values(size, BALANCED, 1000).values[0]
    assert values[7] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(values[:4], values[0])
    np.testing.assert_allclose(values[4:6], values[4])


def test_a_joint_effect_is_halved_at_each_fork() -> None:
    # f = [0 and 1 and 4]: {0, 1} and {4} meet at the root and share 1; then 0 and 1 share their half
    values = owen_values(lambda z: (z[:, 0] & z[:, 1] & z[:, 4])[:, None].astype(float), BALANCED, 1000).values[0]
    np.testing.assert_allclose(values, [0.25, 0.25, 0, 0, 0.5, 0, 0, 0], atol=1e-12)


def test_how_much_a_balanced_and_a_lopsided_tree_need() -> None:
    chain = np.array([[0, 1], *([k + 1, 16 + k - 1] for k in range(1, 15))])
    assert depths(chain).max() == 15
    assert evaluations_needed(chain) == 2 + 2 * (2**15 - 1)
    assert evaluations_needed(BALANCED) == 44
    assert evaluations_needed(np.zeros((0, 2), int)) == 2


def test_a_sampled_value_is_near_and_its_interval_covers() -> None:
    tree, inside, errors = random_tree(20, 0), [], {}
    for game in range(4):
        value = smooth_game(20, game)
        exact = owen_values(value, tree, evaluations_needed(tree))
        assert exact.complete
        for budget in (50, 100, 200, 400):
            found = owen_values(value, tree, budget, game)
            assert not found.complete
            assert found.intervals is not None
            low, high = np.moveaxis(found.intervals, -1, 0)
            assert (low <= found.values).all()
            inside.append(((low <= exact.values + 1e-6) & (exact.values <= high + 1e-6)).mean())
            errors.setdefault(budget, []).append(np.abs(found.values - exact.values).mean())
    assert 0.93 < np.mean(inside) < 0.995
    assert np.mean(errors[400]) < 0.25 * np.mean(errors[100]) < 0.25 * np.mean(errors[50])


def test_with_very_few_evaluations_there_are_no_intervals_and_what_was_not_opened_is_said() -> None:
    tree = random_tree(30, 1)
    found = owen_values(smooth_game(30, 1), tree, 18)
    assert found.intervals is None
    assert found.settled is None
    assert all(share > 0 for share in found.measured[UNOPENED])


def test_it_stops_when_the_strongest_have_settled() -> None:
    tree, easy = random_tree(24, 2), np.zeros((24, 1))
    easy[:5, 0] = (9, -8, 7, 6, -5)
    found = owen_values(lambda z: z @ easy, tree, 2000, until_settled=True)
    assert found.settled
    assert found.evaluations <= 150
    assert not found.complete
    np.testing.assert_allclose(found.values[0], easy[:, 0], atol=0.3)
    assert set(found.measured) == {AGREEMENT, TOGETHER, UNOPENED}
    noise = np.random.default_rng(0)
    hard = owen_values(lambda z: noise.normal(size=(len(z), 1)), tree, 200, until_settled=True)
    assert hard.evaluations == 200
    assert hard.settled is False


def test_until_settled_is_exact_where_all_contexts_are_judged_first() -> None:
    tree, value = random_tree(7, 0), any_game(7, 4, 2)
    found = owen_values(value, tree, 2000, until_settled=True)
    assert found.complete
    assert found.settled
    np.testing.assert_allclose(found.values[0], by_definition(tree, value), atol=1e-10)


def test_beyond_the_quadratures_means_each_branch_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, value = random_tree(14, 3), smooth_game(14, 3)
    exact = owen_values(value, tree, evaluations_needed(tree))
    monkeypatch.setattr(import_module("whyscan.explain.games.owen"), "MANY", 10)
    inside = []
    for seed in range(5):
        found = owen_values(value, tree, 120, seed)
        low, high = np.moveaxis(found.intervals, -1, 0)
        inside.append(((low <= exact.values + 1e-12) & (exact.values <= high + 1e-12)).mean())
        np.testing.assert_allclose(found.values.sum(1), exact.values.sum(1), atol=1e-9)
        assert np.abs(found.values - exact.values).mean() < 0.3 * np.abs(exact.values).mean()
    assert np.mean(inside) > 0.85


def test_a_budget_for_less_than_both_ends_is_refused() -> None:
    with pytest.raises(BadInput, match="2 evaluations or more"):
        owen_values(any_game(3, 0), random_tree(3, 0), 1)


def test_an_estimator_that_would_not_be_used_is_refused() -> None:
    with pytest.raises(BadInput, match=r"Owen values, which have an estimator of their own.*leave it out"):
        Owen(Perturbation(estimator="regression"))
    with pytest.raises(BadInput, match="an estimator of their own"):
        configure({"shap": "shap", "owen": "owen"}, {"estimator": "regression"})


def test_the_method_says_what_it_spent_and_adds_up(toy, scan) -> None:
    few = Owen(Perturbation(samples=40, engine="float32"))(toy, [scan], seed=1)[0]
    assert few.method == "owen"
    assert few.evaluations <= 40
    assert few.converged is all(each >= SETTLED for each in few.measured[AGREEMENT])
    assert not few.settings["exact"]
    assert few.settings["exact would need"] > 40
    assert len(few.settings["tree"]) == few.segments.max()
    many = Owen(Perturbation(samples=few.settings["exact would need"], engine="float32", batch=64))(toy, [scan])[0]
    assert many.converged is True
    assert many.settings["exact"] is True
    np.testing.assert_allclose(few.weights.sum(1), many.weights.sum(1), atol=1e-5)
    assert np.abs(few.weights - many.weights).max() < np.abs(many.weights).max()
    assert many.measured[UNOPENED] == (0.0, 0.0, 0.0)
    assert METHODS["owen"].explainer is Owen
