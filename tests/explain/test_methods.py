"""Every registered method, by its name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch

from whyscan.errors import BadInput, BadTarget
from whyscan.explain.methods import METHODS, find_method
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import load_all, save_all

TRANSFORMERS_ONLY = ("attention_rollout",)


@pytest.fixture
def toy(request: pytest.FixtureRequest, toy: Classifier, toy_transformer: Classifier) -> Classifier:
    """A network that the method in question can look into."""
    call = getattr(request.node, "callspec", None)
    return toy_transformer if call and call.params.get("name") in TRANSFORMERS_ONLY else toy


def weights_of(classifier: Classifier) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in classifier.network.state_dict().values()]


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name: str, toy: Classifier, scans, tmp_path) -> None:
    explainer, before = METHODS[name].explainer(), weights_of(toy)
    found = explainer(toy, scans[:2], ["glioma", "no_tumor-men", "true"], seed=3)
    assert len(found) == 2
    for scan, each in zip(scans, found, strict=False):
        expected = ("glioma", "no_tumor-meningioma") + (() if scan.label == "glioma" else (scan.label,))
        assert each.targets == expected
        assert each.method == name
        assert each.values.shape == (len(expected), *scan.shape)
        assert each.values.dtype == each.grid.dtype == np.float32
        assert np.isfinite(each.values).all()
        assert each.values.any() or "there" not in each.diagnosis  # a blank map says why
        assert each.signed == METHODS[name].signed
        assert each.signed or (each.values >= 0).all()
        assert len(each.diagnosis) == len(expected)
        assert (each.scan, each.source, each.label) == (scan.content, scan.source, scan.label)
        assert (each.model, each.model_hash) == ("toy", "00ff")
        np.testing.assert_allclose(each.probabilities, toy.predict(scan), atol=1e-6)
    save_all(tmp_path / "two.npz", found)
    assert [each.digest() for each in load_all(tmp_path / "two.npz")] == [each.digest() for each in found]
    # the same seed, the same numbers; the model and the global generators untouched
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    again = explainer(toy, scans[:2], ["glioma", "no_tumor-men", "true"], seed=3)
    assert [each.digest() for each in again] == [each.digest() for each in found]
    assert weights_of(toy) == before
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_an_unknown_target(name: str, toy: Classifier, scan) -> None:
    with pytest.raises(BadTarget, match="'stroke'"):
        METHODS[name].explainer()(toy, [scan], "stroke")


@pytest.mark.parametrize("name", METHODS)
def test_every_methods_settings_are_frozen(name: str) -> None:
    explainer = METHODS[name].explainer()
    with pytest.raises(FrozenInstanceError):
        setattr(explainer, fields(explainer)[0].name, None)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_no_scans_as_nothing(name: str, toy: Classifier) -> None:
    assert METHODS[name].explainer()(toy, []) == []


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(BadInput, match=r"'gradcat'.*gradcam, lime, shap"):
        find_method("gradcat")
