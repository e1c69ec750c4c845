from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadTarget
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.consensus import consensus
from whyscan.explain.games.anchors import Anchors
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.shap import SHAP
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry

PIXELS = np.arange(4, dtype=np.int32).reshape(2, 2)


def superpixels(values, segments=PIXELS, method: str = "lime", **changes) -> Attribution:
    """A signed superpixel method on a 2 x 2 scan: each pixel is a superpixel."""
    shape = np.shape(segments)
    return Attribution(
        method=method,
        targets=tuple("abc"[: len(values)]),
        geometry=Geometry(shape, shape, (0, 0, *shape)),
        classes=("a", "b", "c"),
        probabilities=np.array([0.5, 0.3, 0.2], np.float32),
        segments=np.asarray(segments, np.int32),
        weights=np.asarray(values, np.float32),
        signed=True,
        **changes,
    )


def layer(values, method: str = "gradcam", signed: bool = False, **changes) -> Attribution:
    values = np.asarray(values, np.float32)
    shape = values.shape[1:]
    base = superpixels(np.zeros((len(values), 1)), np.zeros(shape, int), method)
    return replace(base, maps=values, segments=None, weights=None, signed=signed, **changes)


def test_a_case_worked_out_by_hand() -> None:
    # means of |v|: 2 and 1, so the maps are (2, -1, 1, 0) and (1, 1, -2, 0); their mean is (1.5, 0, -0.5, 0)
    found = consensus([superpixels([[4, -2, 2, 0]]), superpixels([[1, 1, -2, 0]], method="shap")])
    np.testing.assert_allclose(found.strengths[:, 0], [[2, -1, 1, 0], [1, 1, -2, 0]])
    np.testing.assert_allclose(found.attribution.values, [[[1.5, 0], [-0.5, 0]]])
    # for: both; one for and one against as strongly: none; against: one of two; nothing: both
    np.testing.assert_allclose(found.agreement, [[[1, 0], [0.5, 1]]])
    # ranks (4, 1, 3, 2) and (3.5, 3.5, 1, 2), less 2.5: products 1.5, -1.5, -0.75, 0.25; sizes sqrt(5), sqrt(4.5)
    np.testing.assert_allclose(found.correlations[0, 0, 1], -0.5 / np.sqrt(5 * 4.5), atol=1e-6)
    assert found.attribution.measured["mean pairwise rank correlation"] == [pytest.approx(-0.5 / np.sqrt(22.5))]
    assert found.attribution.measured["mean agreement"] == [0.625]
    assert (found.methods, found.attribution.method) == (("lime", "shap"), "consensus")
    assert found.attribution.signed


def test_the_same_map_twice_is_agreed_on() -> None:
    one = superpixels([[3, -1, 0, 0], [0, 0, 1, 2]])
    found = consensus({"lime": one, "again": one})
    np.testing.assert_allclose(found.attribution.weights, [[3, -1, 0, 0], [0, 0, 4 / 3, 8 / 3]], rtol=1e-6)
    assert (found.agreement == 1).all()
    np.testing.assert_allclose(found.correlations, 1, atol=1e-6)


def test_opposite_maps_cancel_and_nobody_agrees() -> None:
    one = superpixels([[3, -1, 0.1, 2]])
    found = consensus([one, replace(one, method="shap", weights=-one.weights)])
    assert not found.attribution.weights.any()
    assert not found.agreement.any()
    np.testing.assert_allclose(found.correlations[0], [[1, -1], [-1, 1]], atol=1e-6)


def test_with_an_unsigned_method_the_question_is_where_something_speaks_for_the_target() -> None:
    # cut at 0: (4, 0, 0, 0) -> strengths (4, 0, 0, 0); Grad-CAM (2, 0, 0, 2) -> (2, 0, 0, 2)
    found = consensus([superpixels([[4, -2, -2, 0]]), layer([[[1, 0], [0, 1]]])])
    assert not found.attribution.signed
    np.testing.assert_allclose(found.attribution.weights, [[3, 0, 0, 1]])
    # the strongest fifth: the first pixel for the consensus and for lime, the first and, tied, the last for Grad-CAM
    np.testing.assert_allclose(found.shares, [[1, 1, 1, 0.5]])


def test_a_fine_map_is_compared_region_by_region() -> None:
    halves = np.array([[0, 0, 1, 1]] * 2)
    # noise that averages to 1 on the left and to -1 on the right
    noise = np.array([[[5, -3, -2, 0], [0, 2, -4, 2]]])
    found = consensus([superpixels([[1, -1]], halves), layer(noise, "integrated_gradients", signed=True)])
    np.testing.assert_allclose(found.strengths[:, 0], [[1, -1], [1, -1]])
    assert (found.agreement == 1).all()


