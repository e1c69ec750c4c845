"""The cost of a trust run: counted by hand, and corrected by what was measured."""

from __future__ import annotations

import pytest

from whyscan.study.trust_cost import Clock, Depth, Prices, cost_of, duration
from whyscan.trust import faithfulness, sanity, stability
from whyscan.trust.battery import FAITHFUL, STURDY
from whyscan.trust.cost import estimate
from whyscan.trust.edits import EDITS

PRICE = Prices(forward=0.01, methods={"gradcam": 0.1, "lime": 1.0}, layers=2.0)


def test_each_depth_by_hand() -> None:
    plain = cost_of(Depth(), PRICE)["explaining"]
    assert plain.explanations == 2 and plain.seconds == pytest.approx(1.1 + 0.01 * (len(EDITS) + 2))
    assert cost_of(Depth(layered=True), PRICE)["layers"].seconds == 2
    again = stability.COPIES + 3 + len(sanity.STEPS) + 1 + stability.COPIES + 1
    sturdy = cost_of(Depth(sturdy=True), PRICE)["robustness and sanity"]
    assert sturdy.explanations == 2 * again and sturdy.seconds == pytest.approx(1.1 * again)
    asked = cost_of(Depth(faithful=True), PRICE)["faithfulness"]
    # six rankings (two methods, four nulls), in the image and in the head; the subsets are shared by all of them
    per_ranking = 2 * (1 + faithfulness.REMOVAL.steps) + 1 + faithfulness.ROAD_REMOVAL.steps
    assert asked.evaluations == 2 * (6 * per_ranking + 1 + faithfulness.SUBSETS)
    assert asked.explanations == 1 and asked.seconds == pytest.approx(1.0 + 0.01 * asked.evaluations)


def test_what_is_counted_is_what_is_asked() -> None:
    """Of a real case: no more scans are judged, or explained again, than was said."""
    import toys

    calls: list[int] = []
    case = toys.case()

    def again(model, scans, seed):
        calls.append(len(scans))
        return case.again(model, scans, seed)

    from dataclasses import replace

    counted = replace(case, again=again, explained={}, memories={}, mistaught=lambda: toys.classifier(1))
    for metric in (*FAITHFUL.values(), *STURDY.values()):
        metric(counted)
    assert sum(calls) == estimate(STURDY, scans=1, explained=1, seconds=0).explanations
    said = estimate(FAITHFUL, scans=1, explained=1, seconds=0, inside=False, chance=False).evaluations
    assert 0.9 * said <= sum(map(len, counted.memories.values())) <= said


def test_the_clock_says_it_before_and_corrects_itself() -> None:
    said: list[str] = []
    todo = [Depth(True, True, True), Depth(True), Depth(), Depth(), Depth()]
    clock = Clock(todo, [PRICE, PRICE.scaled(0.02)], said.append)
    clock.start()
    assert "5 scans by 2 models" in said[0] and "forward passes" in said[0] and "robustness and sanity" in said[0]
    thought = sum(cost.seconds for price in clock.prices for cost in cost_of(todo[0], price).values())
    clock.done(todo[0], 2 * thought)  # everything takes twice as long
    rest = [sum(c.seconds for p in clock.prices for c in cost_of(each, p).values()) for each in todo[1:]]
    assert said[1] == f"4 more scans: about {duration(2 * sum(rest))}"
    clock.done(todo[1], 10)
    clock.done(todo[2], 30)
    assert said[-1] == f"2 more scans: about {duration(60)}"
    before = len(said)
    clock.done(todo[3], 30)
    assert len(said) == before


def test_durations() -> None:
    assert [duration(each) for each in (0, 1.4, 119, 121, 7300)] == [
        "1 seconds", "1 seconds", "119 seconds", "2 minutes", "2 hours",
    ]  # fmt: skip
