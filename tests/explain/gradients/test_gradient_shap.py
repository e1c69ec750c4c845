"""Gradient SHAP: exact where the model is linear, honest about its error elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from whyscan.errors import BadInput, BadScan
from whyscan.explain.gradients.gradient_shap import GradientSHAP, draw, usual
from whyscan.explain.gradients.integrated import IntegratedGradients
from whyscan.explain.gradients.sampled import sum_and_error
from whyscan.models.classifier import Classifier


def test_with_one_reference_it_is_integrated_gradients_by_sampling(toy: Classifier, scan) -> None:
    (exact,) = IntegratedGradients(steps=64)(toy, [scan])
    black = np.zeros((1, 3, 16, 16), np.float32)
    (found,) = GradientSHAP(samples=128, references=black)(toy, [scan], seed=3)
    for t in range(3):
        assert np.corrcoef(found.maps[t].ravel(), exact.maps[t].ravel())[0, 1] > 0.999
        away = np.sqrt(((found.maps[t] - exact.maps[t]) ** 2).mean())
        assert away < 3 * found.measured["standard error"][t]


def test_the_error_that_is_stated_is_the_error_that_is_made(toy: Classifier, scan) -> None:
    # spread over seeds against the stated error; neighbours' differences state rather too much, never much too little
    runs = [GradientSHAP(samples=16)(toy, [scan], "glioma", seed=seed)[0] for seed in range(24)]
    spread = np.sqrt(np.var([run.maps[0] for run in runs], axis=0, ddof=1).mean())
    stated = np.sqrt(np.mean([np.square(run.measured["standard error"][0]) for run in runs]))
    assert 0.8 * spread < stated < 3 * spread


def test_the_gap_is_what_is_missing(toy: Classifier, scan) -> None:
    (found,) = GradientSHAP(samples=16)(toy, [scan])
    pixels = toy.prepare(scan)[0][0]
    change = toy.logits(scan) - toy.logits(usual(pixels)).mean(0)
    np.testing.assert_allclose(found.measured["completeness gap"], found.maps.sum((1, 2)) - change, atol=1e-4)
    assert found.evaluations == 16 + 3
    assert found.settings["references"] == "black and blur"


@pytest.mark.parametrize(("count", "pairs"), [(1, 3), (2, 8), (3, 7), (5, 4), (9, 2)])
def test_every_reference_counts_alike(count: int, pairs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels, references = (torch.rand(*shape, generator=generator) for shape in ((3, 4, 4), (count, 3, 4, 4)))
    points = list(draw(pixels, references, pairs, seed=1))
    assert [point.group for point in points] == list(range(2 * pairs))
    uses, places = np.zeros(count), []
    for point in points:
        # which reference, and where on the way: the point is reference + a (pixels - reference)
        where = [((point.pixels - r) / (pixels - r)).flatten() for r in references]
        which = int(np.argmin([float(each.std()) for each in where]))
        places.append((which, float(where[which].median())))
        uses[which] += float((point.factor / (pixels - references[which])).median())
    if count <= pairs:
        np.testing.assert_allclose(uses, 1 / count, rtol=1e-4)
        for which in range(count):
            mine = sorted(where for each, where in places if each == which)
            assert [int(where * len(mine)) for where in mine] == list(range(len(mine)))
    else:
        assert uses.sum() == pytest.approx(1, rel=1e-4)
        assert [int(where * 2 * pairs) for _, where in places] == list(range(2 * pairs))
        assert (uses > 0).sum() == min(count, 2 * pairs)


def test_scans_can_be_references(toy: Classifier, scans) -> None:
    (found,) = GradientSHAP(samples=4, references=scans[1:3])(toy, scans[:1])
    pixels = np.concatenate([toy.prepare(each)[0] for each in scans[1:3]])
    (same,) = GradientSHAP(samples=4, references=pixels)(toy, scans[:1])
    np.testing.assert_array_equal(found.maps, same.maps)
    assert found.settings["references"] == "2 given"


def test_sum_and_error() -> None:
    total, error = sum_and_error(iter([torch.tensor([1.0, 2]), torch.tensor([4.0, 2]), torch.tensor([2.0, 1]),
                                       torch.tensor([6.0, 1])]))  # fmt: skip
    assert total.tolist() == [13, 6]
    assert error.tolist() == [5, 0]  # sqrt(3^2 + 4^2)


def test_bad_references(toy: Classifier, scan) -> None:
    with pytest.raises(BadInput, match="no references"):
        GradientSHAP(references=[])
    with pytest.raises(BadInput, match=r"shape \(1, 3, 8, 8\)"):
        GradientSHAP(references=np.zeros((1, 3, 8, 8), np.float32))(toy, [scan])
    with pytest.raises(BadInput, match="samples 1"):
        GradientSHAP(samples=1)
    with pytest.raises(BadScan, match="equals its baseline"):
        GradientSHAP()(toy, [replace(scan, pixels=np.full_like(scan.pixels, 0.5))])
