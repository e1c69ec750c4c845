from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whyscan.data.read import read_scan
from whyscan.errors import BadInput, BadTarget
from whyscan.explain.consensus import consensus
from whyscan.explain.explain import explain, explain_layers, explain_many
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.rise import RISE
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.shap import SHAP
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.methods import METHODS
from whyscan.models.backbones import build


def test_one_method_one_scan(toy, scan) -> None:
    found = explain(toy, scan, "gradcam", "glioma", layer="block1_conv1")
    assert (found.method, found.layer, found.targets) == ("gradcam", "first", ("glioma",))
    assert found.maps.shape == (1, 16, 16)


def test_many_methods_come_in_the_order_asked(toy, scan) -> None:
    order = ["shap", "gradcam", "lime"]
    cut = Superpixels("grid", 16)
    found = explain_many(toy, scan, order, samples=40, superpixels=cut, score="logit", engine="float32")
    assert list(found) == order
    assert [each.targets for each in found.values()] == [toy.classes] * 3
    assert found["shap"].settings["shared_by"] == ["lime", "shap"]
    alone = explain(toy, scan, "lime", samples=40, superpixels=cut, score="logit", engine="float32")
    assert alone.settings["shared_by"] == ["lime"]


def test_a_label_map_of_ones_own(toy, scan) -> None:
    labels = np.zeros(scan.shape, int)
    labels[:, 12:] = 5
    found = explain(toy, scan, "shap", superpixels=labels)
    assert found.weights.shape == (3, 2)
    assert found.evaluations == 4


def test_layers_shallow_to_deep_are_the_same_as_one_by_one(toy, scan) -> None:
    found = explain_layers(toy, scan, ["glioma", "glioma-men"])
    assert list(found) == ["first", "second"]
    for name, each in found.items():
        assert each.layer == name
        np.testing.assert_allclose(each.maps, explain(toy, scan, "gradcam", each.targets, layer=name).maps, atol=1e-6)
    assert list(explain_layers(toy, scan, layers=["last", "first"])) == ["first", "second"]
    assert list(explain_layers(toy, scan, layers="block1_conv1")) == ["first"]


def test_what_cannot_be_explained_is_refused_before_any_work(toy, scan) -> None:
    handle = toy.network.register_forward_hook(lambda *_: pytest.fail("the model was asked"))
    with pytest.raises(BadInput, match="gradcam"):
        explain(toy, scan, "grad-cam")
    with pytest.raises(BadTarget, match="stroke"):
        explain_many(toy, scan, ["lime"], "stroke")
    with pytest.raises(BadTarget, match="try first"):
        explain_layers(toy, scan, layers="firts")
    with pytest.raises(BadInput, match="looks at no layer"):
        explain_layers(toy, scan, method="lime")
    handle.remove()


@pytest.mark.parametrize("method", ["rise", "anchors", "smoothgrad", "gradient_shap"])
def test_auto_is_for_methods_that_can_tell_when_they_have_settled(toy, scan, method) -> None:
    with pytest.raises(BadInput, match="cannot tell when it has settled"):
        explain(toy, scan, method, samples="auto")


def test_the_nearest_name_and_the_known_options_are_told(toy, scan) -> None:
    for typed, meant in (("LIME", "lime"), ("grad-cam", "gradcam"), ("lmie", "lime")):
        with pytest.raises(BadInput, match=f"try {meant}\\."):
            explain(toy, scan, typed)
    with pytest.raises(BadInput, match=r"samples for occlusion. Expected: one of .*stride, window"):
        explain(toy, scan, "occlusion", samples=100)
    with pytest.raises(BadInput, match=r"pass LIME\(\)"):
        explain(toy, scan, LIME)  # type: ignore[arg-type]


def test_methods_with_settings_of_their_own_each_play_their_own_game(toy, scan) -> None:
    cut = Superpixels("grid", 16)
    few, more = Perturbation(cut, samples=30, engine="float32"), Perturbation(cut, samples=50, engine="float32")
    asked = {"wide": LIME(few, kernel_width=1.0), "shap": SHAP(more), "narrow": LIME(few), "rise": RISE(samples=20)}
    found = explain_many(toy, scan, asked, "glioma")
    assert [each.evaluations for each in found.values()] == [30, 50, 30, 20]
    assert [each.method for each in found.values()] == ["lime", "shap", "lime", "rise"]
    assert found["wide"].settings["shared_by"] == ["narrow", "wide"]
    assert consensus(found).methods == ("wide", "shap", "narrow", "rise")
    assert explain(toy, scan, SHAP(more), "glioma").digest() == found["shap"].digest()


def test_an_option_is_for_the_methods_that_have_it_and_no_method_answers_for_another(toy, scan) -> None:
    # 2 and 3 are enough for these, though they would not do for LIME
    assert explain(toy, scan, "smoothgrad", "glioma", samples=2).settings["samples"] == 2
    assert explain(toy, scan, "gradient_shap", "glioma", samples=3).settings["samples"] == 4
    with pytest.raises(BadInput, match="2 samples"):
        explain(toy, scan, "lime", samples=2)


def test_an_option_beside_a_method_with_settings_counts_for_that_method_too(toy, scan) -> None:
    own = Perturbation(Superpixels("grid", 16), engine="float32")
    found = explain(toy, scan, LIME(own, kernel_width=0.5), "glioma", samples=50)
    assert (found.evaluations, found.settings["kernel_width"]) == (50, 0.5)
    assert found.settings["superpixels"]["algorithm"] == "grid"
    both = explain_many(toy, scan, [LIME(), "shap"], "glioma", samples=40, superpixels=Superpixels("grid", 16))
    assert list(both) == ["lime", "shap"]
    assert [each.settings["shared_by"] for each in both.values()] == [["lime", "shap"]] * 2
    assert {each.evaluations for each in both.values()} == {40}
    with pytest.raises(BadInput, match="lime twice"):
        explain_many(toy, scan, [LIME(), LIME(kernel_width=1.0)])
    with pytest.raises(BadInput, match="samples for gradcam"):
        explain(toy, scan, METHODS["gradcam"].explainer(), samples=50)


def test_one_name_is_one_method(toy, scan) -> None:
    assert list(explain_many(toy, scan, "gradcam")) == ["gradcam"]


@pytest.mark.real
@pytest.mark.slow
def test_a_real_scan_with_real_weights(shared: Path) -> None:
    folder = shared / "data" / "brain-tumor-mri" / "Training" / "glioma_tumor"
    scan = read_scan(sorted(folder.glob("*.jpg"))[0], label="glioma_tumor")
    classes = ("glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor")
    weights = shared / "weights" / "mobilenetv2_035.imagenet.safetensors"
    classifier = build("mobilenetv2_035", weights, classes, input_size=96)
    methods = [name for name in METHODS if name not in ("attention_rollout", "scorecam")]  # a transformer's; a minute's
    found = explain_many(classifier, scan, methods, ["true", "predicted"], samples=150)
    assert all(np.isfinite(each.values).all() and each.values.any() for each in found.values())
    layers = explain_layers(classifier, scan, "true")
    assert list(layers) == [layer.name for layer in classifier.layers]
    assert all(each.diagnosis[0] in ("there", "negative everywhere") for each in layers.values())
