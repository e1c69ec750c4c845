"""What a trust run will take: counted and timed before its first scan is judged, and corrected as scans are done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from whyscan.data.scan import Scan
from whyscan.errors import WhyscanError
from whyscan.explain.explain import explain_layers, explain_many
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import Engine, appoint
from whyscan.study.trust_settings import SHARED, SWIFT, TrustSettings, rounds
from whyscan.trust import names
from whyscan.trust.battery import FAITHFUL, STURDY
from whyscan.trust.cost import Cost, estimate
from whyscan.trust.edits import EDITS

TIMED = 8
"""Forward passes in the batch that is timed."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is asked of a scan; one of the wide sample is asked by the swift methods only."""

    layered: bool = False
    faithful: bool = False
    sturdy: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """Seconds, as they were measured on one scan.

    Attributes:
        forward: of one forward pass.
        methods: of one explanation of all classes, by method.
        layers: of Grad-CAM of every layer.
    """

    forward: float
    methods: Mapping[str, float]
    layers: float = 0.0

    def scaled(self, forward: float) -> Prices:
        """Those of another network, were everything as much slower as its forward passes are."""
        more = forward / max(self.forward, 1e-9)
        return Prices(forward, {name: more * each for name, each in self.methods.items()}, more * self.layers)


def forward_price(classifier: Classifier, scan: Scan, engine: Engine) -> float:
    """Seconds of one forward pass in a batch, by the engine that will be asked; what makes the engine is not counted.

    Made by now, it is not counted where methods are timed either: it is made once, whatever the number of scans.
    """
    pixels = np.repeat(classifier.prepare(scan)[0], TIMED, axis=0)
    judge = appoint(classifier, engine, pixels[:2])
    judge.predict(pixels)
    return _timed(lambda: judge.predict(pixels)) / TIMED


def prices(
    classifier: Classifier, scan: Scan, methods: Sequence[str], settings: TrustSettings, *, layered: bool
) -> Prices:
    """Time one explanation by each method, and Grad-CAM of every layer; one that refuses costs nothing."""
    forward = forward_price(classifier, scan, settings.engine)
    found: dict[str, float] = {}
    for chosen in rounds(methods):
        work = partial(explain_many, classifier, scan, settings.explainers(*chosen), seed=settings.seed)
        found |= dict.fromkeys(chosen, _timed(work) / len(chosen))
    layers = 0.0
    if layered and classifier.white_box and classifier.layers:
        layers = _timed(lambda: explain_layers(classifier, scan))
    return Prices(forward, found, layers)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    try:
        work()
    except WhyscanError:
        return 0.0
    return time.perf_counter() - begun


def cost_of(depth: Depth, price: Prices) -> dict[str, Cost]:
    """What one scan costs with one model, by what it is spent on."""
    if depth.wide:
        swift = [seconds for name, seconds in price.methods.items() if name in SWIFT]
        return {"the wide sample": Cost(len(EDITS), len(swift), len(EDITS) * price.forward + sum(swift))}
    every, once = sum(price.methods.values()), len(price.methods)
    both = [each for name, each in price.methods.items() if name in SHARED]
    found = {"explaining": Cost(len(EDITS) + 2, once, (len(EDITS) + 2) * price.forward + every)}
    if depth.layered:
        found["layers"] = Cost(0, 1, price.layers)
    if depth.faithful:
        asked = estimate(
            FAITHFUL, scans=1, explained=once + len(names.NULLS), seconds=price.forward, chance=False
        )  # fmt: skip
        found["faithfulness"] = asked + Cost(0, len(both), sum(both))  # superpixels are explained with another seed
    if depth.sturdy:
        asked = estimate(STURDY, scans=1, explained=1, seconds=price.forward)
        again = asked.explanations
        found["robustness and sanity"] = Cost(asked.evaluations, again * once, asked.seconds + again * every)
    return found


@dataclass
class Clock:
    """Says how long a trust run will take: before it starts, after its first scan, and after the first of each depth.

    Attributes:
        todo: the depth of each scan that is still to be judged.
        prices: of each model.
        say: is told.
    """

    todo: Sequence[Depth]
    prices: Sequence[Prices]
    say: Callable[[str], None]
    took: dict[Depth, list[float]] = field(default_factory=lambda: defaultdict(list))

    def start(self) -> None:
        """Say what it will cost, by what it is spent on."""
        total: dict[str, Cost] = {}
        for depth in self.todo:
            for price in self.prices:
                for what, cost in cost_of(depth, price).items():
                    total[what] = total.get(what, Cost()) + cost
        whole = sum(total.values(), Cost())
        parts = ", ".join(f"{what} {duration(cost.seconds)}" for what, cost in total.items())
        models = f"{len(self.prices)} model{'s' if len(self.prices) > 1 else ''}"
        self.say(
            f"{len(self.todo)} scan{'s' if len(self.todo) > 1 else ''} by {models}: some {whole.evaluations:,} forward "
            f"passes with perturbed scans and {whole.explanations:,} explanations, about {duration(whole.seconds)} "
            f"({parts}), at the speed that one scan was just explained with"
        )

    def done(self, depth: Depth, seconds: float) -> None:
        """A scan was judged. What is left is as much slower than was thought as its like was so far."""
        fresh = depth not in self.took
        self.took[depth].append(seconds)
        left = list(self.todo)[sum(map(len, self.took.values())) :]
        if fresh and left:
            self.say(f"{len(left)} more scans: about {duration(sum(map(self._seconds, left)))}")

    def _seconds(self, depth: Depth) -> float:
        if depth in self.took:
            return float(np.mean(self.took[depth]))
        spent = sum(sum(each) for each in self.took.values())
        thought = sum(self._thought(each) * len(found) for each, found in self.took.items())
        return self._thought(depth) * spent / max(thought, 1e-9)

    def _thought(self, depth: Depth) -> float:
        return sum(cost.seconds for price in self.prices for cost in cost_of(depth, price).values())


def duration(seconds: float) -> str:
    """In the largest unit that there are two of."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, round(seconds))} seconds"
