from __future__ import annotations

import pytest

from whyscan.checks import at_least, between
from whyscan.errors import BadInput
from whyscan.explain.games.anchors import Anchors
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.occlusion import Occlusion
from whyscan.explain.games.rise import RISE
from whyscan.explain.games.surrogate import Perturbation


@pytest.mark.parametrize("value", [1, 0, -1, 2.5, "auto", True, None, float("nan")])
def test_fewer_than_two_or_no_whole_number(value) -> None:
    with pytest.raises(BadInput, match=r"^cells .* 2 or more"):
        at_least(2, batch=8, cells=value)


@pytest.mark.parametrize("value", [0, 1.0, -1, "x", True, None, float("nan")])
def test_not_between_the_two(value) -> None:
    with pytest.raises(BadInput, match=r"^risk .* between 0 and 1"):
        between(0, 1, precision=0.5, risk=value)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        (Perturbation, {"batch": 0}), (Perturbation, {"samples": True}), (LIME, {"kernel_width": 0.0}),
        (LIME, {"alpha": -1.0}), (RISE, {"batch": 2.5}), (RISE, {"samples": "auto"}), (RISE, {"cells": 2.5}),
        (RISE, {"probability": "half"}), (Anchors, {"samples": "auto"}), (Anchors, {"beam": 2.5}),
        (Anchors, {"tolerance": "x"}), (Occlusion, {"batch": -1}),
    ],
)  # fmt: skip
def test_every_method_refuses_what_it_cannot_use_when_it_is_made(method, wrong) -> None:
    (name,) = wrong
    with pytest.raises(BadInput, match=name):
        method(**wrong)


def test_no_penalty_is_a_penalty_of_zero() -> None:
    assert LIME(alpha=0.0).alpha == 0
