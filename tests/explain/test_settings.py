"""What a method's settings refuse when they are made, and what they take."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from whyscan.errors import BadInput
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.gradients.gradient_shap import GradientSHAP
from whyscan.explain.methods import METHODS

HOLDERS = {name: method.explainer for name, method in METHODS.items()}
HOLDERS |= {"perturbation": Perturbation, "superpixels": Superpixels}  # what LIME, SHAP and Owen values hold
WRONG = ("abc", 0, -1, None, 2.5, [1], np.zeros((16, 16)))


@pytest.mark.parametrize(("name", "field"), [(name, each.name) for name in HOLDERS for each in fields(HOLDERS[name])])
def test_a_wrong_setting_is_refused_when_it_is_made_and_what_is_not_refused_explains(
    name, field, toy, toy_transformer, scan
) -> None:
    network = toy_transformer if name == "attention_rollout" else toy
    for value in WRONG:
        try:
            made = HOLDERS[name](**{field: value})
        except BadInput:
            continue
        made = Perturbation(made) if name == "superpixels" else made
        method = LIME(replace(made, samples=20)) if isinstance(made, Perturbation) else made
        try:
            (found,) = method(network, [scan], "glioma")
        except BadInput as refused:  # what only the classifier knows: its layers, and how large its grid is
            assert (field, value) in (("layer", "abc"), ("window", 2.5), ("stride", 2.5))
            assert repr(value) in str(refused)
        else:
            assert np.isfinite(found.values).all()


@pytest.mark.parametrize("name", METHODS)
def test_numbers_of_numpys_serve_as_those_of_python(name: str) -> None:
    usual = METHODS[name].explainer()
    numbers = {
        item.name: np.asarray(getattr(usual, item.name))[()]
        for item in fields(usual)
        if type(getattr(usual, item.name)) in (int, float)
    }
    made = METHODS[name].explainer(**numbers)
    assert made == usual or asdict(made) == asdict(usual)
    assert {type(getattr(made, number)) for number in numbers} <= {int, float}


def test_a_label_map_serves_as_superpixels_and_a_mask_is_told_what_it_lacks(toy, scan) -> None:
    labels = np.arange(16 * 16).reshape(16, 16) // 64
    (found,) = LIME(Perturbation(labels))(toy, [scan])
    assert found.weights.shape == (3, 4)
    with pytest.raises(BadInput, match=r"label map of bool.*number the parts"):
        Perturbation(labels > 1)


@pytest.mark.parametrize("references", [5, "black", [], np.zeros((3, 16, 16)), ["a.png"]])
def test_references_are_scans_or_pixels(references) -> None:
    with pytest.raises(BadInput, match=r"references|scans, or pixels"):
        GradientSHAP(references=references)
