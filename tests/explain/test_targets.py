from __future__ import annotations

import numpy as np
import pytest

from whyscan.errors import BadTarget
from whyscan.explain.cams.contribution import layer_contributions
from whyscan.explain.explain import explain_layers
from whyscan.explain.targets import check, choose_layers, resolve, scored

LOGITS = np.array([0.0, 3.0, 1.0], np.float32)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("all", ("glioma", "meningioma", "no_tumor")),
        ("predicted", ("meningioma",)),
        ("true", ("glioma",)),
        ("no", ("no_tumor",)),
        (["predicted", "true", "men"], ("meningioma", "glioma")),
        ("glioma-no", ("glioma-no_tumor",)),
        (("men-gli", "all"), ("meningioma-glioma", "glioma", "meningioma", "no_tumor")),
    ],
)
def test_targets_by_name(toy, asked, names) -> None:
    found, rows = resolve(toy, asked, LOGITS, "glioma")
    assert found == names
    for name, row in zip(found, rows, strict=True):
        expected = [0.0, 0.0, 0.0]
        for part, sign in zip(name.split("-"), (1, -1), strict=False):
            expected[toy.classes.index(part)] = sign
        assert row.tolist() == expected


@pytest.mark.parametrize(
    ("asked", "label", "said"),
    [
        ("true", None, "whose label is known"),
        ("true", "stroke", "'stroke'"),
        ("stroke", "glioma", "one of glioma, meningioma, no_tumor"),
        ([], "glioma", "no target was given"),
        ("glioma-glioma", "glioma", "'glioma-glioma'"),
    ],
)
def test_what_is_not_a_target_is_named(toy, asked, label, said) -> None:
    with pytest.raises(BadTarget, match=said):
        check(toy, asked, label)


def test_layers_come_shallow_to_deep_whatever_the_order_asked_for(toy, scans) -> None:
    # first -> relu -> second -> norm; relu and norm are not among the layers that are listed
    assert [layer.path for layer in choose_layers(toy, ["norm", "second", "relu", "first", "relu"])] == [
        "first", "relu", "second", "norm",
    ]  # fmt: skip
    assert [layer.path for layer in choose_layers(toy, ["norm", "all"])] == ["first", "second", "norm"]
    rows = layer_contributions(toy, scans[:1], scans[1:], ["second", "first"], "glioma")
    assert [row.layer for row in rows] == ["first", "second"]
    found = explain_layers(toy, scans[0], "glioma", layers=["norm", "relu"])
    assert list(found) == ["relu", "norm"]
    assert found["norm"].maps.shape == (1, 8, 8)


def test_probabilities_still_move_where_a_model_is_sure() -> None:
    logits = np.array([[20.0, 0.0, 0.0], [21.0, 0.0, 0.0]], np.float32)
    rows = np.array([[1, 0, 0], [1, -1, 0]], np.float32)
    low, high = scored(logits, rows, "probability")
    assert np.exp(logits - logits.max(-1, keepdims=True)).sum(-1).tolist() == [1.0, 1.0]  # float32 sees no difference
    assert high[0] - low[0] == pytest.approx(2 * (np.exp(-20) - np.exp(-21)), rel=1e-4)
    assert low[1] == pytest.approx(1 - 3 * np.exp(-20), abs=1e-15)
    np.testing.assert_array_equal(scored(logits, rows, "logit"), [[20, 20], [21, 21]])


@pytest.mark.parametrize("name", ["relu", "final", "last", "norm"])
def test_one_layer_may_be_any(toy, scans, name: str) -> None:
    [(layer, found)] = explain_layers(toy, scans[0], "glioma", layers=name).items()
    assert layer in ("relu", "norm", "second") and found.layer == layer and np.ptp(found.maps) > 0
