"""Methods that look inside refuse a black box by name, before they ask it anything."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.errors import BadModel
from whyscan.explain.methods import METHODS
from whyscan.explain.whitebox import need_gradients
from whyscan.models.blackbox import black_box

GRADIENTS = (
    "saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "gradient_shap", "guided_backprop",
    "guided_gradcam", "attention_rollout",
)  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_black_box_is_refused_by_name_and_not_asked(name: str, scan) -> None:
    asked = []

    def predict(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return np.full((len(pixels), 2), 0.5)

    box = black_box(predict, ("a", "b"), 16, name="the service")
    with pytest.raises(BadModel, match=r"the service is a black box.*use lime, shap, occlusion or rise"):
        METHODS[name].explainer(**({"layer": "conv1"} if name == "guided_gradcam" else {}))(box, [scan])
    assert not asked


def test_a_network_is_let_pass(toy) -> None:
    need_gradients(toy, "saliency")