def test_totals_of_superpixels_and_values_of_pixels_of_a_linear_model_agree() -> None:
    # the logits are a sum over pixels, so a strip's Shapley value is the sum of its pixels' integrated gradients
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2, bias=False)).eval()
        nn.init.uniform_(network[1].weight, 0.5, 1.5)
    linear = Classifier("linear", ("a", "b"), (16, 16), network, ())
    pixels = np.random.default_rng(0).uniform(0.2, 1, (1, 16, 16)).astype(np.float32)
    strips = np.broadcast_to(np.repeat(np.arange(5), (1, 2, 4, 6, 3)), (16, 16))
    shap = SHAP(Perturbation(strips, fill=0.0, samples=32, score="logit", engine="float32"))
    found = [method(linear, [Scan(pixels, "noise")])[0] for method in (shap, IntegratedGradients(steps=1))]
    sums = [found[1].values[:, strips == strip].sum(1) for strip in range(5)]
    np.testing.assert_allclose(found[0].weights, np.transpose(sums), rtol=1e-4)
    together = consensus(found)
    np.testing.assert_allclose(together.strengths[0], together.strengths[1], rtol=1e-4)
    np.testing.assert_allclose(together.correlations, 1, atol=1e-6)
    # a consensus is per pixel already, and stays what it is beside another map
    again = consensus([together.attribution, found[1]])
    np.testing.assert_allclose(again.strengths[0], again.strengths[1], rtol=1e-4)


def test_what_is_outside_the_game_is_a_region_of_its_own() -> None:
    found = consensus([superpixels([[1]], [[0, -1]]), layer([[[1, 3]]], signed=True)])
    np.testing.assert_allclose(found.strengths[:, 0], [[2, 0], [0.5, 1.5]])


def test_a_method_without_a_map_abstains_by_name() -> None:
    found = consensus([superpixels([[1, 2, 3, -2]]), superpixels([[0, 0, 0, 0]], method="shap")])
    assert found.attribution.diagnosis == ("there, without shap",)
    assert (found.agreement == 1).all()
    assert found.attribution.measured["mean pairwise rank correlation"] == [0.0]
    nothing = consensus([superpixels([[0, 0, 0, 0]]), superpixels([[0, 0, 0, 0]], method="shap")])
    assert nothing.attribution.diagnosis == ("no method has a map",)
    assert not nothing.attribution.weights.any()


def anchors(values, *diagnosis: str) -> Attribution:
    return replace(superpixels(values, method="anchors"), signed=False, diagnosis=diagnosis)


def test_an_anchor_of_the_predicted_class_counts() -> None:
    found = consensus([superpixels([[4, -2, -2, 0]]), anchors([[0.5, 0, 0, 0]], "there")])
    assert not found.attribution.signed
    # cut at 0: (4, 0, 0, 0) -> (4, 0, 0, 0); the anchor likewise
    np.testing.assert_allclose(found.strengths[:, 0], [[4, 0, 0, 0]] * 2)
    assert found.attribution.diagnosis == ("there",)


@pytest.mark.parametrize(
    "diagnosis",
    [
        "there, for its not being predicted",
        "there, for its not being ahead",
        "no anchor reaches a precision of 0.95",
        "no anchor reaches a precision of 0.95, for its not being predicted",
    ],
)
def test_an_anchor_that_is_no_evidence_for_the_target_is_left_out_by_name(diagnosis: str) -> None:
    lime, shap = superpixels([[4, -2, 2, 0]]), superpixels([[1, 1, -2, 0]], method="shap")
    three = consensus([lime, anchors([[0, 0.5, 0, 0]], diagnosis), shap])
    two = consensus([lime, shap])
    assert three.attribution.signed
    np.testing.assert_array_equal(three.attribution.weights, two.attribution.weights)
    np.testing.assert_array_equal(three.shares, two.shares)
    assert dict(three.attribution.measured) == dict(two.attribution.measured)
    assert not three.strengths[1].any()
    reason = diagnosis.removeprefix("there, ")
    assert three.attribution.diagnosis == (f"there, without anchors ({reason})",)


def test_an_anchor_counts_for_the_targets_that_it_speaks_for() -> None:
    rule = anchors([[1, 0, 0, 0], [1, 0, 0, 0]], "there", "there, for its not being predicted")
    found = consensus([superpixels([[0, 1, 0, 0], [0, 1, 0, 0]]), rule])
    np.testing.assert_allclose(found.attribution.weights, [[2, 2, 0, 0], [0, 4, 0, 0]])
    assert found.attribution.diagnosis == ("there", "there, without anchors (for its not being predicted)")


