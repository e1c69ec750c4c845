"""What people pass instead of a classifier, a scan, a seed or a method is named, with the call that mends it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from whyscan.errors import BadInput, BadTarget
from whyscan.explain.explain import explain, explain_layers, explain_many


@pytest.mark.parametrize("verb", [explain, explain_many, explain_layers])
def test_what_is_no_classifier_or_scan_is_named_with_what_makes_it_one(toy, scan, verb) -> None:
    for given, mend in (
        (toy.network, r"a network, Toy.*whyscan\.load\(network"),
        ("model.h5", r"'model\.h5'.*whyscan\.load\('model\.h5'\)"),
        (toy.predict, r"method.*whyscan\.load\(network.*function"),
        (scan, "comes first"),
        (None, "NoneType"),
    ):
        with pytest.raises(BadInput, match=mend):
            verb(given, scan)
    for given, mend in (
        (scan.pixels, r"an array of shape \(1, 20, 24\).*read_scan"),
        (torch.zeros(3, 2), r"an array of shape \(3, 2\)"),
        (Path("a.png"), r"whyscan\.read_scan\('a\.png'\)"),
        ([scan], r"list.*GradCAM\(\)\(classifier, scans\)"),
        (None, "NoneType"),
    ):
        with pytest.raises(BadInput, match=mend):
            verb(toy, given)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
@pytest.mark.parametrize("method", ["gradcam", "lime", "rise", "smoothgrad"])
def test_a_seed_is_a_whole_number_whatever_the_method(toy, scan, seed, method) -> None:
    with pytest.raises(BadInput, match=r"seed .*0 or more"):
        explain(toy, scan, method, seed=seed)


@pytest.mark.parametrize("method", [None, 5, ["gradcam", "lime"]])
def test_what_is_no_method_is_named(toy, scan, method) -> None:
    with pytest.raises(BadInput, match=r"a method's name.*explain_many"):
        explain(toy, scan, method)


@pytest.mark.parametrize("number", [1, np.int64(1), [1], np.array([1]), torch.tensor(1), torch.tensor([1]), (1, "men")])
@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_a_class_may_be_given_by_its_number(toy, scan, number, method) -> None:
    assert explain(toy, scan, method, number).digest() == explain(toy, scan, method, "meningioma").digest()
    assert explain(toy, scan, method, [2, "glioma", 0]).targets == ("no_tumor", "glioma")


@pytest.mark.parametrize("verb", [explain, explain_many, explain_layers])
def test_what_is_no_target_is_refused_with_the_classes(toy, scan, verb) -> None:
    for wrong in (3, -1, [0, 3]):
        with pytest.raises(BadTarget, match="0 glioma, 1 meningioma, 2 no_tumor"):
            verb(toy, scan, targets=wrong)
    for wrong in (None, 1.0, True, [None], [[0]], object(), torch.tensor(1.5), np.array(0.0)):
        with pytest.raises(BadTarget, match=r"glioma, meningioma, no_tumor.*its number"):
            verb(toy, scan, targets=wrong)


@pytest.mark.parametrize("layers", [None, 0, [0], [None]])
def test_layers_are_names(toy, scan, layers) -> None:
    with pytest.raises(BadTarget, match="names of layers"):
        explain_layers(toy, scan, layers=layers)
