from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whyscan.records.attribution import Attribution
from whyscan.records.facts import facts, note, told_from_zero
from whyscan.records.geometry import Geometry


@pytest.fixture
def lime() -> Attribution:
    weights = np.array([[0.5, -0.2, 0.1], [-0.5, 0.2, 0.0]], np.float32)
    half = np.array([[0.1, 0.1, 0.2], [0.6, 0.6, 0.0]], np.float32)
    return Attribution(
        "lime",
        ("a", "b"),
        Geometry.of((6, 4), (6, 4)),
        ("a", "b"),
        np.array([0.9, 0.1], np.float32),
        segments=np.arange(24, dtype=np.int32).reshape(6, 4) // 8,
        weights=weights,
        intervals=np.stack([weights - half, weights + half], -1),
        signed=True,
        evaluations=1200,
        converged=False,
        measured={"expected agreement on the top 5": (0.912345, -1.0)},
        diagnosis=("there, without anchors", "score hardly moves"),
        engine="OpenVINO bfloat16",
        deviation=0.0123,
        quantity="something else",
        heading="LIME",
    )


def test_everything_a_map_knows_of_itself_is_said(lime: Attribution) -> None:
    assert facts(lime) == [
        "From 1,200 evaluations of the model.",
        "Superpixels whose 95 % interval leaves out 0, of 3: a 2, b 0.",
        "The ranking had not settled: read it with care.",
        "Expected agreement on the top 5: a 0.912, b −1.",
        "Computed by OpenVINO bfloat16, at most 0.0123 from the float32 model.",
    ]
    np.testing.assert_array_equal(told_from_zero(lime), [[True, True, False], [False, False, False]])


def test_it_is_the_same_after_saving(lime: Attribution, tmp_path: Path) -> None:
    lime.save(tmp_path / "lime.npz")
    again = Attribution.load(tmp_path / "lime.npz")
    assert facts(again) == facts(lime)
    assert (again.headline, again.unit, again.share) == (lime.headline, lime.unit, lime.share)


def test_what_is_there_needs_no_note(lime: Attribution) -> None:
    assert [note(lime, "a"), note(lime, "b")] == ["without anchors", "score hardly moves"]


def test_a_map_that_knows_nothing_of_itself_says_nothing() -> None:
    maps = np.ones((1, 2, 2), np.float32)
    about = (("a",), Geometry.of((2, 2), (2, 2)), ("a", "b"), np.array([0.9, 0.1], np.float32))
    assert facts(Attribution("gradcam", *about, maps=maps)) == []
    assert note(Attribution("gradcam", *about, maps=maps, diagnosis=("there",)), "a") == ""