def test_where_an_anchor_is_left_out_one_method_is_its_own_consensus_and_none_is_said_to_be_none() -> None:
    rule = anchors([[0.5, 0, 0, 0]], "there, for its not being predicted")
    alone = consensus([superpixels([[4, -2, 2, 0]]), rule])
    np.testing.assert_allclose(alone.attribution.weights, [[2, -1, 1, 0]])
    assert alone.attribution.measured["mean pairwise rank correlation"] == [0.0]
    nobody = consensus([superpixels([[0, 0, 0, 0]]), rule])
    assert not nobody.attribution.weights.any()
    assert nobody.attribution.diagnosis == ("no method has a map, without anchors (for its not being predicted)",)


def test_of_anchors_as_they_are_only_the_predicted_class_is_read_beside_others(toy, scan) -> None:
    lime, rule = LIME()(toy, [scan])[0], Anchors()(toy, [scan])[0]
    found = consensus([lime, rule])
    for t, name in enumerate(found.attribution.targets):
        counts = rule.diagnosis[rule.index(name)] == "there"
        assert counts <= (name == rule.predicted)
        assert bool(found.strengths[1, t].any()) == counts
        assert ("without anchors (" in found.attribution.diagnosis[t]) != counts


vectors = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=4, max_size=4)


@settings(deadline=None, max_examples=50)
@given(one=vectors, two=vectors, scale=st.floats(1e-3, 1e3))
def test_the_scale_of_a_map_does_not_matter(one: list[float], two: list[float], scale: float) -> None:
    first, second = superpixels([one]), superpixels([two], method="shap")
    plain = consensus([first, second])
    scaled = consensus([replace(first, weights=first.weights * np.float32(scale)), second])
    np.testing.assert_allclose(scaled.attribution.weights, plain.attribution.weights, atol=1e-5)
    np.testing.assert_allclose(scaled.correlations, plain.correlations, atol=1e-5)
    assert ((plain.agreement >= 0) & (plain.agreement <= 1)).all()


@settings(deadline=None, max_examples=30)
@given(values=st.lists(vectors, min_size=3, max_size=3))
def test_the_order_of_the_methods_does_not_matter(values: list[list[float]]) -> None:
    coarse = superpixels([[values[0][0], values[0][1]]], [[0, 0], [1, 1]])
    other = superpixels([[values[1][0], values[1][1]]], [[0, 1], [0, 1]], method="shap")
    fine = layer([np.reshape(values[2], (2, 2))], signed=True)
    found = [consensus(list(each)) for each in permutations([coarse, other, fine])]
    for each in found[1:]:
        np.testing.assert_array_equal(each.attribution.segments, found[0].attribution.segments)
        np.testing.assert_allclose(each.attribution.values, found[0].attribution.values, atol=1e-5)
        for name, numbers in each.attribution.measured.items():
            np.testing.assert_allclose(numbers, found[0].attribution.measured[name], atol=1e-6)


def test_only_common_targets_or_the_one_asked_for() -> None:
    two, one = superpixels([[1, 2, 3, 4], [4, 3, 2, 1]]), superpixels([[1, 2, 3, 4]], method="shap")
    assert consensus([two, one]).attribution.targets == ("a",)
    assert consensus([two, two], "b").attribution.targets == ("b",)
    with pytest.raises(BadTarget, match=r"target of shap 'b'"):
        consensus([two, one], "b")
    with pytest.raises(BadTarget, match="no target in common"):
        consensus([one, replace(one, targets=("b",))])


def test_what_cannot_be_compared_is_named() -> None:
    one = superpixels([[1, 2, 3, 4]], scan="1", model="m", model_hash="x")
    with pytest.raises(BadInput, match="two or more"):
        consensus([one])
    with pytest.raises(BadInput, match="lime and shap of different scans"):
        consensus([one, replace(one, method="shap", scan="2")])
    with pytest.raises(BadInput, match="different models, 'm' and 'n'"):
        consensus([one, replace(one, method="shap", model="n")])
    with pytest.raises(BadInput, match="different models"):
        consensus([one, replace(one, method="shap", model_hash="y")])


def test_of_methods_as_they_are(toy, scan, tmp_path) -> None:
    methods = [LIME()(toy, [scan])[0], SHAP()(toy, [scan])[0], GradCAM()(toy, [scan])[0]]
    found = consensus(methods)
    assert found.methods == ("lime", "shap", "gradcam at second")
    assert found.agreement.shape == (3, *scan.shape)
    assert found.attribution.values.shape == (3, *scan.shape)
    found.attribution.save(tmp_path / "consensus.npz")
    assert Attribution.load(tmp_path / "consensus.npz").digest() == found.attribution.digest()
    assert consensus(methods[:2]).attribution.signed
    # without superpixels of anybody's, those of the scan
    layers = consensus([methods[2], replace(methods[2], layer="other")])
    assert layers.attribution.segments.max() > 3
    there = [word == "there" for word in layers.attribution.diagnosis]
    assert any(there)
    assert (layers.agreement[there] == 1).all()
    blind = consensus([replace(each, thumbnail=None) for each in (methods[2], methods[2])])
    assert blind.attribution.segments.max() > 3
