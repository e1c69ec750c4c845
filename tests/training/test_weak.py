"""The weak state: whatever the best turns out to be, what was kept on the way holds the right one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whyscan.training.state import Snapshot
from whyscan.training.weak import CLEARLY, choose, shortlist


def taken(*accuracies: float) -> list[Snapshot]:
    return [Snapshot(i + 1, "head", 1.0, accuracy, 0.0, {}) for i, accuracy in enumerate(accuracies)]


def accuracies(found: list[Snapshot]) -> list[float]:
    return [each.accuracy for each in found]


def test_a_best_near_the_target_keeps_a_state_well_below_it() -> None:
    found = taken(0.25, 0.6, 0.74, 0.79, 0.81)
    weak = choose(found, 0.81, 0.8)
    assert weak is not None and weak.accuracy == 0.74
    # 0.74 is sure; 0.79 and 0.81 wait for a better best
    assert accuracies(shortlist(found, 0.81, 0.8)) == [0.74, 0.79, 0.81]
    # with a better best only the nearest to the target is left
    assert accuracies(shortlist([*found, *taken(0.95)], 0.95, 0.8)) == [0.79]


def test_the_earlier_of_two_equals_is_kept() -> None:
    assert [each.epoch for each in shortlist(taken(0.5, 0.5, 0.9), 0.9, 0.8)] == [1, 3]
    assert [each.epoch for each in shortlist(taken(0.86, 0.86, 0.9), 0.9, 0.9)] == [1, 3]
    assert choose(taken(0.9), 0.9, 0.8) is None
    assert choose([], 0.9, 0.8) is None


@given(
    st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=8), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.5, 0.8, 1.0]),
)
def test_forgetting_on_the_way_costs_at_most_the_grain(epochs: list[list[int]], target: float) -> None:
    best, kept, every = 0.0, taken(), taken()
    for epoch in epochs:
        for number, percent in enumerate(epoch):
            (new,) = taken(percent / 100)
            every.append(new)
            if number == len(epoch) - 1:
                best = max(best, new.accuracy)
            kept = shortlist([*kept, new], best, target)
        waiting = [each for each in kept if each.accuracy > best - CLEARLY]
        assert len(kept) - len(waiting) <= 1
    ideal, found = choose(every, best, target), choose(kept, best, target)
    assert (ideal is None) == (found is None)
    if ideal and found:
        assert abs(found.accuracy - target) <= abs(ideal.accuracy - target) + 0.02 + 1e-9
