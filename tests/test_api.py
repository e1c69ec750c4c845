"""The public names: all there, quick to import, quiet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import whyscan
from whyscan.errors import BadInput, BadModel


def test_every_public_name_is_there() -> None:
    for name in dir(whyscan):
        assert getattr(whyscan, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="tarot"):
        _ = whyscan.tarot


def test_importing_changes_nothing_and_loads_no_torch() -> None:
    code = "import sys, whyscan; assert 'torch' not in sys.modules; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class Bright(nn.Module):
    """Logits that are the mean brightness, and its opposite."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 3, padding=1)
        self.outputs = outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x).mean((2, 3))[:, : self.outputs]


def test_a_module_in_memory_is_explained(phantoms: Path) -> None:
    torch.manual_seed(0)
    classifier = whyscan.load(Bright(2), classes=["a", "b"], input_size=32, preprocess="/255")
    scan = whyscan.read_scan(next(phantoms.rglob("Training/glioma/*.png")))
    assert classifier.predict(scan).sum() == pytest.approx(1)
    attribution = whyscan.explain(classifier, scan, method="gradcam")
    assert attribution.layer == "convolution"
    assert attribution.values.shape == (2, *scan.shape)


def test_one_sigmoid_output_is_two_classes(phantoms: Path) -> None:
    torch.manual_seed(0)
    module = Bright(1)
    classifier = whyscan.load(module, classes=["no", "yes"], input_size=32, preprocess="/255")
    scan = whyscan.read_scan(next(phantoms.rglob("Training/glioma/*.png")))
    pixels, _ = classifier.prepare(scan)
    with torch.inference_mode():
        expected = torch.sigmoid(module(torch.from_numpy(pixels))).item()
    assert classifier.predict(scan)[1] == pytest.approx(expected, abs=1e-6)
    shap = whyscan.explain(classifier, scan, method="shap", samples=60)
    assert np.allclose(shap.values[0], -shap.values[1], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "without class names"),
        ({"classes": ["a", "b", "c"], "input_size": 32}, "3 classes"),
        ({"classes": ["a", "b"], "input_size": 32, "preprocess": "magic"}, "magic"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(BadModel, match=says):
        whyscan.load(Bright(2), **arguments)  # type: ignore[arg-type]


def test_a_module_that_returns_a_dict_is_refused() -> None:
    class Dictionary(Bright):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return {"logits": super().forward(x)}

    with pytest.raises(BadModel, match="dict"):
        whyscan.load(Dictionary(2), classes=["a", "b"], input_size=32)


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_a_seed_that_cannot_be_used_is_named_before_anything_is_written(
    phantoms: Path, tmp_path: Path, seed: int
) -> None:
    for verb in (
        lambda: whyscan.audit(phantoms, tmp_path / "run", seed=seed),
        lambda: whyscan.train(phantoms, tmp_path / "run", (), seed=seed),
        lambda: whyscan.compare(tmp_path / "run", seed=seed),
        lambda: whyscan.demo(tmp_path / "run", seed=seed),
        lambda: whyscan.StudySettings(seed=seed),
    ):
        with pytest.raises(BadInput, match="seed = "):
            verb()
    assert not (tmp_path / "run").exists()
