"""A scan of one grey: the model has an answer to it, which gradients explain; what compares scans cannot."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadScan
from whyscan.explain.explain import explain
from whyscan.explain.methods import METHODS

COMPARING = ("smoothgrad", "integrated_gradients", "gradient_shap", "attention_rollout")
"""Those that go from another scan or by the scan's own contrast; and the one for transformers."""


@pytest.fixture(params=[0.0, 0.5, 1.0])
def flat(request: pytest.FixtureRequest) -> Scan:
    pixels = np.full((1, 20, 24), request.param, np.float32)
    return Scan(pixels, content_hash(pixels))


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if each.white_box and name not in COMPARING])
def test_what_looks_inside_gives_finite_maps(toy, flat, name) -> None:
    found = explain(toy, flat, name)
    assert found.values.shape == (3, 20, 24) and np.isfinite(found.values).all()
    assert len(found.diagnosis) == 3 and all(found.diagnosis)


@pytest.mark.parametrize("name", ["lime", "shap", "owen", "occlusion", "anchors", "smoothgrad", "gradient_shap"])
def test_what_has_nothing_to_compare_with_refuses_the_scan(toy, flat, name) -> None:
    with pytest.raises(BadScan, match=r"leaves the scan as it is|equals its baseline|the scan is constant"):
        explain(toy, flat, name)
