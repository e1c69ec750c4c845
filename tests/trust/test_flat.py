from __future__ import annotations

import numpy as np
import pytest

from whyscan.records.geometry import Geometry
from whyscan.trust.flat import flat


@pytest.mark.parametrize("level", [0.0, 0.7, -3.0, 1e-20])
def test_a_constant_map_is_flat_also_on_another_grid(level: float) -> None:
    grid = np.full((1, 7, 7), level, np.float32)
    resampled = Geometry((512, 480), (224, 224), (0, 0, 224, 224)).to_scan(grid)[0]
    assert flat(grid[0]) and flat(resampled)


def test_what_prefers_a_place_is_not() -> None:
    assert not flat(np.array([1.0, 1.0, 1.00001]))
    assert not flat(np.array([0.0, 1e-30]))
