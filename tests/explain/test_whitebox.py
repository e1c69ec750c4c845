"""Methods that look inside refuse a black box by name, before they ask it anything."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.errors import BadModel
from whyscan.explain.explain import explain, explain_layers
from whyscan.explain.methods import METHODS
from whyscan.explain.whitebox import ANSWERS_ONLY, need_gradients
from whyscan.models.blackbox import black_box

INSTEAD = "use lime, shap, owen, occlusion, rise or anchors"


def test_the_methods_that_are_named_instead_are_those_that_need_only_answers() -> None:
    assert set(ANSWERS_ONLY) == {name for name, method in METHODS.items() if not method.white_box}


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.white_box])
def test_a_black_box_is_refused_by_name_and_not_asked(name: str, scan) -> None:
    asked = []

    def predict(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return np.full((len(pixels), 2), 0.5)

    box = black_box(predict, ("a", "b"), 16, name="the service")
    with pytest.raises(BadModel, match=f"the service is a black box.*{INSTEAD}"):
        explain(box, scan, name)
    with pytest.raises(BadModel, match=f"the service is a black box.*{INSTEAD}"):
        explain_layers(box, scan)
    assert not asked


def test_a_network_is_let_pass(toy) -> None:
    need_gradients(toy, "saliency")
