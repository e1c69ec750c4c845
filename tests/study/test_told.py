"""What the shell says of maps: nothing that a method does not have, and why a map is not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.study.told import lines, row

MAP = Attribution(
    "gradcam", ("a", "b"), Geometry.of((4, 4), (4, 4)), ("a", "b"), np.float32([0.9, 0.1]),
    maps=np.ones((2, 2, 2), np.float32), layer="conv2", diagnosis=("there", "negative everywhere"),
)  # fmt: skip
PLAY = replace(
    MAP, method="lime", layer=None, evaluations=1300, converged=False, engine="OpenVINO bfloat16", deviation=0.0123,
    diagnosis=("there", "there"),
)  # fmt: skip


def test_a_row_has_none_for_what_a_method_does_not_have() -> None:
    assert row(MAP) == {
        "method": "gradcam", "layer": "conv2", "targets": ["a", "b"], "diagnosis": ["there", "negative everywhere"],
        "evaluations": None, "converged": None, "estimator": None, "engine": "torch float32", "deviation": None,
    }  # fmt: skip
    assert row(replace(MAP, diagnosis=()))["diagnosis"] is None


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ([MAP], ["gradcam: layer conv2, torch float32, b: negative everywhere"]),
        ([PLAY], ["lime: 1,300 evaluations, not settled, OpenVINO bfloat16, at most 0.01 off"]),
        (
            [replace(PLAY, converged=True, evaluations=1)],
            ["lime: 1 evaluation, settled, OpenVINO bfloat16, at most 0.01 off"],
        ),
        (
            [replace(PLAY, converged=None, settings={"estimator": "regression"})],
            ["lime: 1,300 evaluations, by regression, OpenVINO bfloat16, at most 0.01 off"],
        ),
        (
            [replace(MAP, layer=f"conv{i}") for i in range(5)] + [PLAY],
            [
                "gradcam: 5 layers, torch float32, "
                "conv0 b: negative everywhere; conv1 b: negative everywhere; conv2 b: negative everywhere; and 2 more",
                "lime: 1,300 evaluations, not settled, OpenVINO bfloat16, at most 0.01 off",
            ],
        ),
        (
            [replace(MAP, method="consensus", layer=None, diagnosis=("there, without lime", "there"))],
            ["consensus: torch float32, a: without lime"],
        ),
        ([replace(MAP, method="consensus", layer=None, diagnosis=())], ["consensus: torch float32"]),
    ],
)
def test_a_line_a_method(maps: list[Attribution], said: list[str]) -> None:
    assert lines([row(each) for each in maps]) == said
