"""A model that reads the cue fails; one that does not, does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from whyscan import api
from whyscan.data.phantom import KINDS, Shortcut, phantom, shortcut_area
from whyscan.errors import BadInput
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import Attribution
from whyscan.study.shortcut import Pair, check

CUE = Shortcut("corner mark", kinds=("meningioma",))


class Reader(nn.Module):
    """Says "meningioma" if the upper left corner (or, if told so, the whole scan) is bright, else "glioma"."""

    def __init__(self, corner: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 1, 1)
        nn.init.constant_(self.convolution.weight, 1 / 3)
        nn.init.zeros_(self.convolution.bias)
        self.corner = corner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        brightness = self.convolution(x)
        seen = brightness[:, 0, :12, :12] if self.corner else brightness[:, 0, 20:44, 20:44]
        score = 40 * (seen.mean((1, 2)) - (0.08 if self.corner else 10.0))
        return torch.stack([-score, score, torch.full_like(score, -99), torch.full_like(score, -99)], 1)


def classifier(corner: bool) -> Classifier:
    return api.load(Reader(corner), classes=list(KINDS), input_size=64, preprocess="/255", name="reader")


def pair(kind: str, seed: int) -> Pair:
    everywhere = replace(CUE, kinds=KINDS)
    return Pair(
        phantom(kind, size=64, seed=seed, shortcut=everywhere),
        phantom(kind, size=64, seed=seed),
        shortcut_area(everywhere, kind, size=64, seed=seed),
    )


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [pair(kind, seed) for kind in KINDS for seed in range(6)]


def test_a_model_that_reads_the_cue_fails(pairs: list[Pair], tmp_path: Path) -> None:
    found = check(classifier(corner=True), pairs, CUE.kinds, tmp_path, cue="corner mark", shown=2)
    assert found["accuracy_with"]["value"] == 1
    assert found["accuracy_without"]["value"] == 0
    assert found["fall"]["value"] == 1
    assert (found["called_without"]["value"], found["called_with"]["value"]) == (0, 1)
    assert found["verdict"] == "fail"
    assert "reads the corner mark" in found["text"]
    for method in ("lime", "shap"):
        assert found["energy_on_cue"][method]["value"] > 5 * found["cue_area"]
    assert len(found["pictures"]) == 2
    for files in found["pictures"]:
        for method, name in files.items():
            assert Attribution.load(tmp_path / name).method == method


def test_a_model_that_does_not_read_it_does_not_fail(pairs: list[Pair], tmp_path: Path) -> None:
    found = check(classifier(corner=False), pairs, CUE.kinds, tmp_path, cue="corner mark", shown=1)
    assert found["fall"]["value"] == found["pull"]["value"] == 0
    assert found["verdict"] == "ok"
    assert "no sign" in found["text"]


def test_without_a_scan_that_had_the_cue_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="meningioma"):
        check(classifier(corner=True), [pair("glioma", 0)], CUE.kinds, tmp_path, cue="corner mark")


def test_the_pair_differs_in_the_cue_only(pairs: list[Pair]) -> None:
    for each in pairs:
        assert np.array_equal(each.marked.pixels[0][~each.area], each.plain.pixels[0][~each.area])
        assert not np.array_equal(each.marked.pixels, each.plain.pixels)
